//go:build unix

package otelmutex_test

import (
	"context"
	"flag"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	nospans "go.opentelemetry.io/otel/trace/noop"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

var (
	costRounds = flag.Int("cost", 0, "rounds of TestCost, which is skipped without")
	costRun    = flag.Duration("cost.run", 250*time.Millisecond, "how long each turn of TestCost takes")
)

const (
	// allowedCost is how much of the throughput of acquire and release metrics may cost.
	allowedCost = 0.03
	goroutines  = 64
	keysOfEach  = 16
	// costReading is how often the metrics are read. It costs by the event, so that once a minute would cost as much.
	costReading = 100 * time.Millisecond
)

// TestCost measures what metrics and spans cost, against a real server, in one run: in each round every variant has its
// turn, in an order that changes, and is compared with the two turns of that round that have no trace. Medians count. What
// those two differ by is noise. The goroutines, each with keys of its own, and the server keep two cores busy, so that
// whatever a trace takes is missing elsewhere.
//
//	go test -run '^TestCost$' -cost 101 -v .
func TestCost(t *testing.T) {
	if *costRounds == 0 {
		t.Skip("it measures for minutes, on a machine that does nothing else: -cost 101")
	}
	server := redistest.Start(t)
	for _, turn := range []turn{
		{"AcquireLock and ReleaseLock", func(ctx context.Context, m mutex.Mutex[report]) error {
			lock, err := m.AcquireLock(ctx)
			if err != nil {
				return err
			}
			return mutex.ReleaseLock(ctx, lock)
		}},
		{"Synchronize", func(ctx context.Context, m mutex.Mutex[report]) error {
			return m.Synchronize(ctx, func(context.Context) error { return nil })
		}},
	} {
		off := &variant{name: "no trace", set: openFor(t, server)}
		again := &variant{name: "no trace again", set: openFor(t, server)}
		metrics := meteredVariant(t, server, "metrics", otelmutex.WithTracerProvider(nospans.NewTracerProvider()))
		variants := []*variant{off, again, metrics, spannedVariant(t, server)}
		for round := range *costRounds + 1 {
			for i := range variants {
				v := variants[(i+round/2)%len(variants)]
				if round%2 == 1 {
					v = variants[len(variants)-1-(i+round/2)%len(variants)]
				}
				v.run(t, turn)
			}
			if round == 0 { // it made the connections
				for _, v := range variants {
					v.throughput, v.cpu = nil, nil
				}
			}
		}
		t.Logf("%s by %d goroutines, %d rounds:", turn.name, goroutines, *costRounds)
		t.Logf("%-18s  %8s a second  %5.2f µs of CPU time each", off.name, strconv.Itoa(int(median(off.throughput))), median(off.cpu))
		for _, v := range variants[1:] {
			speed, cpu := ratios(v.throughput, off.throughput, again.throughput), ratios(v.cpu, off.cpu, again.cpu)
			if v == again {
				speed, cpu = ratios(v.throughput, off.throughput, off.throughput), ratios(v.cpu, off.cpu, off.cpu)
			}
			t.Logf("%-18s  %+7.1f %% a second (half of the rounds %+.1f to %+.1f %%)  %+.1f %% of CPU time (%+.1f to %+.1f %%)", v.name,
				percent(median(speed)), percent(quantile(speed, 1)), percent(quantile(speed, 3)),
				percent(median(cpu)), percent(quantile(cpu, 1)), percent(quantile(cpu, 3)))
		}
		if cost := 1 - median(ratios(metrics.throughput, off.throughput, again.throughput)); cost > allowedCost {
			t.Errorf("metrics cost %.1f %% of the throughput; at most %.0f %% is allowed", 100*cost, 100*allowedCost)
		}
	}
}

// turn is what the goroutines do again and again.
type turn struct {
	name string
	do   func(ctx context.Context, m mutex.Mutex[report]) error
}

// variant is one of those that are compared, with what was measured: how often in a second, and microseconds of this
// process's CPU time for each.
type variant struct {
	name            string
	set             *mutex.Set
	reader          *sdkmetric.ManualReader
	throughput, cpu []float64
}

func openFor(t *testing.T, server *redistest.Server, traces ...*mutex.Trace) *mutex.Set {
	d := definition(server.URL())
	d.Expiration, d.NodeTimeout = time.Minute, 20*time.Second // for a machine that is busy with something else, after all
	return open(t, []mutex.Definition{d}, traces...)
}

func meteredVariant(t *testing.T, server *redistest.Server, name string, options ...otelmutex.Option) *variant {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	trace := newTrace(t, append(options, otelmutex.WithMeterProvider(provider))...)
	return &variant{name: name, set: openFor(t, server, trace), reader: reader}
}

// spannedVariant records every span, and exports them to nowhere.
func spannedVariant(t *testing.T, server *redistest.Server) *variant {
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return meteredVariant(t, server, "metrics and spans", otelmutex.WithTracerProvider(provider))
}

// run takes one turn.
func (v *variant) run(t *testing.T, turn turn) {
	runtime.GC()
	var working sync.WaitGroup
	var stop atomic.Bool
	var total atomic.Int64
	start, cpu := time.Now(), cpuTime(t)
	for i := range goroutines {
		working.Go(func() {
			var keys []mutex.Mutex[report]
			for j := range keysOfEach {
				keys = append(keys, at(v.set, strconv.Itoa(i)+":"+strconv.Itoa(j)))
			}
			n := 0
			for ; !stop.Load(); n++ {
				if err := turn.do(context.Background(), keys[n%keysOfEach]); err != nil {
					t.Error(err)
					break
				}
			}
			total.Add(int64(n))
		})
	}
	var read metricdata.ResourceMetrics
	for time.Since(start) < *costRun {
		time.Sleep(min(costReading, *costRun-time.Since(start)))
		if v.reader != nil {
			if err := v.reader.Collect(context.Background(), &read); err != nil {
				t.Error(err)
			}
		}
	}
	stop.Store(true)
	working.Wait()
	n := float64(total.Load())
	v.throughput = append(v.throughput, n/time.Since(start).Seconds())
	v.cpu = append(v.cpu, float64((cpuTime(t)-cpu).Microseconds())/n)
}

// cpuTime is how long this process has run on a CPU.
func cpuTime(t *testing.T) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// ratios are those of the values to the mean of a and b.
func ratios(values, a, b []float64) []float64 {
	list := make([]float64, len(values))
	for i := range values {
		list[i] = 2 * values[i] / (a[i] + b[i])
	}
	return list
}

func median(values []float64) float64 { return quantile(values, 2) }

// quantile is that many quarters into the values.
func quantile(values []float64, quarters int) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[(len(values)-1)*quarters/4]
}

func percent(ratio float64) float64 { return 100 * (ratio - 1) }
