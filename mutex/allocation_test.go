package mutex_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
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
