package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestCallerThatAsksByItselfCanLeave(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, Settings{Expiration: time.Minute, NodeTimeout: 20 * time.Second})
	for range 3 {
		warm, err := m.Acquire(t.Context(), "k", AcquireOptions{}) // so that there is a connection
		if err != nil {
			t.Fatal(err)
		}
		if err := warm.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Pause()
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
		start := time.Now()
		_, err = m.Acquire(ctx, "k", AcquireOptions{})
		wantError(t, err, context.Canceled, enough)
		took(t, start, 50*time.Millisecond, 5*time.Second)
		server.Resume()
	}
	for start := time.Now(); server.Get("k") != ""; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the key of an acquire that was cancelled is still there")
		}
	}
}

func TestCancellationOfOneDoesNotCutOffTheNext(t *testing.T) {
	// The cancellation comes just as the answer does, again and again; what is asked next must not feel it.
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, Settings{Expiration: time.Minute, NodeTimeout: 5 * time.Second})
	for i := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Duration(i%100) * time.Microsecond)
			cancel()
		}()
		if lock, err := m.Acquire(ctx, "cancelled", AcquireOptions{}); err == nil {
			lock.Release(t.Context())
		} else if !errors.Is(err, context.Canceled) {
			t.Fatalf("try %d: %v", i, err)
		}
		lock, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		if err != nil {
			t.Fatalf("try %d: whoever came next was told %v", i, err)
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatalf("try %d: whoever came next was told %v", i, err)
		}
	}
}

func TestQuestionsThatGatherBehindACallerAreSentWhenItIsDone(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		var wg sync.WaitGroup
		wg.Go(func() { s.mutex.Acquire(t.Context(), "first", AcquireOptions{}) })
		synctest.Wait()
		start := time.Now()
		for _, key := range []string{"a", "b", "c"} {
			wg.Go(func() {
				if _, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		took(t, start, 200*time.Millisecond, 200*time.Millisecond)
		if batches, _ := s.nodes[0].received(); batches != 2 {
			t.Errorf("%d batches; want the first, and one of the three behind it", batches)
		}
	})
}
