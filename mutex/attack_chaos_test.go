package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// roll lists, for each key, the locks that were got and not yet given back.
type roll struct {
	t     *testing.T
	mu    sync.Mutex // guards what follows
	locks map[string][]*mutex.Lock[counter]
}

// enter takes in a lock that was just got. If another at the same key is valid at this moment, there are two holders.
func (r *roll) enter(lock *mutex.Lock[counter]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	valid := 0
	for _, other := range append(r.locks[lock.Key()], lock) {
		if other.Err() == nil {
			valid++
		}
	}
	if valid > 1 {
		r.t.Errorf("%d valid locks at %s", valid, lock.Key())
	}
	r.locks[lock.Key()] = append(r.locks[lock.Key()], lock)
}

// leave strikes a lock off before it is given back.
func (r *roll) leave(lock *mutex.Lock[counter]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.locks[lock.Key()][:0]
	for _, other := range r.locks[lock.Key()] {
		if other != lock {
			kept = append(kept, other)
		}
	}
	r.locks[lock.Key()] = kept
}

// Everything that an application may do, in any order and all at once, while nodes hang for a moment, forget scripts and
// close connections. At no moment may two locks at a key be valid, and in the end no key may be left.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("locks expire, are abandoned and closed", func(t *testing.T) {
		t.Parallel()
		everythingAtOnce(t, 200*time.Millisecond, 600*time.Millisecond, true)
	})
	t.Run("no key expires by itself", func(t *testing.T) {
		t.Parallel()
		everythingAtOnce(t, time.Hour, 2*time.Hour, false)
	})
}

// everythingAtOnce gives locks an expiration from shortest to longest. If careless, locks are abandoned, and sets closed with
// what they hold.
func everythingAtOnce(t *testing.T, shortest, longest time.Duration, careless bool) {
	servers := redistest.StartN(t, 3)
	d := with(on(urls(servers)...), func(d *mutex.Definition) {
		d.NodeTimeout, d.Expiration, d.RetryInterval, d.RetryJitter = 100*time.Millisecond, 400*time.Millisecond, 5*time.Millisecond, 4*time.Millisecond
	})
	anyExpiration := func() time.Duration { return shortest + rand.N(longest-shortest) }
	r := &roll{t: t, locks: make(map[string][]*mutex.Lock[counter])}
	sets := [3]atomic.Pointer[mutex.Set]{}
	for i := range sets {
		sets[i].Store(open(t, d))
	}
	var got, refused atomic.Int64
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var workers sync.WaitGroup
	for i := range 12 {
		workers.Go(func() {
			for ctx.Err() == nil {
				m := at(sets[rand.N(len(sets))].Load(), fmt.Sprint("k", rand.N(3)))
				ctx, cancel := context.WithTimeout(ctx, rand.N(200*time.Millisecond))
				lock, err := m.AcquireLock(ctx, mutex.WithWait(rand.N(100*time.Millisecond)), mutex.WithExpiration(anyExpiration()))
				if err != nil {
					refused.Add(1)
					if !errors.Is(err, mutex.ErrAlreadyLocked) && !errors.Is(err, mutex.ErrNoQuorum) && !errors.Is(err, mutex.ErrClosed) && ctx.Err() == nil {
						t.Error(err)
					}
					cancel()
					continue
				}
				got.Add(1)
				r.enter(lock)
				for range rand.N(3) {
					switch rand.N(4) {
					case 0:
						time.Sleep(rand.N(5 * time.Millisecond))
					case 1:
						_ = mutex.ExtendLock(ctx, lock, anyExpiration())
					case 2:
						_, _ = m.ExistsLock(ctx)
					case 3:
						go func() { _ = mutex.ExtendLock(t.Context(), lock, anyExpiration()) }()
					}
				}
				if careless && i%4 == 0 && rand.N(4) == 0 {
					<-lock.Done() // abandoned
				}
				r.leave(lock)
				_ = mutex.ReleaseLock(ctx, lock)
				if lock.Err() == nil {
					t.Error("a lock is held after its release")
				}
				cancel()
			}
		})
	}
	for i := 0; ctx.Err() == nil; i++ {
		s := servers[rand.N(len(servers))]
		switch i % 5 {
		case 0, 1:
			s.Pause()
			time.Sleep(rand.N(150 * time.Millisecond))
			s.Resume()
		case 2:
			s.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		case 3:
			s.CLI("SCRIPT", "FLUSH")
		case 4:
			if !careless {
				break
			}
			old := sets[0].Swap(open(t, d))
			if err := old.Close(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(rand.N(50 * time.Millisecond))
	}
	workers.Wait()
	if got.Load() < 20 || refused.Load() < 50 {
		t.Errorf("%d locks, %d refusals: that shows little", got.Load(), refused.Load())
	}
	for i := range sets {
		set := sets[i].Load()
		eventually(t, "nothing is held", func() bool { return len(set.Held()) == 0 })
	}
	wantNoKeys(t, servers...)
}
