package otelmutex

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// histogram is one of OpenTelemetry, and how to read it.
func histogram(t *testing.T, boundaries []time.Duration) (metric.Float64Histogram, func() metricdata.HistogramDataPoint[float64]) {
	reader := sdkmetric.NewManualReader()
	h, err := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter(scope).
		Float64Histogram("h", metric.WithExplicitBucketBoundaries(inSeconds(boundaries)...))
	if err != nil {
		t.Fatal(err)
	}
	return h, func() metricdata.HistogramDataPoint[float64] {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &all); err != nil {
			t.Fatal(err)
		}
		if len(all.ScopeMetrics) == 0 {
			return metricdata.HistogramDataPoint[float64]{BucketCounts: make([]uint64, len(boundaries)+1)}
		}
		return all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints[0]
	}
}

// durations are all boundaries and what is next to them, and more.
func durations(boundaries []time.Duration) []time.Duration {
	list := []time.Duration{0, 1, math.MaxInt64 / 100, 17 * time.Millisecond, 333 * time.Microsecond}
	for _, b := range boundaries {
		list = append(list, b, b+1, b, b/2, max(b-1, 0))
	}
	return list
}

func TestBucketsTellWhatAHistogramWouldHaveCounted(t *testing.T) {
	for _, boundaries := range [][]time.Duration{waitBoundaries, holdBoundaries} {
		direct, readDirect := histogram(t, boundaries)
		gathered, readGathered := histogram(t, boundaries)
		b := newBuckets(boundaries)
		for range 3 { // readings
			for _, d := range durations(boundaries) {
				direct.Record(t.Context(), d.Seconds())
				b.add(d)
			}
			b.tell(t.Context(), gathered, nil)
			want, got := readDirect(), readGathered()
			if !slices.Equal(got.BucketCounts, want.BucketCounts) {
				t.Errorf("the buckets are\n%v; want\n%v", got.BucketCounts, want.BucketCounts)
			}
			if math.Abs(got.Sum-want.Sum) > 1e-9*want.Sum {
				t.Errorf("the sum is %v; want %v", got.Sum, want.Sum)
			}
		}
	}
}

func TestADurationBelowZeroIsZero(t *testing.T) {
	h, read := histogram(t, holdBoundaries)
	b := newBuckets(holdBoundaries)
	b.add(math.MinInt64)
	b.tell(t.Context(), h, nil)
	if got := read(); got.BucketCounts[0] != 1 || got.Sum != 0 {
		t.Errorf("the buckets are %v, the sum %v; want one zero", got.BucketCounts, got.Sum)
	}
}

func TestADurationThatIsBeingAddedMovesNoOther(t *testing.T) {
	h, read := histogram(t, holdBoundaries)
	b := newBuckets(holdBoundaries)
	for range 10 {
		b.add(time.Millisecond)
	}
	at := slices.Index(holdBoundaries, time.Millisecond)
	b.all[at].sum.Add(int64(time.Millisecond)) // added to the sum, and not counted yet
	b.tell(t.Context(), h, nil)
	if got := read(); got.BucketCounts[at] != 10 || got.Count != 10 {
		t.Errorf("the buckets are %v; want ten in number %d", got.BucketCounts, at)
	}
	b.all[at].count.Add(1)
	b.tell(t.Context(), h, nil)
	if got := read(); got.BucketCounts[at] != 11 || math.Abs(got.Sum-.011) > 1e-9 {
		t.Errorf("the buckets are %v, the sum %v; want eleven, .011", got.BucketCounts, got.Sum)
	}
}

func TestATellingThatIsCutShortGoesOnNextTime(t *testing.T) {
	h, read := histogram(t, holdBoundaries)
	b := newBuckets(holdBoundaries)
	const n = stride + 10
	for range n {
		b.add(3 * time.Millisecond)
		b.add(time.Second)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.tell(ended, h, nil)
	if got := read(); got.Count != 0 {
		t.Errorf("%d were told when the context had ended; want none", got.Count)
	}
	b.tell(t.Context(), h, nil)
	if got := read(); got.Count != 2*n || math.Abs(got.Sum-1.003*n) > 1e-6 {
		t.Errorf("%d were told, with a sum of %v; want %d, %v", got.Count, got.Sum, 2*n, 1.003*n)
	}
}

func TestBucketsMayBeFilledAndToldAtOnce(t *testing.T) {
	h, read := histogram(t, holdBoundaries)
	b := newBuckets(holdBoundaries)
	const workers, each = 4, 5000
	var filling, telling sync.WaitGroup
	for range workers {
		filling.Go(func() {
			for range each {
				b.add(2 * time.Millisecond)
			}
		})
	}
	filled := make(chan struct{})
	for range 2 {
		telling.Go(func() {
			for {
				b.tell(context.Background(), h, nil)
				select {
				case <-filled:
					return
				default:
				}
			}
		})
	}
	filling.Wait()
	close(filled)
	telling.Wait()
	b.tell(context.Background(), h, nil)
	got := read()
	if i := slices.Index(holdBoundaries, 2500*time.Microsecond); got.BucketCounts[i] != workers*each {
		t.Errorf("the buckets are %v; want %d in number %d", got.BucketCounts, workers*each, i)
	}
	// What a reading found half added may be missing from the sum, by a nanosecond for each that was told.
	if want := workers * each * .002; math.Abs(got.Sum-want) > .01*want {
		t.Errorf("the sum is %v; want %v", got.Sum, want)
	}
}
