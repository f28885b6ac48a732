package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// synchronize runs fn under "k".
func (s *sim) synchronize(fn func(context.Context) error) error {
	return s.mutex.Synchronize(s.t.Context(), "k", fn, AcquireOptions{})
}

func TestSynchronizeReleasesAndReturnsTheFunctionsError(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		boom := errors.New("boom")
		for _, want := range []error{nil, boom} {
			err := s.synchronize(func(ctx context.Context) error {
				if s.nodes[0].owner("k") == "" {
					t.Error("the function runs without the lock")
				}
				return want
			})
			if err != want {
				t.Errorf("error is %v; want %v itself", err, want)
			}
			synctest.Wait()
			s.wantNoKey()
		}
	})
}

func TestSynchronizeDoesNotRunTheFunctionWithoutTheLock(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		s.acquire()
		err := s.synchronize(func(context.Context) error { t.Error("the function ran"); return nil })
		wantError(t, err, ErrAlreadyLocked)
	})
}

func TestPanicGoesOnAfterTheRelease(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("recovered %v; want the function's panic", r)
				}
			}()
			s.synchronize(func(context.Context) error { panic("boom") })
		}()
		synctest.Wait()
		s.wantNoKey()
	})
}

func TestGoexitReleases(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.synchronize(func(context.Context) error { runtime.Goexit(); return nil })
			t.Error("Synchronize returned after Goexit")
		}()
		<-done
		synctest.Wait()
		s.wantNoKey()
	})
}

func TestFunctionThatOutlivesItsLockIsToldAndReported(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		boom := errors.New("boom")
		err := s.synchronize(func(ctx context.Context) error {
			start := time.Now()
			<-ctx.Done()
			took(t, start, 9*time.Second, 10*time.Second)
			wantError(t, context.Cause(ctx), ErrLockLost)
			for _, n := range s.nodes {
				if n.owner("k") == "" {
					t.Error("the context was cancelled after the key expired")
				}
			}
			time.Sleep(time.Minute) // it doesn't listen
			return boom
		})
		wantError(t, err, boom, ErrLockLost)
	})
}

func TestCallersCancellationReachesTheFunctionAndTheLockIsReleased(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.mutex.Synchronize(ctx, "k", func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}, AcquireOptions{})
		wantError(t, err, context.Canceled)
		if errors.Is(err, ErrLockLost) {
			t.Error("the lock was not lost, but the error says so")
		}
		synctest.Wait()
		s.wantNoKey()
	})
}

func TestContextOfTheFunctionEndsWithIt(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var kept context.Context
		s.synchronize(func(ctx context.Context) error { kept = ctx; return nil })
		if kept.Err() == nil {
			t.Error("the function's context goes on after the lock was released")
		}
	})
}

func TestReleaseThatFailsAfterSuccessIsLoggedNotReturned(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var log bytes.Buffer
		s.engine.logger = slog.New(slog.NewTextHandler(&log, nil))
		var traced error
		s.engine.trace.Released = func(_ context.Context, e Event) { traced = e.Err }
		err := s.synchronize(func(context.Context) error {
			s.nodes[0].with(func(n *simNode) { n.down = true })
			return nil
		})
		if err != nil {
			t.Errorf("the work was exclusive, but the error is %v", err)
		}
		synctest.Wait()
		wantError(t, traced, ErrNoQuorum)
		if !strings.Contains(log.String(), "lock not released") {
			t.Errorf("the log says %q", log.String())
		}
	})
}

func TestKeyDeletedDuringTheFunctionIsReportedAsLoss(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		err := s.synchronize(func(context.Context) error {
			s.nodes[0].remove("k")
			s.nodes[1].remove("k")
			return nil
		})
		wantError(t, err, ErrLockLost)
	})
}
