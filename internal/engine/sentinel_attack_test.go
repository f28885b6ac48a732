package engine

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// clients are how many connections a server has, but for those of sentinels and the one that asks.
func clients(s *redistest.Server) int {
	list := strings.Split(strings.TrimSpace(s.CLI("CLIENT", "LIST")), "\n")
	return len(list) - 1 - strings.Count(strings.Join(list, ""), "name=sentinel-")
}

// The old master stood still when it was replaced, and goes on afterwards: it carries out what was on the way to it. Nobody
// counts that, and nobody asks it again.
func TestOldMasterThatGoesOnHasNoVote(t *testing.T) {
	old, fresh := redistest.Start(t), redistest.Start(t)
	settings := Settings{Expiration: time.Minute, NodeTimeout: 2 * time.Second}
	m, s := namedMaster(t, 0, settings)
	s.says(0, old.Addr(), 1)
	held := lockOn(t, m, "held")
	fresh.CLI("SET", "held", held.claim.owner, "PX", "60000")
	old.Pause()
	type result struct {
		lock *Lock
		err  error
	}
	got := make(chan result, 1)
	go func() {
		lock, err := m.Acquire(t.Context(), "asked", AcquireOptions{})
		got <- result{lock, err}
	}()
	lane := m.groups[0][0].lane
	soonTrue(t, "the question is on its way", lane.isBusy)
	time.Sleep(20 * time.Millisecond) // it is sent
	s.says(0, fresh.Addr(), 2)
	old.Resume()
	if r := <-got; r.err == nil {
		t.Errorf("the old master's word counts: %v", r.lock)
	}
	for i := range 20 {
		lock := lockOn(t, m, fmt.Sprint("new", i))
		if i%2 == 0 {
			if err := lock.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if err := held.Extend(t.Context(), 2*time.Minute); err != nil {
		t.Error(err)
	}
	if left := fresh.PTTL("held"); left < 100*time.Second {
		t.Errorf("the new master keeps the extended lock for %v", left)
	}
	for _, key := range old.Keys() {
		if key != "held" && key != "asked" {
			t.Errorf("the old master was asked for %s", key)
		}
	}
	soonTrue(t, "nobody is connected to the old master", func() bool { return clients(old) == 0 })
	soonTrue(t, "what it set at the last moment is not on the new one", func() bool { return fresh.Get("asked") == "" })
}

// An old master whose replicas have left it has no vote from those who ask for replicas, whether they have heard or not.
func TestOldMasterWithoutReplicasHasNoVoteEvenBeforeTheNews(t *testing.T) {
	old, replicas := redistest.StartReplicas(t, 1)
	m, s := namedMaster(t, 1, hurried)
	s.says(0, old.Addr(), 1)
	held := lockOn(t, m, "held")
	if got := replicas[0].Get("held"); got != held.claim.owner {
		t.Errorf("the replica has %q; want the lock that was got", got)
	}
	replicas[0].CLI("REPLICAOF", "NO", "ONE") // it is promoted
	if lock, err := m.Acquire(t.Context(), "k", AcquireOptions{}); err == nil {
		t.Errorf("got %v from a master without replicas", lock)
	}
	if err := held.Extend(t.Context(), time.Minute); err == nil {
		t.Error("extended at a master without replicas")
	}
	soonTrue(t, "what counted as no vote is gone", func() bool { return old.Get("k") == "" })
}

// Failovers leave nothing behind.
func TestFailoversLeakNeitherGoroutinesNorConnections(t *testing.T) {
	servers := redistest.StartN(t, 2)
	m, s := namedMaster(t, 0, unhurried)
	settle := func(master *redistest.Server) (goroutines, connections int) {
		for i := range 8 { // both streams
			lock := lockOn(t, m, fmt.Sprint("k", i))
			if err := lock.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		soonTrue(t, "only the master has connections", func() bool {
			connections = clients(master)
			return clients(servers[0])+clients(servers[1]) == connections && connections == 2
		})
		return runtime.NumGoroutine(), connections
	}
	s.says(0, servers[0].Addr(), 1)
	before, _ := settle(servers[0])
	after := before
	for i := range 10 {
		master := servers[(i+1)%2]
		s.says(0, master.Addr(), uint64(i+2))
		after, _ = settle(master)
	}
	soonTrue(t, "the goroutines have ended", func() bool { after = runtime.NumGoroutine(); return after <= before })
	if len(s.conns) != 2 {
		t.Errorf("%d connections are remembered; want those of two streams", len(s.conns))
	}
}

// However many mutexes there are on a node, each sentinel has one connection for messages, and one for a moment when asked.
func TestSentinelsHaveOneConnectionOfANodeEach(t *testing.T) {
	set := redistest.StartSentinels(t, redistest.SentinelOptions{})
	e := New(Options{})
	t.Cleanup(func() { e.Close() })
	node := e.AddNode(NodeOptions{
		Redis: &redis.Options{}, Sentinel: &Sentinel{Master: set.Name, Addrs: set.SentinelAddrs()[:1]},
		Timeout: time.Second, PoolSize: 8, ReconnectionInterval: 20 * time.Millisecond,
	})
	settings := unhurried
	settings.Name, settings.DriftFactor, settings.RetryInterval = "Test", 0.01, 20*time.Millisecond
	for i := range 20 {
		m, err := e.NewMutex(settings, [][]*Node{{node}})
		if err != nil {
			t.Fatal(err)
		}
		soonTrue(t, "the lock is got and released", func() bool { // which a connection that is killed just now delays
			lock, err := m.Acquire(t.Context(), fmt.Sprint(i), AcquireOptions{})
			return err == nil && lock.Release(t.Context()) == nil
		})
		node.sentinels.doubt()
		set.Master().CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
	for i, one := range set.Sentinels {
		want := 0
		if i == 0 {
			want = 1 // who is not named in the URL is not asked as long as who is answers
		}
		soonTrue(t, "each sentinel has one connection", func() bool { return clients(one) == want })
	}
}

// The log tells of another master, and not of the first.
func TestAnotherMasterIsLoggedOnce(t *testing.T) {
	first, second := redistest.Start(t), redistest.Start(t)
	var log strings.Builder
	e := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	m, s := namedMasterOf(t, e, 0, unhurried)
	s.says(0, first.Addr(), 1)
	_ = lockOn(t, m, "k").Release(t.Context())
	s.says(0, second.Addr(), 2)
	s.says(0, second.Addr(), 2)
	_ = lockOn(t, m, "k").Release(t.Context())
	e.Close()
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "another master") || !strings.Contains(text, second.Addr()) ||
		!strings.Contains(text, "before="+first.Addr()) {
		t.Errorf("the log says\n%s", text)
	}
}

// TestNothingIsLoggedOverAFailover has another process see a failover, and watches its standard error: go-redis logs there.
func TestNothingIsLoggedOverAFailover(t *testing.T) {
	const child = "MUTEXGEN_TEST_FAILOVER"
	if os.Getenv(child) == "" {
		command := exec.Command(os.Args[0], "-test.run=^TestNothingIsLoggedOverAFailover$")
		command.Env = append(os.Environ(), child+"=1")
		var stderr strings.Builder
		command.Stderr = &stderr
		if out, err := command.Output(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if stderr.Len() > 0 {
			t.Errorf("on standard error stands\n%s", stderr.String())
		}
		return
	}
	old, fresh := redistest.Start(t), redistest.Start(t)
	settings := hurried
	settings.Wait = 10 * time.Second
	m, s := namedMaster(t, 0, settings)
	s.says(0, old.Addr(), 1)
	waiting := make(chan struct{})
	lock := lockOn(t, m, "k")
	go func() {
		defer close(waiting)
		if lock, err := m.Acquire(t.Context(), "k", AcquireOptions{}); err == nil {
			_ = lock.Release(t.Context())
		}
	}()
	soonTrue(t, "somebody waits", func() bool { return waits(m, "k") })
	old.Kill()
	for range 20 {
		_, _ = m.Acquire(t.Context(), "other", AcquireOptions{})
		time.Sleep(10 * time.Millisecond)
	}
	s.says(0, fresh.Addr(), 2)
	soonTrue(t, "work goes on", func() bool {
		lock, err := m.Acquire(t.Context(), "other", AcquireOptions{})
		return err == nil && lock.Release(t.Context()) == nil
	})
	_ = lock.Release(t.Context())
	<-waiting
	fresh.CLI("REPLICAOF", "127.0.0.1", "1") // demoted
	for range 10 {
		_, _ = m.Acquire(t.Context(), "another", AcquireOptions{})
		time.Sleep(10 * time.Millisecond)
	}
}
