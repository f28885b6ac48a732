package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
	"github.com/mutexgen/mutexgen/mutex"
)

// field is where locks are lost: three nodes, those who hold, and others who want to.
type field struct {
	nodes          []*fleet.Node
	opened, rivals *locks.Mutexes
}

func newField(t *testing.T) *field {
	t.Helper()
	f := &field{nodes: fleet.Start(t, fleet.Nothing, fleet.Nothing, fleet.Nothing)}
	for _, opened := range []**locks.Mutexes{&f.opened, &f.rivals} {
		var err error
		if *opened, err = locks.Open(mutex.WithServers(mutex.AllMutexes, fleet.URLs(f.nodes)...)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*opened).Close() })
	}
	return f
}

// crowd is many holders of a lock each, in Synchronize.
type crowd struct {
	t            *testing.T
	detections   *detections
	many         int
	random       *rand.Rand
	ctx, waiting context.Context
	end, endWait context.CancelFunc
	holders      sync.WaitGroup
	waiters      sync.WaitGroup

	mu sync.Mutex // guards what follows, until all have ended
	// cancelled is by resource when the context of a lock that was lost was cancelled, taken when a rival had the lock.
	cancelled, taken map[string]time.Time
}

func newCrowd(t *testing.T, d *detections, many int, random *rand.Rand) *crowd {
	c := &crowd{t: t, detections: d, many: many, random: random, cancelled: make(map[string]time.Time), taken: make(map[string]time.Time)}
	c.ctx, c.end = context.WithCancel(t.Context())
	c.waiting, c.endWait = context.WithCancel(t.Context())
	return c
}

// hold returns when all hold their locks, which they got at different times within the span, so as not to be renewed at
// once.
func (c *crowd) hold(span time.Duration) {
	var holding sync.WaitGroup
	holding.Add(c.many)
	for i := range c.many {
		resource := fmt.Sprint(i)
		pause := time.Duration(c.random.Int64N(int64(span)))
		c.holders.Go(func() {
			time.Sleep(pause)
			held := false
			hold := func(ctx context.Context) error {
				held = true
				holding.Done()
				<-ctx.Done()
				at := time.Now()
				if errors.Is(context.Cause(ctx), mutex.ErrLockLost) {
					c.note(c.cancelled, resource, at)
				}
				return nil
			}
			var err error
			for end := time.Now().Add(10 * time.Second); !held && time.Now().Before(end); { // a busy machine answers late
				err = c.detections.mutex.At(resource).Synchronize(c.ctx, hold, mutex.WithWait(time.Second))
			}
			if !held {
				c.t.Errorf("%s: %s: never held: %v", c.detections.loss.name, resource, err)
				holding.Done()
			}
		})
	}
	holding.Wait()
}

// rival has others ask for all locks again and again. (Those who wait for a lock ask only when it is released, or when it may
// have expired: by then its holder has set it again.)
func (c *crowd) rival(m worker.Contestant) {
	for i := range c.many {
		resource := fmt.Sprint(i)
		c.waiters.Go(func() {
			for c.waiting.Err() == nil {
				lock, err := m.Acquire(c.waiting, resource, mutex.WithWait(0))
				if err == nil {
					c.note(c.taken, resource, time.Now())
					<-c.waiting.Done() // or else the old holder would never hear of it, and have the key set again
					_ = m.Release(c.waiting, lock)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

func (c *crowd) note(times map[string]time.Time, resource string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	times[resource] = at
}

// stop ends all, rivals first.
func (c *crowd) stop() {
	c.endWait()
	c.waiters.Wait()
	c.end()
	c.holders.Wait()
}

// await waits until all contexts are cancelled.
func (c *crowd) await(patience time.Duration) {
	c.t.Helper()
	over := make(chan struct{})
	go func() { c.holders.Wait(); close(over) }()
	select {
	case <-over:
	case <-time.After(patience):
		c.t.Errorf("%s: some context is not cancelled", c.detections.loss.name)
	}
	c.stop()
	<-over
}
