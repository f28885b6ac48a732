package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// A master that dies loses what its replica doesn't have yet, so the locks here are short: after the failover two may hold
// one for as long as the first would have been valid. What is tested is that work goes on.
func workGoesOnWhenAMasterIsKilledAndItsReplicaTakesOver(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(s *redistest.Server){
		"killed": (*redistest.Server).Kill,
		"paused": (*redistest.Server).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			// Otherwise all of them refuse until each slot has a master again.
			c := redistest.StartCluster(t, clusterNodeTimeout, "--cluster-require-full-coverage", "no")
			settings := Settings{Renew: true, Expiration: 2 * time.Second, NodeTimeout: 500 * time.Millisecond}
			var mutexes []*Mutex
			for range 2 {
				mutexes = append(mutexes, clusterMutex(t, Options{}, settings, c.Addrs()...))
			}
			victim, others := c.KeyAt(0, "victim"), []string{c.KeyAt(1, "there"), c.KeyAt(2, "far")}
			load := contend(t, 4, []string{victim}, mutexes...)
			load.arbiter.mayFail = true
			aside := contend(t, 4, others, mutexes...)
			load.wantProgress(5*time.Second, victim)
			aside.wantProgress(5*time.Second, others...)
			master := c.Servers[0]
			fail(master)
			killed := time.Now()
			for !load.had(victim, killed.Add(time.Second)) { // until the replica has taken over
				aside.wantProgress(3*time.Second, others...)
				if time.Since(killed) > 30*time.Second {
					t.Fatalf("nobody gets the lock again: %s", load.lastFailures())
				}
			}
			t.Logf("work went on after %v, with %d errors", time.Since(killed), load.failures())
			load.wantProgress(3*time.Second, victim)
			if n := aside.failures(); n > 0 {
				t.Errorf("%d errors at other masters, the last ones %s", n, aside.lastFailures())
			}
			if name == "paused" {
				master.Resume()
			} else {
				master.Restart()
			}
			c.WaitHealthy()
			before := load.failures()
			load.wantProgress(5*time.Second, victim)
			aside.wantProgress(5*time.Second, others...)
			load.end()
			aside.end()
			if n := load.failures() - before; n > 0 {
				t.Errorf("%d errors after the failover, the last ones %s", n, load.lastFailures())
			}
			eventually(t, "no lock is left", func() bool { return len(c.Keys()) == 0 })
		})
	}
}

// A lock that is held when its master dies is set again at the one that takes over, before it expires.
func heldLockOutlivesAFailover(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	m := clusterMutex(t, Options{}, Settings{Expiration: 30 * time.Second, Fencing: true, FencingMemory: time.Hour}, c.Addrs()...)
	key := c.KeyAt(0, "key")
	lock := held(t, m, key, AcquireOptions{})
	c.Servers[0].Kill()
	c.WaitMaster(c.Slot(key), c.Servers[0])
	c.Servers[3].CLI("DEL", key) // as if the replica had lacked it
	eventually(t, "the lock is extended", func() bool { return lock.Extend(t.Context(), 30*time.Second) == nil })
	if got := c.Owner(key); got == "" {
		t.Error("the key is not set again")
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
	next := held(t, m, key, AcquireOptions{})
	if next.Token() <= lock.Token() {
		t.Errorf("after %d the token is %d", lock.Token(), next.Token())
	}
}

// The release of a lock whose master died is carried out by the one that took over.
func releaseIsOwedByWhoeverServesTheSlotInTheEnd(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	m := clusterMutex(t, Options{}, Settings{Expiration: 5 * time.Minute, NodeTimeout: 500 * time.Millisecond}, c.Addrs()...)
	key := c.KeyAt(0, "key")
	lock := held(t, m, key, AcquireOptions{})
	c.WaitReplicated()
	c.Servers[0].Kill()
	if err := lock.Release(t.Context()); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("release while nobody serves the slot: %v", err)
	}
	c.WaitMaster(c.Slot(key), c.Servers[0])
	eventually(t, "the key is released", func() bool { return c.Owner(key) == "" })
}

func clusterIsFoundByTheOneSeedThatLives(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	dead := redistest.Start(t)
	dead.Kill()
	hung := redistest.Start(t)
	hung.Pause()
	m := clusterMutex(t, Options{}, Settings{}, dead.Addr(), "127.0.0.1:1", hung.Addr(), "192.0.2.1:6379", c.Servers[4].Addr())
	start := time.Now()
	lock := held(t, m, "key", AcquireOptions{})
	took(t, start, 0, time.Second)
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// Servers close connections that are idle for long, if they are told to, and the map's are.
func mapIsToldWhereServersHadClosedTheConnectionForIt(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	m := clusterMutex(t, Options{}, Settings{}, c.Addrs()...)
	for _, member := range m.groups[0][0].cluster.members {
		for _, when := range []string{"at first", "after that"} {
			if ranges, err := member.transport.slots(t.Context()); err != nil || len(ranges) == 0 {
				t.Errorf("%s, %s: %v, %v", member.addr, when, ranges, err)
			}
			for _, s := range c.Servers {
				s.CLI("CLIENT", "KILL", "TYPE", "normal")
			}
			time.Sleep(2 * trusted) // for so long a connection isn't looked at
		}
	}
}

func clusterOfWhichNobodyLivesIsNoQuorumAndIsFoundLater(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	only := c.Servers[5]
	only.Kill()
	var log strings.Builder
	var states []string
	var mu sync.Mutex
	report := func(state string) { mu.Lock(); states = append(states, state); mu.Unlock() }
	m := clusterMutex(t, Options{
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{b: &log}, nil)),
		Trace:  &Trace{NodeDown: func(node string, err error) { report("down " + node) }, NodeUp: func(node string) { report("up " + node) }},
	}, Settings{}, only.Addr())
	_, err := m.Acquire(t.Context(), "key", AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	if !strings.Contains(err.Error(), only.Addr()) {
		t.Errorf("error %q does not name the seed", err)
	}
	only.Restart()
	eventually(t, "the lock is got", func() bool {
		lock, err := m.Acquire(t.Context(), "key", AcquireOptions{})
		return err == nil && lock.Release(t.Context()) == nil
	})
	want := []string{"down " + only.Addr(), "up " + only.Addr()}
	eventually(t, fmt.Sprintf("the node was reported %q", want), func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(states, want)
	})
}

// lockedWriter is a writer for several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	b  *strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func clusterThatIsBeingSetUpIsNoQuorumAndIsUsedOnceItIsReady(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 2, "--cluster-enabled", "yes")
	m := clusterMutex(t, Options{}, Settings{NodeTimeout: 300 * time.Millisecond}, servers[0].Addr(), servers[1].Addr())
	refused := func(why string) {
		t.Helper()
		_, err := m.Acquire(t.Context(), "k", AcquireOptions{}) // in slot 7629
		wantError(t, err, ErrNoQuorum)
		if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "is still being set up") {
			t.Errorf("error %q does not say %q, and what to do", err, why)
		}
	}
	add := func(first, last string) {
		t.Helper()
		if answer := servers[0].CLI("CLUSTER", "ADDSLOTSRANGE", first, last); answer != "OK" {
			t.Fatal(answer)
		}
		time.Sleep(150 * time.Millisecond) // for so long the map isn't asked for again
	}
	refused("no slot of the cluster is served")
	add("0", "5000")
	refused("no master of the cluster serves slot 7629")
	add("5001", "10000")
	refused("CLUSTERDOWN")
	add("10001", "16383")
	eventually(t, "the lock is had", func() bool {
		lock, err := m.Acquire(t.Context(), "k", AcquireOptions{})
		return err == nil && lock.Release(t.Context()) == nil
	})
}

func serverWithoutClusterModeIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	m := clusterMutex(t, Options{}, Settings{MaxRetry: 5}, s.Addr())
	_, err := m.Acquire(t.Context(), "key", AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	for _, text := range []string{"does not run in cluster mode", "use redis://", s.Addr()} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %q lacks %q", err, text)
		}
	}
}

func clusterNodesHaveNoRestartGuard(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	defer e.Close()
	node := e.AddNode(NodeOptions{Redis: &redis.Options{}, Cluster: []string{"127.0.0.1:1"}, Timeout: time.Second})
	_, err := e.NewMutex(Settings{Name: "Test", Expiration: 10 * time.Second, RestartGuard: true}, [][]*Node{{node}})
	if err == nil || !strings.Contains(err.Error(), "restart guard") {
		t.Errorf("error is %v", err)
	}
}

// Those who wait listen at any member; the release happens at the master of the slot.
func releaseWakesWhoWaitsAtAnotherMember(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	wait := Forever
	settings := Settings{RetryInterval: time.Hour, RetryJitter: time.Nanosecond, Expiration: time.Minute}
	holder := clusterMutex(t, Options{}, settings, c.Addrs()...)
	var waiters []*Mutex
	for range 4 {
		waiters = append(waiters, clusterMutex(t, Options{}, settings, c.Addrs()...))
	}
	for i := range 3 {
		key := c.KeyAt(i, "key")
		lock := held(t, holder, key, AcquireOptions{})
		var waiting sync.WaitGroup
		for _, m := range waiters {
			waiting.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				lock, err := m.Acquire(ctx, key, AcquireOptions{Wait: &wait})
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(20 * time.Millisecond)
				if err := lock.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		if err := lock.Release(t.Context()); err != nil {
			t.Error(err)
		}
		waiting.Wait()
		took(t, start, 0, 3*time.Second)
	}
}

// The member at which a waiter listens is stopped: it listens to another.
func waiterListensElsewhereWhenItsMemberDies(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	wait := Forever
	settings := Settings{RetryInterval: time.Hour, RetryJitter: time.Nanosecond, Expiration: time.Minute}
	holder := clusterMutex(t, Options{}, settings, c.Addrs()...)
	waiter := clusterMutex(t, Options{}, settings, c.Addrs()...)
	listensAt := func(s *redistest.Server) bool {
		return strings.Contains(s.CLI("PUBSUB", "CHANNELS"), engineChannel(waiter.engine.owners.name))
	}
	key := c.KeyAt(0, "key")
	lock := held(t, holder, key, AcquireOptions{})
	got := make(chan error, 1)
	go func() {
		lock, err := waiter.Acquire(t.Context(), key, AcquireOptions{Wait: &wait})
		if err == nil {
			err = lock.Release(t.Context())
		}
		got <- err
	}()
	var at *redistest.Server
	find := func() bool {
		i := slices.IndexFunc(c.Servers, func(s *redistest.Server) bool { return s != at && listensAt(s) })
		if i >= 0 {
			at = c.Servers[i]
		}
		return i >= 0
	}
	eventually(t, "the waiter listens", find)
	if slices.Index(c.Servers, at) == 0 {
		c.Servers[0].CLI("CLIENT", "KILL", "TYPE", "pubsub") // not the master of the lock: let it try another, until it finds one
		for slices.Index(c.Servers, at) == 0 {
			at = nil
			eventually(t, "the waiter listens again", find)
			if slices.Index(c.Servers, at) == 0 {
				c.Servers[0].CLI("CLIENT", "KILL", "TYPE", "pubsub")
			}
		}
	}
	at.Pause()
	paused := at
	eventually(t, "the waiter listens at another", func() bool {
		return slices.ContainsFunc(c.Servers, func(s *redistest.Server) bool { return s != paused && listensAt(s) })
	})
	start := time.Now()
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the waiter was not woken")
	}
	took(t, start, 0, 5*time.Second)
	paused.Resume()
}
