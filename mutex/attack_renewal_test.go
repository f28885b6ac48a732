package mutex_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// All servers hang for less than the rest of the validity: nobody notices.
func TestRenewalSurvivesAShortOutage(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, hasty(on(urls(servers)...)))
	untilAllVote(t, set, servers)
	lock := acquire(t, at(set, "k"), mutex.WithExpiration(2*time.Second), mutex.WithRenewal())
	for _, s := range servers {
		s.Pause()
	}
	time.Sleep(time.Until(lock.Until().Add(-800 * time.Millisecond))) // the first renewals have failed
	for _, s := range servers {
		s.Resume()
	}
	before := lock.Until()
	eventually(t, "a renewal succeeds, or the lock is lost", func() bool { return lock.Until().After(before) || lock.Err() != nil })
	if err := lock.Err(); err != nil {
		t.Error(err)
	}
	release(t, lock)
	wantNoKeys(t, servers...)
}

// All servers hang for longer. What was asked of them meanwhile, they do when they go on: it must bring nothing back.
func TestRenewalEndsInALongOutageAndLeavesNothing(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, hasty(on(urls(servers)...)))
	known := acquire(t, at(set, "known")) // the script: a server that does not know it carries nothing out
	if err := mutex.ExtendLock(t.Context(), known, time.Minute); err != nil {
		t.Fatal(err)
	}
	release(t, known)
	untilAllVote(t, set, servers)
	err := at(set, "k").Synchronize(t.Context(), func(ctx context.Context) error {
		for _, s := range servers {
			s.Pause()
		}
		until := set.Held()[0].Until
		<-ctx.Done()
		took(t, until, 0)
		wantError(t, context.Cause(ctx), mutex.ErrLockLost)
		wantText(t, context.Cause(ctx), "before a renewal succeeded")
		return nil
	}, mutex.WithExpiration(brief), mutex.WithRenewal())
	wantError(t, err, mutex.ErrLockLost)
	time.Sleep(brief / 4) // the keys have expired too
	for _, s := range servers {
		s.Resume()
	}
	untilAllVote(t, set, servers)
	wantNoKeys(t, servers...)
	for end := time.Now().Add(brief / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, s := range servers {
			if owner := s.Get("k"); owner != "" {
				t.Fatalf("%q is back on %s", owner, s.Addr())
			}
		}
	}
}

// Servers that restart without their data, one after the other, get it back.
func TestRenewalRefillsServersThatForgot(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, nodes)
			set := open(t, hasty(on(urls(servers)...)))
			untilAllVote(t, set, servers)
			lock := acquire(t, at(set, "k"), mutex.WithExpiration(3*time.Second), mutex.WithRenewal())
			eventually(t, "the key is everywhere", func() bool { return servers[nodes-1].Get("k") != "" })
			owner := servers[nodes-1].Get("k")
			for _, s := range servers {
				s.Restart()
				eventually(t, "the key is back", func() bool { return s.Get("k") == owner })
			}
			if err := lock.Err(); err != nil {
				t.Error(err)
			}
			release(t, lock)
			wantNoKeys(t, servers...)
		})
	}
}

// A thousand renewed locks cost no goroutine, and none is lost.
//
// Not parallel: it counts goroutines.
func TestManyRenewedLocks(t *testing.T) {
	servers := redistest.StartN(t, 3)
	var n notes
	set := open(t, on(urls(servers)...), mutex.WithTrace(n.trace()))
	const locks = 1000
	held := make([]*mutex.Lock[counter], locks)
	var workers sync.WaitGroup
	forAll := func(do func(i int)) {
		for part := range 20 {
			workers.Go(func() {
				for i := part; i < locks; i += 20 {
					do(i)
				}
			})
		}
		workers.Wait()
	}
	key := func(i int) mutex.Mutex[counter] { return at(set, fmt.Sprint("k", i)) }
	forAll(func(i int) { release(t, acquire(t, key(i))) })
	before := runtime.NumGoroutine()
	forAll(func(i int) {
		held[i] = acquire(t, key(i), mutex.WithExpiration(3*time.Second), mutex.WithRenewal())
	})
	goroutinesReturnTo(t, before)
	start := time.Now()
	eventually(t, "all are renewed", func() bool {
		for _, l := range set.Held() {
			if l.Until.Before(start.Add(3 * time.Second)) {
				return false
			}
		}
		return true
	})
	if n := len(set.Held()); n != locks {
		t.Errorf("%d locks are held; want %d", n, locks)
	}
	forAll(func(i int) { release(t, held[i]) })
	wantNoKeys(t, servers...)
	if lost := n.with("lost"); len(lost) > 0 {
		t.Errorf("%d are lost, such as by %s", len(lost), lost[0])
	}
}
