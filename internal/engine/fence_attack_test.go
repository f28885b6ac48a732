package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestWhatIsLeftOfAQuarantineIsExact(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var told atomic.Int32
	trace := &Trace{NodeQuarantined: func(string, time.Duration) { told.Add(1) }}
	m := urlMutex(t, Options{Trace: trace}, guarded(100*time.Millisecond), server.URL())
	var l *Lock
	var ends []time.Time // as each refusal tells
	if err := wait(func() bool {
		var q *QuarantineError
		var err error
		if l, err = m.Acquire(context.Background(), "k", AcquireOptions{}); errors.As(err, &q) {
			ends = append(ends, time.Now().Add(q.Remaining))
		}
		return l != nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(ends) == 0 || ends[len(ends)-1].Sub(ends[0]).Abs() > 300*time.Millisecond || time.Since(ends[0]) > 300*time.Millisecond {
		t.Errorf("refusals told of an end at %v; it was at %v", ends, time.Now())
	}
	if n := told.Load(); n != 1 {
		t.Errorf("the quarantine was reported %d times", n)
	}
}

func TestWhoLeavesBetweenAttemptsIsToldOfTheQuarantine(t *testing.T) {
	simulate(t, 1, Settings{RestartGuard: true, RetryInterval: time.Second}, func(t *testing.T, s *sim) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		forever := Forever
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{Wait: &forever})
		var q *QuarantineError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNoQuorum) || !errors.As(err, &q) {
			t.Errorf("error is %v", err)
		}
	})
}
