package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// witness sees two holders at once, if there ever are: with a counter in this process, and with a counter and a value on
// a server that is none of the mutex's nodes. The value is read and written back one larger, as by an application that
// relies on the lock alone: with two holders, some of its steps are lost.
type witness struct {
	t       *testing.T
	server  *redis.Client
	holders atomic.Int32
	holds   atomic.Int64
}

func newWitness(t *testing.T) *witness {
	return &witness{t: t, server: client(t, redistest.Start(t).URL())}
}

// hold is what a holder does.
func (w *witness) hold(context.Context) error {
	if n := w.holders.Add(1); n != 1 {
		w.t.Errorf("%d holders at once", n)
	}
	defer w.holders.Add(-1)
	ctx := context.Background() // not the holder's own: what it began must be seen to its end
	if n, err := w.server.Incr(ctx, "holders").Result(); n != 1 || err != nil {
		w.t.Errorf("%d holders at once, %v", n, err)
	}
	value, err := w.server.Get(ctx, "value").Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if err := w.server.Set(ctx, "value", value+1, 0).Err(); err != nil {
		return err
	}
	w.holds.Add(1)
	return w.server.Decr(ctx, "holders").Err()
}

// check compares the value with the number of holds, and returns that.
func (w *witness) check() int64 {
	w.t.Helper()
	value, err := w.server.Get(w.t.Context(), "value").Result()
	if holds := w.holds.Load(); value != strconv.FormatInt(holds, 10) {
		w.t.Errorf("after %d holds the value is %q, %v", holds, value, err)
	}
	return w.holds.Load()
}

func TestManyContendersOnThreeNodesNeverHoldTogether(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	w := newWitness(t)
	const goroutines, each = 64, 16 // 1,024 holds
	// Half of them share a set, as goroutines of one process; each of the others has its own, as a process of its own.
	shared := open(t, contended(servers))
	var contenders sync.WaitGroup
	for i := range goroutines {
		set := shared
		if i%2 == 1 {
			set = open(t, contended(servers))
		}
		contenders.Go(func() {
			for range each {
				if err := at(set, "k").Synchronize(t.Context(), w.hold); err != nil {
					t.Error(err)
				}
			}
		})
	}
	contenders.Wait()
	if holds := w.check(); holds != goroutines*each {
		t.Errorf("%d holds; want %d", holds, goroutines*each)
	}
	wantNoKeys(t, servers...)
}

// contended is a definition for many who wait.
func contended(servers []*redistest.Server) mutex.Definition {
	return with(on(urls(servers)...), func(d *mutex.Definition) {
		d.Wait, d.RetryInterval, d.RetryJitter = mutex.Forever, 10*time.Millisecond, 9*time.Millisecond
		d.NodeTimeout = time.Second
	})
}

// One node after the other dies, hangs, or loses its connections while others contend. Without a quorum an acquire may fail;
// nothing may make two holders. Nodes that die here keep their data: without it, they could vote twice.
func TestFaultsUnderContentionNeverMakeTwoHolders(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	w := newWitness(t)
	set := open(t, with(contended(servers), func(d *mutex.Definition) { d.NodeTimeout = nodeTimeout }))
	others := open(t, with(contended(servers), func(d *mutex.Definition) { d.NodeTimeout = nodeTimeout }))
	ctx, stop := context.WithCancel(t.Context())
	var contenders sync.WaitGroup
	var failed atomic.Int64
	for i := range 16 {
		contenders.Go(func() {
			for ctx.Err() == nil {
				m := at([]*mutex.Set{set, others}[i%2], "k")
				err := m.Synchronize(ctx, w.hold)
				switch {
				case err == nil, ctx.Err() != nil:
				case errors.Is(err, mutex.ErrNoQuorum), errors.Is(err, mutex.ErrLockLost):
					failed.Add(1)
					time.Sleep(5 * time.Millisecond)
				default:
					t.Error(err)
				}
			}
		})
	}
	for i := range 12 {
		s := servers[i%3]
		switch i / 3 {
		case 0, 2:
			for range 5 {
				s.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
				time.Sleep(10 * time.Millisecond)
			}
		default:
			s.Pause()
			time.Sleep(50 * time.Millisecond)
			s.Resume()
		}
		time.Sleep(50 * time.Millisecond)
	}
	before := w.holds.Load()
	eventually(t, "work goes on after the faults", func() bool { return w.holds.Load() > before+10 })
	stop()
	contenders.Wait()
	if holds := w.check(); holds < 30 {
		t.Errorf("%d holds only, %d failed", holds, failed.Load())
	}
	wantNoKeys(t, servers...)
}

// What contenders leave must not depend on when they give up.
func TestContendersThatGiveUpLeaveNothing(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, contended(servers))
	var contenders sync.WaitGroup
	for i := range 48 {
		contenders.Go(func() {
			for j := range 6 {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(60*time.Millisecond))
				err := at(set, fmt.Sprint("k", (i+j)%4)).Synchronize(ctx, func(context.Context) error {
					time.Sleep(time.Millisecond)
					return nil
				})
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
		})
	}
	contenders.Wait()
	wantNoKeys(t, servers...)
	for i := range 4 {
		release(t, acquire(t, at(set, fmt.Sprint("k", i)), mutex.WithWait(0)))
	}
}

// More than fit into a batch, all at once, and each its own.
//
// Not parallel: it counts goroutines.
func TestManyLocksAtOnce(t *testing.T) {
	servers := redistest.StartN(t, 3)
	set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.NodeTimeout = time.Second }))
	for i := range 32 {
		release(t, acquire(t, at(set, fmt.Sprint("warm", i)))) // until every connection of a node has been used
	}
	before := runtime.NumGoroutine()
	const locks = 600
	held := make([]*mutex.Lock[counter], locks)
	var workers sync.WaitGroup
	for i := range held {
		workers.Go(func() {
			lock, err := at(set, fmt.Sprint("k", i)).AcquireLock(t.Context())
			if err != nil {
				t.Error(err)
			}
			held[i] = lock
		})
	}
	workers.Wait()
	if n := len(set.Held()); n != locks {
		t.Errorf("%d locks are held; want %d", n, locks)
	}
	goroutinesReturnTo(t, before) // no goroutine stays for a lock
	for i := range held {
		workers.Go(func() {
			m := at(set, fmt.Sprint("k", i))
			if err := m.ExtendLock(t.Context(), held[i], time.Minute); err != nil {
				t.Error(err)
			}
			if _, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
				t.Error(err)
			}
			if err := m.ReleaseLock(t.Context(), held[i]); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	wantNoKeys(t, servers...)
	goroutinesReturnTo(t, before)
}

// However they meet, one release gives the lock back and hears so, and the others hear that it is not held any more.
func TestOneOfManyReleasesOfALockSucceeds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := at(open(t, on(server.URL())), "k")
	for i := range 400 {
		lock := acquire(t, m)
		var released, notHeld atomic.Int32
		var releases sync.WaitGroup
		begin := make(chan struct{})
		for range 4 {
			releases.Go(func() {
				<-begin
				switch err := mutex.ReleaseLock(t.Context(), lock); {
				case err == nil:
					released.Add(1)
				case errors.Is(err, mutex.ErrNotHeld):
					notHeld.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		close(begin)
		releases.Wait()
		if released.Load() != 1 || notHeld.Load() != 3 {
			t.Fatalf("round %d: %d releases succeeded, %d found the lock not held", i, released.Load(), notHeld.Load())
		}
	}
}

// An extension sets a key that is missing. That must not bring back what a release deletes at the same time.
func TestExtensionDuringAReleaseBringsNothingBack(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration = time.Hour })), "k")
	for i := range 400 {
		lock := acquire(t, m)
		var both sync.WaitGroup
		begin := make(chan struct{})
		for range 3 {
			both.Go(func() {
				<-begin
				if err := mutex.ExtendLock(t.Context(), lock, time.Hour); err != nil && !errors.Is(err, mutex.ErrNotHeld) {
					t.Error(err)
				}
			})
		}
		both.Go(func() {
			<-begin
			release(t, lock)
		})
		close(begin)
		both.Wait()
		// Whatever the extensions asked stands before this in every node's queue.
		next, err := m.AcquireLock(t.Context())
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		release(t, next)
	}
	wantNoKeys(t, servers...)
}
