package otelmutex

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/mutexgen/mutexgen/mutex"
)

// metrics are what is told of all mutexes. All that an event does is to add to atomic numbers, which are told when somebody
// reads them: each instrument of OpenTelemetry that an event told at once would take twenty times as long.
type metrics struct {
	*instruments
	nodes   nodes
	tallies atomic.Pointer[map[string]*tally] // by the mutex's name; never changed, only replaced
	mu      sync.Mutex                        // held by who replaces tallies
}

// measure has the trace's callbacks count.
func measure(t *mutex.Trace, meter metric.Meter) error {
	m := new(metrics)
	m.tallies.Store(new(map[string]*tally))
	var err error
	if m.instruments, err = newInstruments(meter); err != nil {
		return err
	}
	if _, err := meter.RegisterCallback(m.observe, m.observables()...); err != nil {
		return err
	}
	t.Acquired = m.acquired
	t.Refused = m.acquired
	t.Extended = m.extended
	t.Renewed = m.renewed
	t.Released = m.released
	t.Lost = m.lost
	t.NodeOpened = m.nodes.up
	t.NodeDown = m.nodes.down
	t.NodeUp = m.nodes.up
	t.NodeQuarantined = m.nodes.quarantine
	return nil
}

// acquired takes the end of an acquire, with a lock or without.
func (m *metrics) acquired(_ context.Context, e mutex.Event) {
	t := m.of(e.Mutex)
	t.acquisitions.add(acquireOutcome(e.Err))
	if e.Waited > 0 {
		t.wait.add(e.Waited)
	}
}

func (m *metrics) extended(_ context.Context, e mutex.Event) {
	m.of(e.Mutex).extensions.add(extendOutcome(e.Err))
}

func (m *metrics) renewed(e mutex.Event) {
	m.of(e.Mutex).renewals.add(renewOutcome(e.Err))
}

func (m *metrics) released(_ context.Context, e mutex.Event) {
	t := m.of(e.Mutex)
	outcome := releaseOutcome(e.Err)
	t.releases.add(outcome)
	if outcome < heldUntilReleased {
		t.hold.add(e.Held)
	}
}

func (m *metrics) lost(e mutex.Event) {
	t := m.of(e.Mutex)
	if causesOf(e.Err).has(closed) {
		t.closed.Add(1)
	} else {
		t.lost.Add(1)
	}
	t.hold.add(e.Held)
}

// of is the tally of a mutex.
func (m *metrics) of(name string) *tally {
	if t := (*m.tallies.Load())[name]; t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.tallies.Load()
	if t := old[name]; t != nil {
		return t
	}
	tallies := map[string]*tally{name: newTally(name)}
	maps.Copy(tallies, old)
	m.tallies.Store(&tallies)
	return tallies[name]
}

// observe tells the numbers.
func (m *metrics) observe(ctx context.Context, o metric.Observer) error {
	for _, t := range *m.tallies.Load() {
		ended := t.ended() // first: what is acquired and released meanwhile then counts as held, and not as less than nothing
		held := t.acquisitions.counts[gotLock].Load() - ended
		t.acquisitions.observe(o, m.acquisitions)
		t.releases.observe(o, m.releases)
		t.renewals.observe(o, m.renewals)
		t.extensions.observe(o, m.extensions)
		o.ObserveInt64(m.losses, t.lost.Load(), t.observed)
		o.ObserveInt64(m.held, held, t.observed)
		t.wait.tell(ctx, m.wait, t.name)
		t.hold.tell(ctx, m.hold, t.name)
	}
	m.nodes.observe(func(name metric.ObserveOption, up, quarantined int64) {
		o.ObserveInt64(m.nodeUp, up, name)
		o.ObserveInt64(m.nodeQuarantined, quarantined, name)
	})
	return nil
}

// tally is what is counted of one mutex.
type tally struct {
	name     []metric.RecordOption // as an attribute
	observed metric.ObserveOption  // the same

	acquisitions, releases, renewals, extensions counters

	wait, hold buckets

	lost   atomic.Int64
	closed atomic.Int64 // locks that Close ended
}

func newTally(name string) *tally {
	set := metric.WithAttributeSet(attribute.NewSet(attributeMutex.String(name)))
	return &tally{
		name: []metric.RecordOption{set}, observed: set,
		acquisitions: newCounters(name, acquireOutcomes), releases: newCounters(name, releaseOutcomes),
		renewals: newCounters(name, renewOutcomes), extensions: newCounters(name, extendOutcomes),
		wait: newBuckets(waitBoundaries), hold: newBuckets(holdBoundaries),
	}
}

// ended is how many locks ended.
func (t *tally) ended() int64 {
	n := t.lost.Load() + t.closed.Load()
	for i := range heldUntilReleased {
		n += t.releases.counts[i].Load()
	}
	return n
}

// counters are those of one metric, by outcome, with the attributes of each.
type counters struct {
	counts     []atomic.Int64
	attributes []metric.ObserveOption
}

func newCounters(mutex string, outcomes []string) counters {
	c := counters{counts: make([]atomic.Int64, len(outcomes)), attributes: make([]metric.ObserveOption, len(outcomes))}
	for i, outcome := range outcomes {
		c.attributes[i] = metric.WithAttributeSet(attribute.NewSet(attributeMutex.String(mutex), attributeOutcome.String(outcome)))
	}
	return c
}

func (c *counters) add(outcome int) { c.counts[outcome].Add(1) }

// observe tells all of them, also those that are zero: where a series begins with the first of its kind, Prometheus takes
// it for no increase.
func (c *counters) observe(o metric.Observer, instrument metric.Int64Observable) {
	for i := range c.counts {
		o.ObserveInt64(instrument, c.counts[i].Load(), c.attributes[i])
	}
}
