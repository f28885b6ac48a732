package otelmutex_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	nospans "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon bounds the wait for what happens in the background.
const soon = 10 * time.Second

// report stands for a generated mutex type.
type report struct{}

// definition is that of a mutex Report on these nodes.
func definition(urls ...string) mutex.Definition {
	d := mutex.Definition{
		Name: "Report", Key: "{key:string}", Expiration: 10 * time.Second, RetryInterval: 20 * time.Millisecond,
		RetryJitter: 10 * time.Millisecond, DriftFactor: 0.01, NodeTimeout: time.Second, PoolSize: 2,
		ReconnectionInterval: 20 * time.Millisecond,
	}
	if len(urls) == 1 {
		d.URL = urls[0]
	} else {
		d.Servers = urls
	}
	return d
}

// open opens definitions with traces until the test ends.
func open(t testing.TB, definitions []mutex.Definition, traces ...*mutex.Trace) *mutex.Set {
	t.Helper()
	var options []mutex.Option
	for _, trace := range traces {
		options = append(options, mutex.WithTrace(trace))
	}
	set, err := mutex.OpenSet(definitions, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// at is the mutex Report of a set at a key.
func at(set *mutex.Set, key string) mutex.Mutex[report] {
	return mutex.At[report](set.Opened("Report"), mutex.NewKey(key))
}

func acquire(t testing.TB, m mutex.Mutex[report], options ...mutex.AcquireOption) *mutex.Lock[report] {
	t.Helper()
	lock, err := m.AcquireLock(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func release(t testing.TB, lock *mutex.Lock[report]) {
	t.Helper()
	if err := mutex.ReleaseLock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
}

func newTrace(t testing.TB, options ...otelmutex.Option) *mutex.Trace {
	t.Helper()
	trace, err := otelmutex.NewTrace(options...)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// newMetrics returns a trace that makes metrics and no spans, and where to read them.
func newMetrics(t testing.TB) (*mutex.Trace, *meters) {
	t.Helper()
	m := &meters{t: t, reader: sdkmetric.NewManualReader()}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(m.reader))
	return newTrace(t, otelmutex.WithMeterProvider(provider), otelmutex.WithTracerProvider(nospans.NewTracerProvider())), m
}

// newSpans returns a provider for a trace that makes spans, and where to read them.
func newSpans() (*sdktrace.TracerProvider, *tracetest.SpanRecorder) {
	recorder := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)), recorder
}

// meters is where metrics are read.
type meters struct {
	t      testing.TB
	reader *sdkmetric.ManualReader
}

func (m *meters) all() []metricdata.Metrics {
	m.t.Helper()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &all); err != nil {
		m.t.Fatal(err)
	}
	var list []metricdata.Metrics
	for _, scope := range all.ScopeMetrics {
		list = append(list, scope.Metrics...)
	}
	return list
}

// number is the value of a counter or gauge with exactly these attributes, given as names and values in turn; absent if
// there is none.
func (m *meters) number(name string, attributes ...string) int64 {
	m.t.Helper()
	want := set(attributes)
	for _, metric := range m.all() {
		if metric.Name != name {
			continue
		}
		var points []metricdata.DataPoint[int64]
		switch d := metric.Data.(type) {
		case metricdata.Sum[int64]:
			points = d.DataPoints
		case metricdata.Gauge[int64]:
			points = d.DataPoints
		}
		for _, point := range points {
			if point.Attributes.Equals(&want) {
				return point.Value
			}
		}
	}
	return absent
}

const absent = -1

// histogram is the one of the mutex Report.
func (m *meters) histogram(name string) metricdata.HistogramDataPoint[float64] {
	m.t.Helper()
	want := set([]string{"mutex.name", "Report"})
	for _, metric := range m.all() {
		if h, is := metric.Data.(metricdata.Histogram[float64]); is && metric.Name == name {
			for _, point := range h.DataPoints {
				if point.Attributes.Equals(&want) {
					return point
				}
			}
		}
	}
	return metricdata.HistogramDataPoint[float64]{}
}

// outcomes are those of a counter of the mutex Report that are not zero.
func (m *meters) outcomes(name string) map[string]int64 {
	m.t.Helper()
	found := make(map[string]int64)
	for _, metric := range m.all() {
		if sum, is := metric.Data.(metricdata.Sum[int64]); is && metric.Name == name {
			for _, point := range sum.DataPoints {
				outcome, _ := point.Attributes.Value("mutex.outcome")
				if name, _ := point.Attributes.Value("mutex.name"); name.AsString() == "Report" && point.Value != 0 {
					found[outcome.AsString()] = point.Value
				}
			}
		}
	}
	return found
}

// labels are all attributes of all metrics.
func (m *meters) labels() []attribute.KeyValue {
	m.t.Helper()
	var labels []attribute.KeyValue
	for _, metric := range m.all() {
		switch d := metric.Data.(type) {
		case metricdata.Sum[int64]:
			for _, point := range d.DataPoints {
				labels = append(labels, point.Attributes.ToSlice()...)
			}
		case metricdata.Gauge[int64]:
			for _, point := range d.DataPoints {
				labels = append(labels, point.Attributes.ToSlice()...)
			}
		case metricdata.Histogram[float64]:
			for _, point := range d.DataPoints {
				labels = append(labels, point.Attributes.ToSlice()...)
			}
		default:
			m.t.Fatalf("%s is a %T", metric.Name, d)
		}
	}
	return labels
}

func set(attributes []string) attribute.Set {
	var pairs []attribute.KeyValue
	for i := 0; i < len(attributes); i += 2 {
		pairs = append(pairs, attribute.String(attributes[i], attributes[i+1]))
	}
	return attribute.NewSet(pairs...)
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", soon, what)
		}
	}
}

// wantError checks that err is every one of the errors given.
func wantError(t testing.TB, err error, wanted ...error) {
	t.Helper()
	for _, want := range wanted {
		if !errors.Is(err, want) {
			t.Errorf("error is %v; want %v", err, want)
		}
	}
}
