package otelmutex_test

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	nometrics "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	nospans "go.opentelemetry.io/otel/trace/noop"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

// callbacks are those of a trace that are not nil, by name.
func callbacks(trace *mutex.Trace) map[string]bool {
	found := make(map[string]bool)
	for field, callback := range reflect.ValueOf(trace).Elem().Fields() {
		if !callback.IsNil() {
			found[field.Name] = true
		}
	}
	return found
}

func TestATraceHasNoCallbackThatNothingComesOf(t *testing.T) {
	noMetrics := otelmutex.WithMeterProvider(nometrics.NewMeterProvider())
	noSpans := otelmutex.WithTracerProvider(nospans.NewTracerProvider())
	if got := callbacks(newTrace(t, noMetrics, noSpans)); len(got) != 0 {
		t.Errorf("without metrics and spans there are the callbacks %v; want none", got)
	}
	for _, name := range []string{"Synchronize", "Waiting", "Attempt", "Vote"} {
		if callbacks(newTrace(t, noSpans))[name] {
			t.Errorf("without spans there is the callback %s", name)
		}
	}
	want := map[string]bool{"Synchronize": true, "Waiting": true, "Acquired": true, "Refused": true, "Lost": true}
	if got := callbacks(newTrace(t, noMetrics)); !maps.Equal(got, want) {
		t.Errorf("without metrics there are the callbacks %v; want %v", got, want)
	}
}

func TestNilOptionsChangeNothing(t *testing.T) {
	trace := newTrace(t, nil, otelmutex.WithMeterProvider(nil), otelmutex.WithTracerProvider(nil))
	if got := callbacks(trace); !got["Synchronize"] || !got["Released"] {
		t.Errorf("the callbacks are %v; want those for the global providers", got)
	}
}

// TestTheGlobalProvidersMayComeLater is the only test that sets them.
func TestTheGlobalProvidersMayComeLater(t *testing.T) {
	server := redistest.Start(t)
	trace := newTrace(t)
	m := at(open(t, []mutex.Definition{definition(server.URL())}, trace), "k")
	if err := m.Synchronize(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	metrics := &meters{t: t, reader: sdkmetric.NewManualReader()}
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics.reader)))
	provider, spans := newSpans()
	otel.SetTracerProvider(provider)
	if err := m.Synchronize(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	if got := metrics.outcomes("mutex.acquisitions")["acquired"]; got != 2 {
		t.Errorf("%d acquires are counted; want 2, also the one before there was a provider", got)
	}
	if holds := metrics.histogram("mutex.hold.duration").Count; holds != 2 {
		t.Errorf("%d holds are told of; want 2", holds)
	}
	if n := len(spans.Ended()); n != 1 {
		t.Errorf("%d spans ended; want the one since there is a provider", n)
	}
}

// brokenProvider's meter makes no gauges, or no histograms, or takes no callbacks.
type brokenProvider struct {
	embedded.MeterProvider
	broken string
}

type brokenMeter struct {
	nometrics.Meter
	broken string
}

var errBroken = errors.New("broken")

func (p brokenProvider) Meter(string, ...metric.MeterOption) metric.Meter {
	return brokenMeter{broken: p.broken}
}

func (m brokenMeter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	if m.broken == "gauge" {
		return nil, errBroken
	}
	return m.Meter.Int64ObservableGauge(name, options...)
}

func (m brokenMeter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	if m.broken == "histogram" {
		return nil, errBroken
	}
	return m.Meter.Float64Histogram(name, options...)
}

func (m brokenMeter) RegisterCallback(f metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	if m.broken == "callback" {
		return nil, errBroken
	}
	return m.Meter.RegisterCallback(f, instruments...)
}

func TestAMeterThatIsBrokenIsReported(t *testing.T) {
	for _, broken := range []string{"gauge", "histogram", "callback"} {
		trace, err := otelmutex.NewTrace(otelmutex.WithMeterProvider(brokenProvider{broken: broken}))
		if trace != nil {
			t.Errorf("there is a trace, in spite of the %s", broken)
		}
		wantError(t, err, errBroken)
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	trace, metrics := newMetrics(t)
	held := &mutex.Error{Op: "acquire", Mutex: "Report", Key: "k", Causes: []error{mutex.ErrAlreadyLocked}, Votes: make([]mutex.Vote, 3)}
	ended := &mutex.Error{Op: "acquire", Causes: []error{context.Canceled, errors.New("for this cause"), mutex.ErrAlreadyLocked}}
	lost := errors.Join(mutex.ErrLockLost, errBroken)
	ctx := t.Context()
	event := func(err error) mutex.Event {
		return mutex.Event{Mutex: "Report", Key: "k", Took: time.Second, Waited: time.Millisecond, Held: time.Minute, Err: err}
	}
	events := map[string]func(){
		"acquired":    func() { trace.Acquired(ctx, event(nil)) },
		"refused":     func() { trace.Refused(ctx, event(held)) },
		"canceled":    func() { trace.Refused(ctx, event(ended)) },
		"released":    func() { trace.Released(ctx, event(nil)) },
		"not held":    func() { trace.Released(ctx, event(held)) },
		"lost":        func() { trace.Lost(event(lost)) },
		"extended":    func() { trace.Extended(ctx, event(nil)) },
		"renewed":     func() { trace.Renewed(event(nil)) },
		"node up":     func() { trace.NodeUp("node") },
		"node down":   func() { trace.NodeDown("node", errBroken) },
		"quarantined": func() { trace.NodeQuarantined("node", time.Second) },
	}
	for name, callback := range events {
		callback() // the first of a mutex, or of a node, may
		if n := testing.AllocsPerRun(100, callback); n != 0 {
			t.Errorf("%s: %v allocations; want none", name, n)
		}
	}
	if got := metrics.outcomes("mutex.acquisitions"); got["acquired"] != 102 || got["already_locked"] != 102 || got["canceled"] != 102 {
		t.Errorf("counted %v; want 102 of each", got) // so the events were not for nothing
	}
}
