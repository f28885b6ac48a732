package otelmutex_test

import (
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// BenchmarkPair is what the metrics of one acquire and its release take by themselves: at once, and when they are read.
func BenchmarkPair(b *testing.B) {
	trace, metrics := newMetrics(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.Run("events", func(b *testing.B) {
		for b.Loop() {
			trace.Acquired(ctx, gotLock)
			trace.Released(ctx, gaveBack)
		}
	})
	metrics.all()
	b.Run("reading", func(b *testing.B) {
		for range b.N {
			trace.Acquired(ctx, gotLock)
			trace.Released(ctx, gaveBack)
		}
		b.ResetTimer()
		metrics.all()
	})
}

var (
	gotLock  = mutex.Event{Mutex: "Report", Key: "k", Attempts: 1, Took: 20 * time.Microsecond}
	gaveBack = mutex.Event{Mutex: "Report", Key: "k", Took: 20 * time.Microsecond, Held: time.Millisecond}
)
