package mutex_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// Not parallel: it counts allocations.
func TestAnAcquireAddsOneAllocationToTheEngines(t *testing.T) {
	server := redistest.Start(t)
	m := at(open(t, on(server.URL())), "k")

	e := engine.New(engine.Options{})
	defer e.Close()
	node := e.AddNode(engine.NodeOptions{
		Redis: &redis.Options{Addr: server.Addr()}, Timeout: patience, PoolSize: 2, ReconnectionInterval: reconnection,
	})
	bare, err := e.NewMutex(engine.Settings{Name: "Bare", Expiration: 10 * time.Second, NodeTimeout: patience}, [][]*engine.Node{{node}})
	if err != nil {
		t.Fatal(err)
	}

	const pairs = 1000
	engines := testing.AllocsPerRun(1, func() {
		for range pairs {
			lock, err := bare.Acquire(t.Context(), "k", engine.AcquireOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	ours := testing.AllocsPerRun(1, func() {
		for range pairs {
			release(t, acquire(t, m))
		}
	})
	// The Lock itself. Pools drop something now and then, and the race detector has them drop more.
	if more := (ours - engines) / pairs; more > 1.5 {
		t.Errorf("an acquire and its release take %.2f allocations, %.2f more than the engine's", ours/pairs, more)
	}
}

// Not parallel: it counts allocations.
func TestWhatNobodyIsToldCostsNoAllocation(t *testing.T) {
	server := redistest.Start(t)
	told := 0
	everything := &mutex.Trace{
		Attempt: func(context.Context, mutex.Event) { told++ }, Vote: func(mutex.Event) { told++ },
		Acquired: func(context.Context, mutex.Event) { told++ }, Released: func(context.Context, mutex.Event) { told++ },
	}
	pair := func(options ...mutex.Option) float64 {
		m := at(open(t, on(server.URL()), options...), "k")
		const pairs = 1000
		return testing.AllocsPerRun(1, func() {
			for range pairs {
				release(t, acquire(t, m))
			}
		}) / pairs
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil)) // from Info on
	off, logged, traced := pair(), pair(mutex.WithLogger(quiet)), pair(mutex.WithTrace(everything))
	if told == 0 {
		t.Error("the trace was told nothing")
	}
	// Pools drop something now and then, and the race detector has them drop a good part; but alike in all three.
	t.Logf("an acquire and its release take %.2f allocations, %.2f with a logger, %.2f with a trace", off, logged, traced)
	// Seven: two locks (the engine's and ours), the owner value, go-redis's answer, and what it takes to leave when the
	// context ends.
	if off > 9.9 {
		t.Errorf("an acquire and its release take %.2f allocations; want 7, or with the race detector somewhat over 9", off)
	}
	if logged > off+0.5 || traced > off+0.5 {
		t.Errorf("an acquire and its release take %.2f allocations, but %.2f with a logger, %.2f with a trace", off, logged, traced)
	}
}
