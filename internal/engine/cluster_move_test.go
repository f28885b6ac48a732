package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// There are always ten workers for each key while the slot of one of them moves to and fro, now with keys in it, now without.
func slotThatMovesToAndFroUnderLoadMakesNoTwoHoldersAndNoErrors(t *testing.T) {
	t.Parallel()
	for name, fencing := range map[string]bool{"plain": false, "with fencing": true} {
		t.Run(name, func(t *testing.T) {
			c := redistest.StartCluster(t, 10*time.Second)
			settings := Settings{Fencing: fencing, FencingMemory: time.Minute, Renew: true, Expiration: 5 * time.Second}
			var mutexes []*Mutex
			for range 2 {
				mutexes = append(mutexes, clusterMutex(t, Options{}, settings, c.Addrs()...))
			}
			keys := []string{c.KeyAt(0, "moving"), c.KeyAt(0, "near"), c.KeyAt(1, "there"), c.KeyAt(2, "far")}
			load := contend(t, 10, keys, mutexes...)
			slot := c.Slot(keys[0])
			load.wantProgress(5*time.Second, keys...)
			for i := range 12 {
				move := c.BeginMove(slot, c.Servers[(i+1)%2])
				time.Sleep(30 * time.Millisecond)
				move.Keys()
				time.Sleep(20 * time.Millisecond)
				move.End()
				load.wantProgress(5*time.Second, keys...)
			}
			load.end()
			if n := load.failures(); n > 0 {
				t.Errorf("%d errors, the last ones %s", n, load.lastFailures())
			}
			t.Logf("%d holds", load.arbiter.holds.Load())
			wantOnlyCounters(t, c, fencing, len(keys))
		})
	}
}

// wantOnlyCounters checks that soon nothing is left in the cluster but the fencing counters.
func wantOnlyCounters(t *testing.T, c *redistest.Cluster, fencing bool, counters int) {
	t.Helper()
	if !fencing {
		counters = 0
	}
	eventually(t, "no lock is left", func() bool { return len(c.Keys()) == counters })
}

func tokensGrowAndRenewalsGoOnWhileASlotMoves(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	m := clusterMutex(t, Options{}, Settings{Fencing: true, FencingMemory: time.Minute, Expiration: 1200 * time.Millisecond, NodeTimeout: 250 * time.Millisecond}, c.Addrs()...)
	key := c.KeyAt(0, "key")
	slot := c.Slot(key)
	renewed := held(t, m, key, AcquireOptions{Renew: true})
	for i := range 6 {
		move := c.BeginMove(slot, c.Servers[(i+1)%2])
		time.Sleep(250 * time.Millisecond)
		move.Keys()
		time.Sleep(250 * time.Millisecond)
		move.End()
	}
	if err := renewed.Err(); err != nil {
		t.Fatalf("the lock that is renewed ended: %v", err)
	}
	last := renewed.Token()
	if err := renewed.Release(t.Context()); err != nil {
		t.Error(err)
	}
	long := time.Minute // it takes what it takes to move a slot
	for i := range 6 {
		lock := held(t, m, key, AcquireOptions{Expiration: &long})
		if lock.Token() <= last {
			t.Errorf("after %d the token is %d", last, lock.Token())
		}
		last = lock.Token()
		c.MoveSlot(slot, c.Servers[(i+1)%2])
		if err := lock.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// While a slot moves, locks are got and released at whichever of the two masters has them.
func locksAreGotExtendedAndReleasedInTheMiddleOfAMove(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	m := clusterMutex(t, Options{}, Settings{}, c.Addrs()...)
	key := c.KeyAt(0, "key")
	before := held(t, m, key, AcquireOptions{})
	move := c.BeginMove(c.Slot(key), c.Servers[1])
	if err := before.Extend(t.Context(), time.Minute); err != nil {
		t.Errorf("extension where the key was: %v", err)
	}
	move.Keys()
	if err := before.Extend(t.Context(), 2*time.Minute); err != nil {
		t.Errorf("extension where the key went: %v", err)
	}
	if _, err := m.Acquire(t.Context(), key, AcquireOptions{}); !errors.Is(err, ErrAlreadyLocked) {
		t.Errorf("another acquire: %v", err)
	}
	if err := before.Release(t.Context()); err != nil {
		t.Errorf("release where the key went: %v", err)
	}
	during := held(t, m, key, AcquireOptions{})
	if exists, err := m.Exists(t.Context(), key); !exists || err != nil {
		t.Errorf("exists says %v, %v", exists, err)
	}
	move.End()
	if err := during.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if keys := c.Keys(); len(keys) > 0 {
		t.Errorf("the cluster still has %q", keys)
	}
}

// A vote needs a replica's acknowledgement at both of the two masters, also where a question is preceded by ASKING.
func replicasAcknowledgeWhereverTheSlotIsThatMoves(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	for name, fencing := range map[string]bool{"plain": false, "with fencing": true} {
		settings := Settings{Fencing: fencing, FencingMemory: time.Minute, Renew: true, Expiration: 5 * time.Second}
		c.WaitForReplicas()
		m := replicatedClusterMutex(t, 1, Options{}, settings, c.Addrs()...)
		key := c.KeyAt(0, name)
		slot := c.Slot(key)
		lock := held(t, m, key, AcquireOptions{})
		move := c.BeginMove(slot, c.OtherMaster(slot))
		for _, where := range []string{"where the key was", "where it went"} {
			if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
				t.Errorf("%s: extension %s: %v", name, where, err)
			}
			_, err := m.Acquire(t.Context(), key, AcquireOptions{})
			wantError(t, err, ErrAlreadyLocked)
			move.Keys()
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Errorf("%s: release: %v", name, err)
		}
		if !fencing { // else the key and its counter are in two places until the move has ended
			if err := held(t, m, key, AcquireOptions{}).Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		move.End()

		other := replicatedClusterMutex(t, 1, Options{}, settings, c.Addrs()...)
		load := contend(t, 4, []string{key, c.KeyAt(2, "far")}, m, other)
		for range 4 {
			move := c.BeginMove(slot, c.OtherMaster(slot))
			time.Sleep(30 * time.Millisecond)
			move.Keys()
			time.Sleep(20 * time.Millisecond)
			move.End()
			load.wantProgress(5*time.Second, load.keys...)
		}
		load.end()
		if n := load.failures(); n > 0 {
			t.Errorf("%s: %d errors, the last ones %s", name, n, load.lastFailures())
		}
	}

	// The first master loses its replica, and with it its vote; the others keep theirs.
	c.Servers[3].Kill()
	m := replicatedClusterMutex(t, 1, Options{}, Settings{NodeTimeout: 500 * time.Millisecond}, c.Addrs()...)
	alone := ""
	for i := 0; alone == ""; i++ {
		if key := fmt.Sprint("alone:", i); c.Master(c.Slot(key)) == c.Servers[0] {
			alone = key
		}
	}
	_, err := m.Acquire(t.Context(), alone, AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	if !strings.Contains(err.Error(), "acknowledged by 0 of the 1 replicas") {
		t.Errorf("error %q does not say why", err)
	}
	if err := held(t, m, c.KeyAt(2, "far"), AcquireOptions{}).Release(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "what was not acknowledged is gone", func() bool { return c.Owner(alone) == "" })
}

// Acquires are cancelled at any moment while their slot moves: what they may have set is released wherever it is by then.
func acquiresCancelledWhileTheirSlotMovesLeaveNothing(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	m := clusterMutex(t, Options{}, Settings{Expiration: time.Minute, NodeTimeout: 2 * time.Second}, c.Addrs()...)
	key := c.KeyAt(0, "key")
	slot := c.Slot(key)
	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	var got, cancelled atomic.Int64
	for i := range 8 {
		workers.Go(func() {
			wait := Forever
			for n := 0; ctx.Err() == nil; n++ {
				attempt, cancel := context.WithTimeout(ctx, time.Duration((n*37+i*11)%400)*10*time.Microsecond)
				lock, err := m.Acquire(attempt, key, AcquireOptions{Wait: &wait})
				if err == nil {
					got.Add(1)
					lock.Release(ctx)
				} else {
					cancelled.Add(1)
				}
				cancel()
			}
		})
	}
	for i := range 20 {
		c.MoveSlot(slot, c.Servers[(i+1)%2])
	}
	stop()
	workers.Wait()
	if got.Load() == 0 || cancelled.Load() == 0 {
		t.Errorf("%d acquires got the lock, %d were cancelled; want both", got.Load(), cancelled.Load())
	}
	eventually(t, "no lock is left", func() bool { return len(c.Keys()) == 0 })
	held(t, m, key, AcquireOptions{}).Release(t.Context())
}

func closeWhileASlotMovesEndsEverything(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	for i := range 5 {
		e := clusterMutex(t, Options{}, Settings{Expiration: time.Second, NodeTimeout: 400 * time.Millisecond}, c.Addrs()...)
		key := c.KeyAt(i%2, "key")
		load := contend(t, 8, []string{key}, e)
		move := c.BeginMove(c.Slot(key), c.OtherMaster(c.Slot(key)))
		load.wantProgress(5*time.Second, key)
		move.Keys()
		closed := make(chan error, 1)
		go func() {
			load.cancel()
			closed <- e.engine.Close()
		}()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("Close does not return")
		}
		load.end()
		move.End()
		eventually(t, "no lock is left", func() bool { return len(c.Keys()) == 0 })
	}
}
