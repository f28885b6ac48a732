package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// goroutinesReturnTo waits until there are no more goroutines than before.
func goroutinesReturnTo(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before there were %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Not parallel: it counts goroutines.
func TestContextsThatEndDuringAnAcquireLeaveNothing(t *testing.T) {
	const rounds = 400
	for _, test := range []struct {
		name string
		// context ends after d.
		context func(d time.Duration) (context.Context, context.CancelFunc)
		longest time.Duration
		want    error
	}{
		{"cancelled", func(d time.Duration) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(d, cancel)
			return ctx, cancel
		}, 2 * time.Millisecond, context.Canceled},
		{"deadline", func(d time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), d)
		}, 600 * time.Microsecond, context.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			servers := redistest.StartN(t, 3)
			set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration = time.Hour }))
			m := at(set, "k")
			release(t, acquire(t, m))
			before := runtime.NumGoroutine()
			got, ended := 0, 0
			for i := range rounds {
				// Most of them end early: an acquire is quick.
				ctx, cancel := test.context(test.longest * time.Duration(i*i) / (rounds * rounds))
				lock, err := m.AcquireLock(ctx)
				if err == nil {
					got++
					// Released with the context that may have ended meanwhile.
					if err := m.ReleaseLock(ctx, lock); err != nil {
						t.Errorf("round %d: %v", i, err)
					}
				} else {
					ended++
					if !errors.Is(err, test.want) || errors.Is(err, mutex.ErrAlreadyLocked) {
						t.Errorf("round %d: %v; want %v alone", i, err, test.want)
					}
				}
				cancel()
				// Whatever was given up stands before this in every node's queue, and so does its release.
				if i%4 == 0 {
					release(t, acquire(t, m, mutex.WithWait(0)))
				}
			}
			if ended < rounds/20 {
				t.Errorf("%d of %d contexts ended an acquire: too few to show anything (%d locks)", ended, rounds, got)
			}
			goroutinesReturnTo(t, before)
			wantNoKeys(t, servers...)
			if held := set.Held(); len(held) != 0 {
				t.Errorf("held: %v", held)
			}
		})
	}
}

// Not parallel: it counts goroutines.
func TestContextsThatEndDuringAWaitLeaveNothing(t *testing.T) {
	servers := redistest.StartN(t, 3)
	d := with(on(urls(servers)...), func(d *mutex.Definition) {
		d.Expiration, d.Wait, d.RetryInterval, d.RetryJitter = time.Hour, mutex.Forever, time.Millisecond, time.Millisecond
	})
	m := at(open(t, d), "k")
	lock := acquire(t, at(open(t, d), "k")) // another process: those who wait for a lock of their own don't ask for it
	// Who waits has the servers tell of releases, and for a while whoever comes next finds that they do.
	_, err := m.AcquireLock(t.Context(), mutex.WithWait(300*time.Millisecond))
	wantError(t, err, mutex.ErrAlreadyLocked)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	var waiters sync.WaitGroup
	for range 32 {
		waiters.Go(func() {
			_, err := m.AcquireLock(ctx)
			wantError(t, err, context.Canceled, enough)
		})
	}
	time.Sleep(50 * time.Millisecond)
	cancel(enough)
	start := time.Now()
	waiters.Wait()
	took(t, start, 0)
	goroutinesReturnTo(t, before)
	if owner := servers[0].Get("k"); owner == "" || lock.Err() != nil {
		t.Errorf("the lock they waited for is %q, %v", owner, lock.Err())
	}
	release(t, lock)
	wantNoKeys(t, servers...)
	asked := servers[0].Commands()
	time.Sleep(50 * time.Millisecond)
	if n := servers[0].Commands() - asked; n > 1 {
		t.Errorf("after all have left, the server is asked %d times", n)
	}
}

// While nodes hang, whoever gives up leaves at once, whatever the node's budget.
func TestContextThatEndsWhileNodesHang(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration, d.NodeTimeout = time.Hour, 2*time.Second }))
	untilAllVote(t, set, servers)
	held := acquire(t, at(set, "held"))
	for _, s := range servers {
		s.Pause()
	}
	for name, operation := range map[string]func(context.Context) error{
		"acquire": func(ctx context.Context) error { _, err := at(set, "k").AcquireLock(ctx); return err },
		"exists":  func(ctx context.Context) error { _, err := at(set, "k").ExistsLock(ctx); return err },
		"extend":  func(ctx context.Context) error { return mutex.ExtendLock(ctx, held, time.Minute) },
		"synchronize": func(ctx context.Context) error {
			return at(set, "k").Synchronize(ctx, func(context.Context) error { return nil })
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		err := operation(ctx)
		took(t, start, 20*time.Millisecond)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	for _, s := range servers {
		s.Resume()
	}
	if err := mutex.ReleaseLock(cancelled(t), held); err != nil {
		t.Error(err)
	}
	wantNoKeys(t, servers...)
}

// Not parallel: it counts goroutines.
func TestCloseLeavesNothingRunning(t *testing.T) {
	servers := redistest.StartN(t, 3)
	servers[1].Pause()
	servers[2].Kill()
	before := runtime.NumGoroutine()
	for range 3 {
		set := open(t, hasty(on(urls(servers)...)))
		var workers sync.WaitGroup
		for range 16 {
			workers.Go(func() {
				for {
					_, err := at(set, "k").AcquireLock(t.Context())
					if errors.Is(err, mutex.ErrClosed) {
						return
					}
					if !errors.Is(err, mutex.ErrNoQuorum) && !errors.Is(err, mutex.ErrAlreadyLocked) {
						t.Error(err)
						return
					}
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		start := time.Now()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
		workers.Wait()
		took(t, start, 2*nodeTimeout)
	}
	goroutinesReturnTo(t, before)
}

func TestCloseDuringAnAcquireLeavesNoKeyOfAnAttemptThatFailed(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	closed, got := 0, 0
	for i := range 150 {
		set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration = time.Hour }))
		release(t, acquire(t, at(set, "warm")))
		acquired := make(chan error)
		key := fmt.Sprint("k", i)
		go func() {
			_, err := at(set, key).AcquireLock(t.Context())
			acquired <- err
		}()
		time.Sleep(time.Duration(i) * 8 * time.Microsecond)
		set.Close()
		err := <-acquired
		kept := 0
		for _, s := range servers {
			if s.Get(key) != "" {
				kept++
			}
		}
		switch {
		case err == nil:
			got++
			if kept != len(servers) {
				t.Errorf("round %d: of a lock that was held at Close, %d nodes have the key", i, kept)
			}
		case errors.Is(err, mutex.ErrClosed):
			closed++
			if kept > 0 {
				t.Errorf("round %d: %v, and yet %d nodes have the key", i, err, kept)
			}
		default:
			t.Errorf("round %d: %v", i, err)
		}
	}
	if closed == 0 || got == 0 {
		t.Errorf("%d acquires were ended by Close, %d got their lock: that shows nothing", closed, got)
	}
}
