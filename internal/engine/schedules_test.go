package engine

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	howMany   = flag.Int("schedules", 0, "how many schedules TestSchedules runs; 0: 200, or 60 of them with the race detector")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first of them")
	showLog   = flag.Bool("events", false, "log all that happens in a schedule")
)

// counts is what happened in schedules.
type counts struct {
	Schedules                                      int
	Virtual                                        time.Duration
	Holds, Refused, RefusedInQuarantine            int
	HandOvers, Lost, Extended, Raises, Quarantined int
	// Recovery is the longest that anybody waited for a lock after the faults ended, as a part of the bound.
	Recovery float64
	Faults   map[string]int
}

func (c *counts) add(o *counts) {
	c.Schedules += o.Schedules
	c.Virtual += o.Virtual
	c.Holds += o.Holds
	c.Refused += o.Refused
	c.RefusedInQuarantine += o.RefusedInQuarantine
	c.HandOvers += o.HandOvers
	c.Lost += o.Lost
	c.Extended += o.Extended
	c.Raises += o.Raises
	c.Quarantined += o.Quarantined
	c.Recovery = max(c.Recovery, o.Recovery)
	for name, n := range o.Faults {
		c.Faults[name] += n
	}
}

// table is the counts as Markdown.
func (c *counts) table() string {
	var b strings.Builder
	row := func(what string, n any) { fmt.Fprintf(&b, "| %s | %v |\n", what, n) }
	b.WriteString("| what | how often |\n|---|---:|\n")
	row("schedules", c.Schedules)
	row("virtual time", c.Virtual.Round(time.Minute))
	row("locks held", c.Holds)
	row("acquires refused", c.Refused)
	row("of them because of a quarantine", c.RefusedInQuarantine)
	row("hand-overs within a process", c.HandOvers)
	row("extensions", c.Extended)
	row("locks lost", c.Lost)
	row("second rounds for a token", c.Raises)
	row("votes refused in quarantine", c.Quarantined)
	row("longest wait after the faults, of its bound", fmt.Sprintf("%.0f %%", 100*c.Recovery))
	for _, name := range slices.Sorted(maps.Keys(c.Faults)) {
		row("fault: "+name, c.Faults[name])
	}
	return b.String()
}

func newCounts() *counts { return &counts{Faults: make(map[string]int)} }

// underRace tells whether the race detector watches, which makes everything slower and shuffles goroutines.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestSchedules runs schedules: see schedule. Never may two rely on one key, tokens grow, and when all is over and all
// nodes are well everybody gets the lock, and nothing is left of it.
func TestSchedules(t *testing.T) {
	many := *howMany
	switch {
	case many > 0:
	case underRace():
		many = 60
	default:
		many = 200
	}
	sum := newCounts()
	if many > 1 && !underRace() && os.Getenv(childVariable) == "" {
		inChildren(t, *firstSeed, many, sum)
		sum.check(t)
		t.Logf("seeds %d to %d\n%s", *firstSeed, *firstSeed+uint64(many)-1, sum.table())
		return
	}
	if !underRace() { // goroutines take turns, and nothing comes between
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	}
	var seed uint64
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: run it alone with go test ./internal/engine -run 'TestSchedules$' -schedules 1 -seed %d -v -events", seed, seed)
		}
	}()
	for i := range uint64(many) {
		if i%8 == 7 {
			runtime.GC()
		}
		seed = *firstSeed + i
		digest := runSchedule(t, seed, sum)
		if os.Getenv(childVariable) != "" {
			fmt.Printf("%s%d %016x\n", digestMark, seed, digest)
		}
		if t.Failed() {
			return
		}
	}
	if os.Getenv(childVariable) != "" {
		text, _ := json.Marshal(sum)
		fmt.Printf("%s%s\n", countsMark, text)
	}
}

// check looks whether the schedules tested anything.
func (c *counts) check(t *testing.T) {
	if c.Schedules < 60 {
		return
	}
	if c.Holds < 20*c.Schedules || c.HandOvers == 0 || c.Lost == 0 || c.Extended == 0 || c.Raises == 0 || c.Quarantined == 0 {
		t.Errorf("the schedules hardly test anything: %+v", c)
	}
	if c.Schedules >= 200 {
		for _, f := range faults {
			if c.Faults[f.name] == 0 {
				t.Errorf("the schedules hardly test anything: never a %s", f.name)
			}
		}
	}
}

// childVariable is set in a process that runs some of the schedules. In each, goroutines take turns on one processor: that
// makes them come out the same again, and costs nothing, for there are as many processes as processors.
const childVariable = "MUTEXGEN_SCHEDULES_CHILD"

const (
	digestMark = "schedule "
	countsMark = "schedules "
	batchSize  = 100
)

// inChildren runs schedules, from a seed on, in processes of their own, and adds up what they counted. It returns their digests.
func inChildren(t *testing.T, seed uint64, many int, sum *counts) map[uint64]string {
	t.Helper()
	var mu sync.Mutex // guards what follows
	next, digests := 0, make(map[uint64]string)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				mu.Lock()
				first, n := seed+uint64(next), min(batchSize, many-next)
				next += n
				failed := t.Failed()
				mu.Unlock()
				if n <= 0 || failed {
					return
				}
				output, err := runChild(t, first, n)
				mu.Lock()
				last := uint64(0)
				for line := range bytes.Lines(output) {
					text := strings.TrimSpace(string(line))
					if counted, ok := strings.CutPrefix(text, countsMark); ok {
						child := newCounts()
						if err := json.Unmarshal([]byte(counted), child); err != nil {
							t.Errorf("a child printed %q: %v", counted, err)
						}
						sum.add(child)
					} else if result, ok := strings.CutPrefix(text, digestMark); ok {
						seed, digest, _ := strings.Cut(result, " ")
						last, _ = strconv.ParseUint(seed, 10, 64)
						digests[last] = digest
					}
				}
				if err != nil {
					t.Errorf("schedules %d to %d (%d was the last that ended): %v\n%s", first, first+uint64(n)-1, last, err, output)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return digests
}

func runChild(t *testing.T, first uint64, n int) ([]byte, error) {
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSchedules$", "-test.timeout=20m",
		"-schedules", strconv.Itoa(n), "-seed", strconv.FormatUint(first, 10))
	command.Env = append(os.Environ(), childVariable+"=1", "GOMAXPROCS=1")
	return command.CombinedOutput()
}

// TestSchedulesComeOutTheSameAgain compares all that happened in two runs of each seed.
func TestSchedulesComeOutTheSameAgain(t *testing.T) {
	if underRace() {
		t.Skip("the race detector shuffles goroutines")
	}
	const many = 60
	first, second := inChildren(t, *firstSeed, many, newCounts()), inChildren(t, *firstSeed, many, newCounts())
	if len(first) != many {
		t.Errorf("%d schedules ran; want %d", len(first), many)
	}
	for seed, digest := range first {
		if second[seed] == digest {
			continue
		}
		// The operating system may have taken the processor away for so long that Go's scheduler put another goroutine first.
		for range 4 {
			if again := inChildren(t, seed, 1, newCounts())[seed]; again != digest && again != second[seed] {
				t.Errorf("schedule %d came out as %s, as %s and as %s", seed, digest, second[seed], again)
			} else {
				digest, second[seed] = again, again
			}
		}
	}
}
