package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// soonTrue waits for a condition that another process brings about.
func soonTrue(t testing.TB, what string, holds func() bool) {
	t.Helper()
	const limit = 20 * time.Second
	for end := time.Now().Add(limit); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: %s", limit, what)
		}
	}
}

// replicaMutex is a mutex on nodes that ask for so many replicas.
func replicaMutex(t testing.TB, replicas int, settings Settings, masters ...*redistest.Server) *Mutex {
	t.Helper()
	var addrs []string
	for _, master := range masters {
		addrs = append(addrs, master.Addr())
	}
	return mutexAt(t, replicas, settings, addrs...)
}

// mutexAt is the same on nodes at these addresses.
func mutexAt(t testing.TB, replicas int, settings Settings, addrs ...string) *Mutex {
	t.Helper()
	e := New(Options{})
	t.Cleanup(func() { e.Close() })
	settings.Name, settings.DriftFactor = "Test", 0.01
	if settings.RetryInterval == 0 {
		settings.RetryInterval, settings.RetryJitter = 20*time.Millisecond, 10*time.Millisecond
	}
	var group []*Node
	for _, addr := range addrs {
		group = append(group, e.AddNode(NodeOptions{
			Redis: &redis.Options{Addr: addr}, Replicas: replicas,
			Timeout: settings.NodeTimeout, PoolSize: 2, ReconnectionInterval: 50 * time.Millisecond,
		}))
	}
	m, err := e.NewMutex(settings, [][]*Node{group})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// unhurried leaves slow machines time to answer.
var unhurried = Settings{Expiration: 10 * time.Second, NodeTimeout: 2 * time.Second}

// hurried is for tests in which a replica doesn't answer.
var hurried = Settings{Expiration: 4 * time.Second, NodeTimeout: 400 * time.Millisecond}

func TestALockIsKnownToTheReplicasWhenItIsGot(t *testing.T) {
	for _, fencing := range []bool{false, true} {
		t.Run(fmt.Sprintf("fencing=%t", fencing), func(t *testing.T) {
			t.Parallel()
			master, replicas := redistest.StartReplicas(t, 2)
			settings := unhurried
			settings.Fencing, settings.FencingMemory = fencing, time.Hour
			m := replicaMutex(t, 2, settings, master)
			for i := range 50 {
				key := fmt.Sprintf("k%d", i)
				lock := lockOn(t, m, key)
				for _, replica := range replicas {
					if got := replica.Get(key); got != lock.claim.owner {
						t.Fatalf("the replica has %q at a key that was got; want %q", got, lock.claim.owner)
					}
					if got := replica.Get(counterKey(key)); fencing && got != fmt.Sprint(lock.Token()) {
						t.Fatalf("the replica's counter is %q; the token is %d", got, lock.Token())
					}
				}
			}
		})
	}
}

func TestAnExtensionIsKnownToTheReplicasWhenItCounts(t *testing.T) {
	t.Parallel()
	master, replicas := redistest.StartReplicas(t, 1)
	m := replicaMutex(t, 1, unhurried, master)
	lock := lockOn(t, m, "k")
	for range 20 {
		master.CLI("SCRIPT", "FLUSH") // so that the second question of the same needs the replicas, too
		if err := lock.Extend(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := replicas[0].PTTL("k"); got < 50*time.Second {
			t.Fatalf("the replica keeps the extended lock for %v", got)
		}
		replicas[0].CLI("PING")
	}
}

func TestANodeWithoutItsReplicasHasNoVote(t *testing.T) {
	for name, tt := range map[string]struct{ connected, wanted int }{
		"no replica":               {0, 1},
		"one replica too few":      {1, 2},
		"the replica hangs":        {1, 1},
		"one of two replicas hang": {2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, replicas := redistest.StartReplicas(t, tt.connected)
			m := replicaMutex(t, tt.wanted, hurried, master)
			if tt.wanted == tt.connected {
				lock := lockOn(t, m, "k")
				replicas[0].Pause()
				if err := lock.Release(t.Context()); err != nil {
					t.Errorf("a release needs no replica, but failed: %v", err)
				}
			}
			_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
			text := fmt.Sprintf("acknowledged by %d of the %d replicas", tt.connected-btoi(tt.wanted == tt.connected), tt.wanted)
			if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "hint: see that as many replicas") {
				t.Errorf("error %v; want ErrNoQuorum, %q and a hint", err, text)
			}
			soonTrue(t, "what counted as no vote is gone", func() bool { return len(master.Keys()) == 0 })
			if tt.wanted == tt.connected {
				replicas[0].Resume()
				soonTrue(t, "the lock can be got again", func() bool {
					_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
					return err == nil
				})
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAQuorumOfMastersWithReplicasIsEnough(t *testing.T) {
	t.Parallel()
	first, _ := redistest.StartReplicas(t, 1)
	second, _ := redistest.StartReplicas(t, 1)
	lonely := redistest.Start(t)
	m := replicaMutex(t, 1, unhurried, first, lonely, second)
	lock := lockOn(t, m, "k")
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
	for _, master := range []*redistest.Server{first, second, lonely} {
		soonTrue(t, "the key is gone", func() bool { return len(master.Keys()) == 0 })
	}
}

func TestARenewedLockIsLostInTimeWhenItsReplicasHang(t *testing.T) {
	t.Parallel()
	master, replicas := redistest.StartReplicas(t, 1)
	settings := hurried
	settings.Expiration = 2 * time.Second
	m := replicaMutex(t, 1, settings, master)
	lock, err := m.Acquire(t.Context(), "k", AcquireOptions{Renew: true})
	if err != nil {
		t.Fatal(err)
	}
	until := lock.Until()
	soonTrue(t, "the lock is renewed", func() bool { return lock.Until().After(until) })
	replicas[0].Pause()
	select {
	case <-lock.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the lock is held on, though no replica knows of it")
	}
	if late := time.Since(lock.Until()); !errors.Is(lock.Err(), ErrLockLost) || late > 500*time.Millisecond {
		t.Errorf("lost %v after the end of validity: %v", late, lock.Err())
	}
}

func TestAHandoverThatNoReplicaKnowsOfIsNobodysLock(t *testing.T) {
	t.Parallel()
	master, replicas := redistest.StartReplicas(t, 1)
	settings := hurried
	settings.Wait = 15 * time.Second
	settings.RetryInterval = time.Second // nobody's attempt is to be in the way
	m := replicaMutex(t, 1, settings, master)
	lock := lockOn(t, m, "k")
	type result struct {
		lock *Lock
		err  error
	}
	got := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		lock, err := m.Acquire(ctx, "k", AcquireOptions{})
		got <- result{lock, err}
	}()
	soonTrue(t, "somebody waits", func() bool { return waits(m, "k") })
	replicas[0].Pause()
	if err := lock.Release(t.Context()); err != nil {
		t.Errorf("the release failed: %v; the key changed hands", err)
	}
	select {
	case r := <-got:
		t.Fatalf("got %v, %v while the replica hangs; want to wait on", r.lock, r.err)
	case <-time.After(3 * settings.NodeTimeout):
	}
	replicas[0].Resume()
	if r := <-got; r.err != nil {
		t.Errorf("the waiter gets no lock when the replica is back: %v", r.err)
	} else if err := r.lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
	soonTrue(t, "nothing is left", func() bool { return len(master.Keys()) == 0 })
}

// waits tells whether somebody stands in line and has done all there is to do for now.
func waits(m *Mutex, key string) bool {
	m.engine.lines.mu.Lock()
	ln := m.engine.lines.find(m, key)
	m.engine.lines.mu.Unlock()
	if ln == nil {
		return false
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.first != nil && !ln.busy && !ln.ready && ln.hears()
}

func TestAUserWhoMayNotWaitIsTold(t *testing.T) {
	t.Parallel()
	master, _ := redistest.StartReplicas(t, 1)
	master.CLI("ACL", "SETUSER", "default", "-wait")
	m := replicaMutex(t, 1, unhurried, master)
	_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
	if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "mutexgen acl") {
		t.Errorf("error %v; want ErrNoQuorum with the way to the ACL rule", err)
	}
	soonTrue(t, "the key is gone", func() bool { return len(master.Keys()) == 0 })
}

func TestManyLocksWaitForTheReplicasTogether(t *testing.T) {
	t.Parallel()
	master, replicas := redistest.StartReplicas(t, 1)
	m := replicaMutex(t, 1, unhurried, master)
	const contenders, rounds = 32, 20
	results := make(chan error, contenders)
	for i := range contenders {
		go func() {
			key := fmt.Sprintf("k%d", i)
			for range rounds {
				lock, err := m.Acquire(context.Background(), key, AcquireOptions{})
				if err == nil {
					err = lock.Release(context.Background())
				}
				if err != nil {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	for range contenders {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	soonTrue(t, "nothing is left", func() bool { return len(master.Keys())+len(replicas[0].Keys()) == 0 })
}

func TestWhatAnotherConnectionWroteIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	master, _ := redistest.StartReplicas(t, 1)
	w := newWire(&redis.Options{Addr: master.Addr(), MaxRetries: -1, Protocol: 2}, 1, func() {})
	defer w.close()
	s := w.sender().(*wireSender)
	c := &call{question: newQuestion(acquire, "k", "owner", time.Minute), reply: reply{answer: Granted}}
	s.sorted = []*call{c}
	s.openSession()
	defer s.closeSession()
	s.awaitReplicas(time.Now().Add(time.Second), s.sessions)
	if c.reply.answer != Granted {
		t.Errorf("the replicas know of it, but the vote is %v: %v", c.reply.answer, c.reply.err)
	}
	s.awaitReplicas(time.Now().Add(time.Second), s.sessions-1)
	if r := c.reply; r.answer != Refused || !r.unknown || !r.unacknowledged || r.err != errSessionLost {
		t.Errorf("written on a connection that broke, but the reply is %+v", r)
	}
}

func TestTheServerWaitsForReplicasAMillisecondAtLeast(t *testing.T) {
	for budget, want := range map[time.Duration]time.Duration{
		time.Second: 750 * time.Millisecond, 400 * time.Millisecond: 290 * time.Millisecond, 10 * time.Millisecond: 5 * time.Millisecond, 4 * time.Millisecond: 2 * time.Millisecond,
		2 * time.Millisecond: time.Millisecond, 0: time.Millisecond, -time.Hour: time.Millisecond,
	} {
		if got := replicasTimeout(budget); got != want {
			t.Errorf("of %v the server may wait %v; want %v", budget, got, want)
		}
	}
}
