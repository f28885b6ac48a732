package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestContextErrorComesWithTheReasonOfTheWait(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever}, func(t *testing.T, s *sim) {
		s.acquire()
		why := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(700*time.Millisecond, func() { cancel(why) })
		start := time.Now()
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{})
		took(t, start, 700*time.Millisecond, 700*time.Millisecond)
		wantError(t, err, context.Canceled, why, ErrAlreadyLocked)
	})
}

func TestContextThatEndsDuringARetryComesWithWhatTheAttemptBeforeFailedOf(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever}, func(t *testing.T, s *sim) {
		s.acquire()
		for _, n := range s.nodes {
			n.with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		}
		// Asked at 0 and, after the answer and a pause, at 300 ms.
		ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond)
		defer cancel()
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{})
		wantError(t, err, context.DeadlineExceeded, ErrAlreadyLocked)
	})
}

func TestWaiting(t *testing.T) {
	second := time.Second
	wait := func(d time.Duration) *time.Duration { return &d }
	tests := map[string]struct {
		settings Settings
		options  AcquireOptions
		freed    time.Duration // when the holder releases; zero: never
		want     error
		took     time.Duration
		attempts int
	}{
		"none by default":       {want: ErrAlreadyLocked, took: 1 * simLatency, attempts: 1},
		"until freed":           {settings: Settings{Wait: 10 * second}, freed: second, took: 1000 * time.Millisecond, attempts: 7},
		"as long as allowed":    {settings: Settings{Wait: second}, want: ErrAlreadyLocked, took: 1001 * time.Millisecond, attempts: 7},
		"so many retries":       {settings: Settings{MaxRetry: 3}, want: ErrAlreadyLocked, took: 603 * time.Millisecond, attempts: 5},
		"forever":               {settings: Settings{Wait: Forever, Expiration: time.Hour}, freed: 100 * second, took: 0, attempts: 0},
		"the call's own":        {settings: Settings{MaxRetry: 3}, options: AcquireOptions{Wait: wait(2 * second)}, want: ErrAlreadyLocked, took: 2001 * time.Millisecond, attempts: 12},
		"the call's own, none":  {settings: Settings{Wait: Forever}, options: AcquireOptions{Wait: wait(0)}, want: ErrAlreadyLocked, took: simLatency, attempts: 1},
		"negative is none":      {options: AcquireOptions{Wait: wait(-second)}, want: ErrAlreadyLocked, took: simLatency, attempts: 1},
		"not for a quorum":      {settings: Settings{Wait: Forever}, freed: -1, want: ErrNoQuorum, took: 0, attempts: 1},
		"retries are for both":  {settings: Settings{MaxRetry: 3}, freed: -1, want: ErrNoQuorum, took: 600 * time.Millisecond, attempts: 4},
		"the holder's own time": {settings: Settings{Wait: Forever}, took: 0, attempts: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, test.settings, func(t *testing.T, s *sim) {
				attempts := 0
				s.engine.trace.Acquired = func(_ context.Context, e Event) { attempts = e.Attempts }
				holder := s.another().acquire()
				s.engine.trace.Refused = func(_ context.Context, e Event) { attempts = e.Attempts }
				switch {
				case test.freed > 0:
					time.AfterFunc(test.freed, func() { holder.Release(context.Background()) })
				case test.freed < 0:
					for _, n := range s.nodes {
						n.with(func(n *simNode) { n.down = true })
					}
				}
				start := time.Now()
				_, err := s.mutex.Acquire(t.Context(), "k", test.options)
				if test.took > 0 {
					took(t, start, test.took, test.took+5*simLatency)
				}
				if !errors.Is(err, test.want) {
					t.Errorf("error is %v; want %v", err, test.want)
				}
				if test.attempts > 0 && attempts != test.attempts {
					t.Errorf("%d attempts; want %d", attempts, test.attempts)
				}
			})
		})
	}
}

func TestWaiterRidesOutAnOutageLongerThanTheExpiration(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever}, func(t *testing.T, s *sim) {
		s.acquire()
		down := func(down bool) func() {
			return func() {
				for _, n := range s.nodes {
					n.with(func(n *simNode) { n.down = down })
				}
			}
		}
		time.AfterFunc(time.Second, down(true))
		time.AfterFunc(time.Minute, down(false))
		start := time.Now()
		s.acquire()
		took(t, start, time.Minute, time.Minute+simReconnection+time.Second)
	})
}

func TestRetryPauseIsTheIntervalPlusOrMinusJitter(t *testing.T) {
	m := &Mutex{engine: New(Options{}), settings: Settings{RetryInterval: 200 * time.Millisecond, RetryJitter: 100 * time.Millisecond}}
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		pause := m.pauseBeforeRetry()
		least, most = min(least, pause), max(most, pause)
	}
	if least < 100*time.Millisecond || least > 105*time.Millisecond || most > 300*time.Millisecond || most < 295*time.Millisecond {
		t.Errorf("pauses lie between %v and %v; want 100ms to 300ms", least, most)
	}
	if pause := (&Mutex{}).pauseBeforeRetry(); pause < time.Millisecond {
		t.Errorf("without an interval the pause is %v: attempts run together", pause)
	}
}

func TestPermanentRefusalEndsTheWait(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever}, func(t *testing.T, s *sim) {
		for _, n := range s.nodes {
			n.with(func(n *simNode) {
				n.refuse = serverError("NOPERM this user has no permissions to run the 'set' command")
			})
		}
		start := time.Now()
		_, err := s.try()
		took(t, start, simLatency, simLatency)
		wantError(t, err, ErrNoQuorum)
		if !strings.Contains(err.Error(), "NOPERM") || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("the error doesn't explain itself: %v", err)
		}
	})
}
