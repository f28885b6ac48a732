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

// metrics are what is told of all mutexes. It counts in numbers of its own, which it tells when it is asked: a synchronous
// counter of OpenTelemetry takes twenty times as long. Only the histograms are synchronous, because there are no others.
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
func (m *metrics) acquired(ctx context.Context, e mutex.Event) {
	t := m.of(e.Mutex)
	t.acquisitions.add(acquireOutcome(e.Err))
	m.wait.Record(ctx, e.Waited.Seconds(), t.name...)
}

func (m *metrics) extended(_ context.Context, e mutex.Event) {
	m.of(e.Mutex).extensions.add(extendOutcome(e.Err))
}

func (m *metrics) renewed(e mutex.Event) {
	m.of(e.Mutex).renewals.add(renewOutcome(e.Err))
}

func (m *metrics) released(ctx context.Context, e mutex.Event) {
	t := m.of(e.Mutex)
	outcome := releaseOutcome(e.Err)
	t.releases.add(outcome)
	if outcome < heldUntilReleased {
		m.hold.Record(ctx, e.Held.Seconds(), t.name...)
	}
}

func (m *metrics) lost(e mutex.Event) {
	t := m.of(e.Mutex)
	if causesOf(e.Err).has(closed) {
		t.closed.Add(1)
	} else {
		t.lost.Add(1)
	}
	m.hold.Record(context.Background(), e.Held.Seconds(), t.name...)
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
func (m *metrics) observe(_ context.Context, o metric.Observer) error {
	for _, t := range *m.tallies.Load() {
		// Those that ended first: a lock that is acquired meanwhile then counts as held, and not less than none.
		ended := t.ended()
		t.acquisitions.observe(o, m.acquisitions)
		t.releases.observe(o, m.releases)
		t.renewals.observe(o, m.renewals)
		t.extensions.observe(o, m.extensions)
		o.ObserveInt64(m.losses, t.lost.Load(), t.observed)
		o.ObserveInt64(m.held, max(t.acquisitions.counts[gotLock].Load()-ended, 0), t.observed)
	}
	m.nodes.observe(func(name metric.ObserveOption, up, quarantined int64) {
		o.ObserveInt64(m.nodeUp, up, name)
		o.ObserveInt64(m.nodeQuarantined, quarantined, name)
	})
	return nil
}

// tally is what is counted of one mutex.
type tally struct {
	// name is the mutex's, as an attribute: in a slice of its own for the histograms, which so need not make one each time.
	name     []metric.RecordOption
	observed metric.ObserveOption

	acquisitions, releases, renewals, extensions counters

	lost   atomic.Int64
	closed atomic.Int64 // locks that Close ended
}

func newTally(name string) *tally {
	set := metric.WithAttributeSet(attribute.NewSet(attributeMutex.String(name)))
	return &tally{
		name: []metric.RecordOption{set}, observed: set,
		acquisitions: newCounters(name, acquireOutcomes), releases: newCounters(name, releaseOutcomes),
		renewals: newCounters(name, renewOutcomes), extensions: newCounters(name, extendOutcomes),
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
