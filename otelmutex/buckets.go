package otelmutex

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// The boundaries of the buckets.
var (
	waitBoundaries = []time.Duration{
		time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
		50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
		2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
	}
	holdBoundaries = []time.Duration{
		500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
		25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		5 * time.Minute, 15 * time.Minute, time.Hour,
	}
)

func inSeconds(boundaries []time.Duration) []float64 {
	seconds := make([]float64, len(boundaries))
	for i, boundary := range boundaries {
		seconds[i] = boundary.Seconds()
	}
	return seconds
}

// buckets gather durations for a histogram of OpenTelemetry, which would take more for each than all the rest of the
// metrics for an acquire and a release. It gets them when it is about to be read, as often as there are any, and each as the
// mean of its bucket, so that with the same boundaries its buckets, count and sum are what they would be. What is
// missing is the shortest and the longest, and exemplars.
type buckets struct {
	boundaries []time.Duration
	all        []bucket // one more than boundaries; each ends with its boundary
}

type bucket struct {
	count atomic.Int64
	sum   atomic.Int64 // in nanoseconds
}

func newBuckets(boundaries []time.Duration) buckets {
	return buckets{boundaries: boundaries, all: make([]bucket, len(boundaries)+1)}
}

func (b *buckets) add(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(b.boundaries) && d > b.boundaries[i] {
		i++
	}
	b.all[i].sum.Add(int64(d))
	b.all[i].count.Add(1)
}

// stride is how many durations are told between two looks at the context.
const stride = 1 << 12

// tell hands over what has gathered, until ctx ends.
func (b *buckets) tell(ctx context.Context, h metric.Float64Histogram, attributes []metric.RecordOption) {
	for i := range b.all {
		from := &b.all[i]
		n := from.count.Swap(0)
		if n == 0 {
			continue
		}
		sum := from.sum.Swap(0)
		mean := time.Duration(sum / n)
		// One that is being added in between may be in the sum and not in the count yet. It must not carry the others into
		// the next bucket, and counts later.
		least := time.Duration(0)
		if i > 0 {
			least = b.boundaries[i-1] + 1
		}
		mean = max(mean, least)
		if i < len(b.boundaries) {
			mean = min(mean, b.boundaries[i])
		}
		told := int64(0)
		for told < n && (told%stride != 0 || ctx.Err() == nil) {
			h.Record(context.Background(), mean.Seconds(), attributes...) // ctx is that of who reads, not of who waited or held
			told++
		}
		from.count.Add(n - told)
		from.sum.Add(sum - told*int64(mean))
	}
}
