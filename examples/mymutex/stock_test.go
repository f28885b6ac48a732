package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/examples/mymutex/locks"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

func noPause() error { return nil }

func TestTheStockHeedsTokens(t *testing.T) {
	const item = "lamp"
	for _, test := range []struct {
		stands, token int64
		claimed, set  bool
	}{
		{stands: 0, token: 1, claimed: true, set: false},
		{stands: 5, token: 6, claimed: true, set: false},
		{stands: 5, token: 5, claimed: false, set: true}, // it claims once, and sets as often as it likes
		{stands: 5, token: 4, claimed: false, set: false},
		{stands: 0, token: 0, claimed: false, set: true}, // a lock without a token claims nothing
		{stands: 5, token: 0, claimed: false, set: false},
		{stands: 5, token: -1, claimed: false, set: false},
		{stands: 1 << 50, token: 1<<50 + 1, claimed: true, set: false},
	} {
		s := &stock{rows: map[string]row{item: {count: 10, token: test.stands}}}
		if got := s.set(item, test.token, 9); got != test.set || (s.count(item) == 9) != test.set {
			t.Errorf("token %d beside %d: set %v, and %d are left", test.token, test.stands, got, s.count(item))
		}
		if got := s.claim(item, test.token); got != test.claimed || (s.rows[item].token == test.token) != (got || test.set) {
			t.Errorf("token %d beside %d: claimed %v, and %d stands there", test.token, test.stands, got, s.rows[item].token)
		}
		if s.claim("chair", test.token) || s.set("chair", test.token, 1) || len(s.rows) != 1 {
			t.Error("there are chairs")
		}
	}
}

func TestATakeIsRefusedWhereverTheWorkerIsOvertaken(t *testing.T) {
	const item = "lamp"
	s := &stock{rows: map[string]row{item: {count: 10}}}
	overtaken := s.take(item, 7, 1, func() error { return s.take(item, 8, 3, noPause) })
	late := s.take(item, 7, 1, noPause)
	if !errors.Is(overtaken, errStale) || !errors.Is(late, errStale) || s.count(item) != 7 {
		t.Errorf("%v and %v; %d are left, want 7", overtaken, late, s.count(item))
	}
	failed := errors.New("failed")
	if err := s.take(item, 9, 1, func() error { return failed }); !errors.Is(err, failed) || s.count(item) != 7 {
		t.Errorf("%v; %d are left, want 7", err, s.count(item))
	}
}

// The whole pattern: workers whose locks are so short, and whose pauses so long, that they write on after they have lost
// them. Of what they take nothing is counted twice or forgotten, if the stock heeds their tokens.
func TestStaleWorkersSpoilNothing(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]func(t *testing.T) mutex.Option{
		"embedded": func(t *testing.T) mutex.Option { return mutextest.RunQuorum(t, 3).Option() },
		"servers": func(t *testing.T) mutex.Option {
			servers := redistest.StartN(t, 3)
			return mutex.WithServers(mutex.AllMutexes, servers[0].URL(), servers[1].URL(), servers[2].URL())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			option := option(t)
			var stale, taken atomic.Int64
			const item, all = "lamp", 1_000_000
			lamps := &stock{rows: map[string]row{item: {count: all}}}
			stop := time.Now().Add(2 * time.Second)
			var workers sync.WaitGroup
			for range 6 {
				locks, err := locks.Open(option)
				if err != nil {
					t.Fatal(err)
				}
				defer locks.Close()
				workers.Go(func() {
					for time.Now().Before(stop) {
						switch err := takeSome(t.Context(), locks, lamps, item, &taken); {
						case errors.Is(err, errStale):
							stale.Add(1)
						case errors.Is(err, mutex.ErrNotHeld), errors.Is(err, mutex.ErrNoQuorum): // so short are the locks
						case err != nil:
							t.Error(err)
							return
						}
					}
				})
			}
			workers.Wait()
			if left := int64(lamps.count(item)); left != all-taken.Load() {
				t.Errorf("%d were taken of %d, and %d are left", taken.Load(), all, left)
			}
			if stale.Load() == 0 || taken.Load() == 0 {
				t.Errorf("%d were taken, %d workers were stale: nothing was tried", taken.Load(), stale.Load())
			}
		})
	}
}

// takeSome takes a few of an item, and every third time outlives its lock over that.
func takeSome(ctx context.Context, locks *locks.Mutexes, lamps *stock, item string, taken *atomic.Int64) error {
	const expiration = 250 * time.Millisecond
	lock, err := locks.Stock.AcquireLock(ctx, item, mutex.WithExpiration(expiration), mutex.WithWait(mutex.Forever))
	if err != nil {
		return err
	}
	number := rand.N(3) + 1
	err = lamps.take(item, lock.Token(), number, func() error {
		if rand.N(3) == 0 {
			<-lock.Done()
			time.Sleep(rand.N(expiration / 4))
		}
		return nil
	})
	if err == nil {
		taken.Add(int64(number))
	}
	return errors.Join(err, locks.Stock.ReleaseLock(ctx, lock))
}
