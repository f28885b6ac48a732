package contest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Pairs is what one slice of acquiring and releasing measured.
type Pairs struct {
	PerSecond float64
	// Failed is how many pairs failed, First the first failure.
	Failed int64
	First  error
}

// Rate is the figure of Pairs.
func (p Pairs) Rate() float64 { return p.PerSecond }

// Load says how pairs are driven.
type Load struct {
	Workers int
	// RampUp is how long the workers run before anything counts: connections are made, queues reach their usual length.
	RampUp time.Duration
	// Time is how long pairs are counted. Both are stretched, up to four times, until the workers have done a few pairs: all
	// of them begin at the same moment, and where a pair takes long they would end at the same moment too.
	Time time.Duration
}

const (
	stretch = 4
	// pairsEach is how many pairs the workers do on the average within the Time, and a third of that in the RampUp.
	pairsEach = 3
)

// Drive calls pair in so many goroutines, again and again, and counts what completes while all of them are busy. Pair is
// told which worker calls it. A pair that fails isn't counted.
func Drive(ctx context.Context, load Load, pair func(ctx context.Context, worker int) error) Pairs {
	type counter struct {
		pairs atomic.Int64
		_     [56]byte // a cache line for each worker
	}
	counters := make([]counter, load.Workers)
	total := func() (n int64) {
		for i := range counters {
			n += counters[i].pairs.Load()
		}
		return n
	}
	var (
		result  Pairs
		stop    atomic.Bool
		failed  atomic.Int64
		first   sync.Once
		workers sync.WaitGroup
	)
	for i := range counters {
		workers.Go(func() {
			for !stop.Load() {
				if err := pair(ctx, i); err != nil {
					if stop.Load() || ctx.Err() != nil {
						return // the slice is over
					}
					failed.Add(1)
					first.Do(func() { result.First = err })
					time.Sleep(time.Millisecond) // a failure that costs nothing must not take the processor from the rest
					continue
				}
				counters[i].pairs.Add(1)
			}
		})
	}
	await := func(d time.Duration, pairs int64) (int64, time.Time) {
		for end := time.Now().Add(stretch * d); ; {
			Pause(ctx, d)
			d = max(d/stretch, time.Millisecond)
			if n := total(); n >= pairs || ctx.Err() != nil || time.Now().After(end) {
				return n, time.Now()
			}
		}
	}
	before, start := await(load.RampUp, int64(load.Workers))
	after, end := await(load.Time, before+pairsEach*int64(load.Workers))
	stop.Store(true)
	workers.Wait()
	result.PerSecond = float64(after-before) / end.Sub(start).Seconds()
	result.Failed = failed.Load()
	return result
}

// Pause sleeps until the time is over or ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
