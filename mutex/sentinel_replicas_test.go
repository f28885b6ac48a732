package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// A lock that all replicas have is on whichever is promoted: of one key there is never a second holder, not even while the
// old master and the new one are both masters by their own word.
func TestNobodyMeetsTheHolderOfALockThatAllReplicasHave(t *testing.T) {
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	const workers, keys = 16, 3
	definition := with(on(sentinels.URL()), func(d *mutex.Definition) {
		d.NodeTimeout, d.Replicas, d.Expiration = 500*time.Millisecond, 2, 4*time.Second
	})
	var sets []*mutex.Set
	for range 3 { // processes
		sets = append(sets, open(t, definition))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex // guards what follows
	var holdings []holding
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			m := at(sets[i%len(sets)], fmt.Sprint("k", i%keys))
			for ctx.Err() == nil {
				h := holding{key: i % keys}
				err := m.Synchronize(ctx, func(ctx context.Context) error {
					h.from = time.Now()
					select {
					case <-time.After(time.Duration(1+i) * 3 * time.Millisecond):
					case <-ctx.Done():
					}
					h.to = time.Now()
					return nil
				}, mutex.WithWait(20*time.Second))
				if !h.to.IsZero() {
					mu.Lock()
					holdings = append(holdings, h)
					mu.Unlock()
				} else if ctx.Err() == nil && !errors.Is(err, mutex.ErrNoQuorum) {
					t.Errorf("a worker hears: %v", err)
				}
				if err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	works := func(when string) {
		t.Helper()
		from := time.Now()
		var done [keys]int
		seen := 0
		for deadline := time.Now().Add(20 * time.Second); slices.Min(done[:]) < 10; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not all keys are locked again", when)
			}
			mu.Lock()
			for _, h := range holdings[seen:] {
				if h.from.After(from) {
					done[h.key]++
				}
			}
			seen = len(holdings)
			mu.Unlock()
		}
	}
	works("at first")
	for _, name := range []string{"by hand", "the master hangs", "the master is killed"} {
		lock, err := at(sets[0], "held").AcquireLock(t.Context(), mutex.WithExpiration(30*time.Second))
		if err != nil {
			t.Fatalf("before %q: %v", name, err)
		}
		old := sentinels.Master()
		owner := old.Get("held")
		for _, server := range sentinels.Servers {
			if server != old && server.Get("held") != owner {
				t.Errorf("before %q: a replica does not have a lock that was acknowledged", name)
			}
		}
		master := failovers[name](sentinels)
		if got := master.Get("held"); got != owner || owner == "" {
			t.Errorf("%s: the promoted replica has %q, and not the lock of %q", name, got, owner)
		}
		switch name {
		case "the master hangs":
			old.Resume()
		case "the master is killed":
			old.Restart()
		}
		sentinels.WaitComplete()
		works("after " + name)
		release(t, lock)
	}
	cancel()
	working.Wait()
	byStart(holdings)
	last := make(map[int]holding)
	for _, h := range holdings {
		if before, ok := last[h.key]; ok && h.from.Before(before.to) {
			t.Errorf("k%d was held from %v to %v, and from %v", h.key, before.from, before.to, h.from)
		}
		last[h.key] = h
	}
	t.Logf("%d holdings", len(holdings))
}

// Who waits for replicas holds up nobody who doesn't.
func TestMutexWithReplicasHasConnectionsOfItsOwn(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr())
	replica := redistest.Start(t, "--replicaof", host, port)
	eventually(t, "the replica follows", func() bool { return strings.Contains(master.CLI("INFO", "replication"), "state=online") })
	plain := on(master.URL())
	waiting := with(plain, func(d *mutex.Definition) { d.Name, d.Key, d.Replicas = "Waiting", "w:{key:string}", 1 })
	var opened []string
	set, err := mutex.OpenSet([]mutex.Definition{plain, waiting}, mutex.WithTrace(&mutex.Trace{NodeOpened: func(node string) { opened = append(opened, node) }}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	if len(opened) != 2 {
		t.Errorf("opened are %v; want two", opened)
	}
	w := mutex.At[counter](set.Opened("Waiting"), mutex.NewKey("k"))
	eventually(t, "the replica acknowledges", func() bool {
		lock, err := w.AcquireLock(t.Context())
		return err == nil && mutex.ReleaseLock(t.Context(), lock) == nil
	})
	release(t, acquire(t, at(set, "k")))
	replica.Pause()
	var asking sync.WaitGroup
	for i := range 4 {
		asking.Go(func() {
			other := mutex.At[counter](set.Opened("Waiting"), mutex.NewKey(fmt.Sprint("w", i)))
			_, err := other.AcquireLock(t.Context())
			wantError(t, err, mutex.ErrNoQuorum)
		})
	}
	start := time.Now()
	for range 50 {
		release(t, acquire(t, at(set, "k")))
	}
	if d := time.Since(start); d > patience/2 {
		t.Errorf("50 locks took %v beside one that waits for a replica", d)
	}
	asking.Wait()
}
