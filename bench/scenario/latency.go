package scenario

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
)

// latencies are those of acquires and releases.
type latencies struct {
	acquire, release percentiles
	// attempts is how many acquires began, failed how many returned an error, unfinished how many hung until the end of
	// the measurement and some patience.
	attempts, failed, unfinished int
	first                        error
}

type percentiles struct{ p50, p99 time.Duration }

// latencies has the workers acquire and release for a while. What hangs is waited for with patience, and then counts as
// unfinished and as having taken that long.
func (r *Run) latencies(ctx context.Context, locks contestant.Locks, keys *contest.Cursor, d, patience time.Duration) latencies {
	type worker struct {
		mu               sync.Mutex // guards what follows
		acquire, release []time.Duration
		attempts, failed int
		first            error
		begun            time.Time // of the call under way
		acquiring        bool
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := make([]*worker, faultWorkers)
	var stop atomic.Bool
	var all sync.WaitGroup
	for i := range workers {
		w := &worker{}
		workers[i] = w
		begin := func(acquiring bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.begun, w.acquiring = time.Now(), acquiring
			if acquiring {
				w.attempts++
			}
		}
		end := func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			took := time.Since(w.begun)
			if w.acquiring {
				w.acquire = append(w.acquire, took)
			} else {
				w.release = append(w.release, took)
			}
			w.begun = time.Time{}
			if err != nil && w.acquiring {
				w.failed++
			}
			if err != nil && w.first == nil {
				w.first = err
			}
		}
		all.Go(func() {
			for !stop.Load() {
				begin(true)
				release, err := locks.Acquire(ctx, keys.Next(i))
				end(err)
				if err != nil {
					contest.Pause(ctx, time.Millisecond)
					continue
				}
				begin(false)
				end(release(ctx))
			}
		})
	}
	contest.Pause(ctx, d)
	stop.Store(true)
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
	}
	var l latencies
	var acquire, release []time.Duration
	for _, w := range workers {
		w.mu.Lock()
		acquire, release = append(acquire, w.acquire...), append(release, w.release...)
		l.attempts += w.attempts
		l.failed += w.failed
		if l.first == nil {
			l.first = w.first
		}
		switch {
		case w.begun.IsZero():
		case w.acquiring:
			l.unfinished++
			acquire = append(acquire, time.Since(w.begun))
		default:
			release = append(release, time.Since(w.begun))
		}
		w.mu.Unlock()
	}
	l.acquire = percentiles{contest.Percentile(acquire, 50), contest.Percentile(acquire, 99)}
	l.release = percentiles{contest.Percentile(release, 50), contest.Percentile(release, 99)}
	return l
}
