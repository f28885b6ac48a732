package storm

import (
	"maps"
	"slices"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/history"
)

// modelLimit is how long porcupine may think about one key of a storm. It takes far less, unless something is wrong.
const modelLimit = 20 * time.Second

// Outcome is what came of storms.
type Outcome struct {
	Storms int
	Lasted time.Duration
	// Faults counts by name how often each befell a node or a process.
	Faults map[string]int
	// Holds counts locks that were got, by mutex; Tokens those that had one.
	Holds  map[string]int
	Tokens int
	// Refused counts acquires without a lock, Ended counts locks, by what Record.Why says.
	Refused, Ended map[string]int
	// Majority and Minority are how long, by mutex, nobody got a lock after so many nodes had restarted without their data.
	Majority, Minority Times
	Violations         []history.Violation
}

// Times are durations measured for each mutex.
type Times map[string][]time.Duration

func (t Times) add(times map[string]time.Duration) {
	for name, d := range times {
		t[name] = append(t[name], d)
	}
}

// NewOutcome is that of no storm yet.
func NewOutcome() *Outcome {
	return &Outcome{
		Faults: make(map[string]int), Holds: make(map[string]int), Refused: make(map[string]int), Ended: make(map[string]int),
		Majority: make(Times), Minority: make(Times),
	}
}

func (o *Outcome) count(e event) { o.Faults[e.name()] += max(len(e.nodes), 1) }

func (o *Outcome) judge(records []history.Record, holds []history.Hold, fenced func(string) bool) {
	o.Storms = 1
	for _, r := range records {
		if r.Kind == history.Refused {
			o.Refused[r.Why]++
		}
	}
	for _, h := range holds {
		o.Holds[h.Mutex]++
		o.Ended[h.How]++
		if h.Token != 0 {
			o.Tokens++
		}
	}
	o.Violations = append(history.Judge(holds, fenced), history.CheckModel(holds, modelLimit)...)
}

// Add adds another's figures.
func (o *Outcome) Add(other *Outcome) {
	o.Storms += other.Storms
	o.Lasted += other.Lasted
	o.Tokens += other.Tokens
	for to, from := range map[*map[string]int]map[string]int{
		&o.Faults: other.Faults, &o.Holds: other.Holds, &o.Refused: other.Refused, &o.Ended: other.Ended,
	} {
		for name, n := range from {
			(*to)[name] += n
		}
	}
	for to, from := range map[*Times]Times{&o.Majority: other.Majority, &o.Minority: other.Minority} {
		for name, times := range from {
			(*to)[name] = append((*to)[name], times...)
		}
	}
	o.Violations = append(o.Violations, other.Violations...)
}

// Sum is the sum of a count.
func Sum(counts map[string]int) int {
	sum := 0
	for n := range maps.Values(counts) {
		sum += n
	}
	return sum
}

// Sorted are the names of a count.
func Sorted[V any](counts map[string]V) []string { return slices.Sorted(maps.Keys(counts)) }
