package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/internal/chaos/report"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
	"github.com/mutexgen/mutexgen/mutex"
)

// loss is a way in which many locks are lost at once.
type loss struct {
	name string
	// strike loses them, and returns when they were: no moment later.
	strike func(t *testing.T, nodes []*fleet.Node, keys []string) time.Time
	heal   func(nodes []*fleet.Node)
	// refused says that the nodes refuse the next renewal. Otherwise they are mute, and a lock is lost when its validity
	// ends, not before: its key still stands on them, and nobody else can get it.
	refused bool
}

var losses = []loss{
	{"deleted on a majority and at once taken by another", takeOver, flush, true},
	{"a majority hung by SIGSTOP", hang, resume, false},
	{"a majority cut off", cutOff, rejoin, false},
}

func takeOver(_ *testing.T, nodes []*fleet.Node, keys []string) (lost time.Time) {
	command := append([]string{"EVAL",
		"for _, key in ipairs(KEYS) do redis.call('del', key); redis.call('set', key, 'another', 'px', 60000) end", strconv.Itoa(len(keys))}, keys...)
	for _, n := range nodes[:len(nodes)/2+1] {
		lost = time.Now() // on this node not yet, on those before it already
		n.Server.CLI(command...)
	}
	return lost
}

func flush(nodes []*fleet.Node) {
	for _, n := range nodes {
		n.Server.Flush()
	}
}

func hang(_ *testing.T, nodes []*fleet.Node, _ []string) time.Time {
	for _, n := range nodes[:len(nodes)/2+1] {
		n.Server.Pause()
	}
	return time.Now()
}

func resume(nodes []*fleet.Node) {
	for _, n := range nodes[:len(nodes)/2+1] {
		n.Server.Resume()
	}
}

func cutOff(_ *testing.T, nodes []*fleet.Node, _ []string) time.Time {
	for _, n := range nodes[:len(nodes)/2+1] {
		n.CutOff()
	}
	return time.Now()
}

func rejoin(nodes []*fleet.Node) {
	for _, n := range nodes[:len(nodes)/2+1] {
		n.Rejoin()
	}
}

// TestLoss measures how long it takes from the loss of a lock until the context of its Synchronize is cancelled.
func TestLoss(t *testing.T) {
	names, together := []string{"Plain"}, 60
	if *duration > 0 {
		names, together = []string{"Brief", "Plain", "Steady"}, 100
	}
	nodes := fleet.Start(t, fleet.Nothing, fleet.Nothing, fleet.Nothing)
	opened, err := locks.Open(mutex.WithServers(mutex.AllMutexes, fleet.URLs(nodes)...))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	random := rand.New(rand.NewPCG(*seed, 2))
	all := worker.Contestants(opened)
	seen := make(map[string]*detections)
	for began, run := time.Now(), 0; run == 0 || time.Since(began) < *duration; run++ {
		for _, name := range names {
			for _, l := range losses {
				d := seen[l.name+name]
				if d == nil {
					d = &detections{loss: l, mutex: all[name], definition: definition(opened, name)}
					seen[l.name+name] = d
				}
				d.measure(t, opened, nodes, random, together)
			}
		}
	}
	table := &report.Table{Head: []string{
		"what befell the locks", "expiration:", "locks:", "p50:", "p99:", "max:", "bound:", "after the end of validity, max:", "before the keys' expiry, least:"}}
	for _, l := range losses {
		for _, name := range names {
			seen[l.name+name].judge(t)
			seen[l.name+name].add(table)
		}
	}
	tell(t, "from the loss of a lock to the cancelled context:\n\n%v\n%v", table, report.Place(*seed))
}

func definition(opened *locks.Mutexes, name string) mutex.Definition {
	all := opened.All()
	return all[slices.IndexFunc(all, func(d mutex.Definition) bool { return d.Name == name })]
}

// detections are the times that were measured for one kind of loss and one mutex.
type detections struct {
	loss       loss
	mutex      worker.Contestant
	definition mutex.Definition
	// took is how long it was from the loss to the cancelled context; late how long from the end of validity, for locks whose
	// renewals weren't refused; early how long before the first moment at which their keys could expire.
	took, late, early []time.Duration
}

func (d *detections) nodeTimeout() time.Duration {
	if d.definition.NodeTimeout > 0 {
		return d.definition.NodeTimeout
	}
	return min(max(d.mutex.Expiration/20, 10*time.Millisecond), time.Second)
}

// drift is what validity is shorter than expiration by.
func (d *detections) drift() time.Duration {
	return time.Duration(float64(d.mutex.Expiration)*d.definition.DriftFactor) + 2*time.Millisecond
}

// bound is how long a detection may take: until the next renewal is answered where it is refused, else until validity ends.
func (d *detections) bound() time.Duration {
	if d.loss.refused {
		return d.mutex.Expiration/3 + d.nodeTimeout()
	}
	return d.mutex.Expiration - d.drift()
}

// measure has many locks held and renewed, loses them all, and waits until all contexts are cancelled.
func (d *detections) measure(t *testing.T, opened *locks.Mutexes, nodes []*fleet.Node, random *rand.Rand, many int) {
	t.Helper()
	var (
		holders   sync.WaitGroup
		holding   sync.WaitGroup
		mu        sync.Mutex // guards cancelled
		cancelled = make(map[string]time.Time)
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	holding.Add(many)
	third := d.mutex.Expiration / 3
	for i := range many {
		resource := fmt.Sprint(i)
		pause := time.Duration(random.Int64N(int64(third))) // so that they are not renewed at once
		holders.Go(func() {
			time.Sleep(pause)
			held := false
			err := d.mutex.At(resource).Synchronize(ctx, func(ctx context.Context) error {
				held = true
				holding.Done()
				<-ctx.Done()
				at := time.Now()
				mu.Lock()
				defer mu.Unlock()
				cancelled[resource] = at
				return nil
			}, mutex.WithWait(5*time.Second))
			if !held {
				t.Errorf("%s: %s: never held: %v", d.loss.name, resource, err)
				holding.Done()
			} else if ctx.Err() == nil && !errors.Is(err, mutex.ErrLockLost) {
				t.Errorf("%s: %s: %v", d.loss.name, resource, err)
			}
		})
	}
	holding.Wait()
	time.Sleep(time.Duration(random.Int64N(int64(third))) + third) // all have been renewed, and are somewhere before the next
	var keys []string
	for _, h := range opened.Held() {
		keys = append(keys, h.Key)
	}
	if len(keys) != many {
		t.Errorf("%s: %d locks held of %d", d.loss.name, len(keys), many)
	}
	lost := d.loss.strike(t, nodes, keys)
	until := make(map[string]time.Time)
	// An answer that was under way may still move the end of validity.
	for end := time.Now().Add(2 * d.nodeTimeout()); time.Now().Before(end); time.Sleep(d.nodeTimeout() / 5) {
		for _, h := range opened.Held() {
			until[h.Key[strings.IndexByte(h.Key, ':')+1:]] = h.Until
		}
	}
	over := make(chan struct{})
	go func() { holders.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(3*d.mutex.Expiration + time.Second):
		t.Errorf("%s: some context is not cancelled", d.loss.name)
		stop()
		<-over
	}
	d.loss.heal(nodes)
	for resource, at := range cancelled {
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
	for _, n := range nodes {
		n.Settle()
	}
}

// judge holds what was measured against the bars.
func (d *detections) judge(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("%s, expiration %v", d.loss.name, d.mutex.Expiration)
	if p99 := report.Quantile(0.99, d.took); p99 > d.bound() || len(d.took) == 0 {
		t.Errorf("%s: of %d detections p99 is %v, bound %v", name, len(d.took), p99, d.bound())
	}
	if least := report.Quantile(0, d.early); least <= 0 || len(d.early) == 0 {
		t.Errorf("%s: of %d detections one came %v after the keys could expire", name, len(d.early), -least)
	}
}

func (d *detections) add(table *report.Table) {
	late := "–"
	if len(d.late) > 0 {
		late = report.Milliseconds(report.Quantile(1, d.late))
	}
	table.Add(d.loss.name, d.mutex.Expiration, len(d.took),
		report.Milliseconds(report.Quantile(0.5, d.took)), report.Milliseconds(report.Quantile(0.99, d.took)),
		report.Milliseconds(report.Quantile(1, d.took)), report.Milliseconds(d.bound()), late,
		report.Milliseconds(report.Quantile(0, d.early)))
}
