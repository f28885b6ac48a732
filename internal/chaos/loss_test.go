package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/internal/chaos/report"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
)

// TestLoss measures how long it takes from the loss of a lock until the context of its Synchronize is cancelled.
func TestLoss(t *testing.T) {
	names, together := []string{"Plain"}, 60
	if *duration > 0 {
		names, together = []string{"Plain", "Steady"}, 100
	}
	field := newField(t)
	random := rand.New(rand.NewPCG(*seed, 2))
	all := worker.Contestants(field.opened)
	seen := make(map[string]*detections)
	measure := func(l loss, name string) *detections {
		d := seen[l.name+name]
		if d == nil {
			d = &detections{loss: l, mutex: all[name]}
			seen[l.name+name] = d
		}
		d.measure(t, field, random, together)
		return d
	}
	for began, run := time.Now(), 0; run == 0 || time.Since(began) < *duration; run++ {
		for _, name := range names {
			for _, l := range losses {
				for d := measure(l, name); *duration == 0 && d.tries < 5 && d.problem() != ""; d = measure(l, name) {
					// A machine that is busy with other things may be late. Once it is not, that shows what can be.
					t.Log(d.problem())
					seen[l.name+name] = &detections{loss: l, mutex: d.mutex, tries: d.tries + 1}
				}
			}
		}
	}
	table := &report.Table{Head: []string{
		"what befell the locks", "expiration:", "lost:", "not lost:", "p50:", "p99:", "max:", "bound:", "after the end of validity, max:", "before the keys' expiry, least:"}}
	for _, l := range losses {
		for _, name := range names {
			if problem := seen[l.name+name].problem(); problem != "" {
				t.Error(problem)
			}
			seen[l.name+name].add(table)
		}
	}
	tell(t, "from the loss of a lock to the cancelled context:\n\n%v\n%v", table, report.Place(*seed))
}

// detections are the times that were measured for one kind of loss and one mutex.
type detections struct {
	loss  loss
	mutex worker.Contestant
	// took is how long it was from the loss to the cancelled context; spared counts those that weren't lost; late is how long from the end of validity, for locks whose
	// renewals weren't refused; early how long before the first moment at which their keys could expire.
	took, late, early []time.Duration
	spared, tries     int
}

func (d *detections) nodeTimeout() time.Duration {
	if d.mutex.NodeTimeout > 0 {
		return d.mutex.NodeTimeout
	}
	return min(max(d.mutex.Expiration/20, 10*time.Millisecond), time.Second)
}

// drift is what validity is shorter than expiration by.
func (d *detections) drift() time.Duration {
	return time.Duration(float64(d.mutex.Expiration)*d.mutex.DriftFactor) + 2*time.Millisecond
}

// bound is how long a detection may take: until the next renewal is answered where it is refused, else until validity ends.
func (d *detections) bound() time.Duration {
	if d.loss.refused {
		return d.mutex.Expiration/3 + d.nodeTimeout()
	}
	return d.mutex.Expiration - d.drift()
}

// measure has many locks held and renewed, loses them all, and waits until that was noticed.
func (d *detections) measure(t *testing.T, field *field, random *rand.Rand, many int) {
	t.Helper()
	third := d.mutex.Expiration / 3
	crowd := newCrowd(t, d, many, random)
	crowd.hold(third)
	time.Sleep(time.Duration(random.Int64N(int64(third))) + third) // all have been renewed, and are somewhere before the next
	var keys []string
	for _, h := range field.opened.Held() {
		keys = append(keys, h.Key)
	}
	if len(keys) != many {
		t.Errorf("%s: %d locks held of %d", d.loss.name, len(keys), many)
	}
	if d.loss.rival {
		crowd.rival(worker.Contestants(field.rivals)[d.mutex.Name])
	}
	lost := d.loss.strike(field.nodes, keys)
	switch {
	case d.loss.harmless:
		d.took = append(d.took, setAgain(t, field.nodes, keys, lost, 2*d.mutex.Expiration)...)
		crowd.stop()
		if n := len(crowd.cancelled); n > 0 {
			t.Errorf("%s: %d contexts were cancelled", d.loss.name, n)
		}
	case d.loss.rival:
		time.Sleep(third + 3*d.nodeTimeout()) // all have been renewed or refused
		crowd.stop()
		for resource, at := range crowd.cancelled {
			if taken, ok := crowd.taken[resource]; ok {
				d.took = append(d.took, max(at.Sub(taken), 0))
			}
		}
		d.spared += many - len(crowd.cancelled)
	default:
		until := d.finalUntil(field.opened)
		crowd.await(3*d.mutex.Expiration + time.Second)
		for resource, at := range crowd.cancelled {
			d.took = append(d.took, at.Sub(lost))
			end, known := until[resource]
			if !known { // cancelled before the first look
				continue
			}
			if !d.loss.refused {
				d.late = append(d.late, at.Sub(end))
			}
			// Keys expire no sooner than a drift after validity.
			d.early = append(d.early, end.Add(d.drift()).Sub(at))
		}
	}
	d.loss.heal(field.nodes)
	for _, n := range field.nodes {
		n.Settle()
	}
}

// finalUntil is by resource the end of validity. An answer that is under way may still move it, but not for long.
func (d *detections) finalUntil(opened *locks.Mutexes) map[string]time.Time {
	until := make(map[string]time.Time)
	for end := time.Now().Add(2 * d.nodeTimeout()); time.Now().Before(end); time.Sleep(d.nodeTimeout() / 5) {
		for _, h := range opened.Held() {
			until[h.Key[strings.IndexByte(h.Key, ':')+1:]] = h.Until
		}
	}
	return until
}

// setAgain waits until a majority of the nodes has each key again, and returns how long that took.
func setAgain(t *testing.T, nodes []*fleet.Node, keys []string, from time.Time, patience time.Duration) []time.Duration {
	t.Helper()
	const script = "local there = '' for _, key in ipairs(KEYS) do there = there .. redis.call('exists', key) end return there"
	command := withKeys(script, keys)
	took := make([]time.Duration, 0, len(keys))
	done := make([]bool, len(keys))
	for time.Since(from) < patience && len(took) < len(keys) {
		time.Sleep(2 * time.Millisecond)
		votes := make([]int, len(keys))
		for _, n := range nodes {
			for i, there := range n.Server.CLI(command...) {
				votes[i] += int(there - '0')
			}
		}
		for i := range keys {
			if !done[i] && votes[i] > len(nodes)/2 {
				done[i] = true
				took = append(took, time.Since(from))
			}
		}
	}
	if len(took) < len(keys) {
		t.Errorf("%d of %d keys were not set again", len(keys)-len(took), len(keys))
	}
	return took
}

// lateness is what the end of validity may be noticed late by: a timer fires when its time has come, and not before. That the
// keys still stand then is another bar.
const lateness = 5 * time.Millisecond

// problem says which bar was missed, if any.
func (d *detections) problem() string {
	name := fmt.Sprintf("%s, expiration %v", d.loss.name, d.mutex.Expiration)
	limit := d.bound()
	if !d.loss.refused {
		limit += lateness
	}
	if p99 := report.Quantile(0.99, d.took); p99 > limit || len(d.took) == 0 {
		return fmt.Sprintf("%s: of %d times p99 is %v, bound %v", name, len(d.took), p99, d.bound())
	}
	if d.loss.rival || d.loss.harmless {
		return ""
	}
	if least := report.Quantile(0, d.early); least <= 0 || len(d.early) == 0 {
		return fmt.Sprintf("%s: of %d contexts one was cancelled %v after the keys could expire", name, len(d.early), -least)
	}
	return ""
}

func (d *detections) add(table *report.Table) {
	late, early := "–", "–"
	if len(d.late) > 0 {
		late = report.Milliseconds(report.Quantile(1, d.late))
	}
	if len(d.early) > 0 {
		early = report.Milliseconds(report.Quantile(0, d.early))
	}
	lost, spared := len(d.took), d.spared
	if d.loss.harmless {
		lost, spared = 0, len(d.took)
	}
	table.Add(d.loss.name, d.mutex.Expiration, lost, spared,
		report.Milliseconds(report.Quantile(0.5, d.took)), report.Milliseconds(report.Quantile(0.99, d.took)),
		report.Milliseconds(report.Quantile(1, d.took)), report.Milliseconds(d.bound()), late, early)
}
