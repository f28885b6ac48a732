package engine

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// guarded are settings with a restart guard; its quarantine is two seconds longer than the expiration.
func guarded(expiration time.Duration) Settings {
	return Settings{Expiration: expiration, RestartGuard: true}
}

func TestTheQuarantineOutlastsTheLongestLock(t *testing.T) {
	for _, c := range []struct {
		settings Settings
		want     time.Duration
	}{
		{Settings{Expiration: time.Hour}, 0},
		{Settings{Expiration: time.Hour, DriftFactor: 0.01, RestartGuard: true}, time.Hour + 36*time.Second + 2*time.Second},
		{Settings{Expiration: 100 * time.Second, DriftFactor: 0.1, RestartGuard: true}, 112 * time.Second},
		{Settings{Expiration: 100 * time.Second, RestartGuard: true}, 103 * time.Second},
		{Settings{Expiration: 100 * time.Millisecond, RestartGuard: true}, 2101 * time.Millisecond},
		{Settings{Expiration: 100 * time.Millisecond, RestartGuard: true, Fencing: true}, 7 * time.Second},
	} {
		if got := c.settings.Quarantine(); got != c.want {
			t.Errorf("%+v: quarantine is %v; want %v", c.settings, got, c.want)
		}
	}
}

// wantQuarantine checks that an error tells of a quarantine that lasts so long yet.
func wantQuarantine(t *testing.T, err error, least, most time.Duration) {
	t.Helper()
	var q *QuarantineError
	if !errors.Is(err, ErrNodeQuarantined) || !errors.Is(err, ErrNoQuorum) || !errors.As(err, &q) {
		t.Fatalf("error is %v", err)
	}
	if q.Remaining < least || q.Remaining > most {
		t.Errorf("the quarantine lasts for %v; want %v to %v", q.Remaining, least, most)
	}
}

func TestAFreshServerVotesAfterItsQuarantine(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, guarded(500*time.Millisecond))
	_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
	wantQuarantine(t, err, time.Second, 3*time.Second) // since the uptime counts whole seconds
	if !strings.Contains(err.Error(), "quarantined: a quorum can vote in") {
		t.Errorf("the error is %v", err)
	}
	if server.CLI("exists", "k") != "0" {
		t.Error("it set the key all the same")
	}
	start := time.Now()
	forever := Forever
	l, err := m.Acquire(context.Background(), "k", AcquireOptions{Wait: &forever})
	if err != nil {
		t.Fatal(err)
	}
	took(t, start, time.Second, 4*time.Second)
	releaseNow(t, l)
	releaseNow(t, lockOn(t, m, "k"))

	// Whoever deletes the data deletes the birth key too.
	server.CLI("flushall")
	_, err = m.Acquire(context.Background(), "k", AcquireOptions{})
	wantQuarantine(t, err, 2*time.Second, 2505*time.Millisecond)
}

// The uptime shows a restart that kept the data, or all but the last of it.
func TestARestartedServerIsQuarantinedThoughItKeptItsData(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	server.CLI("set", birthKey, "1")
	m := realMutex(t, []*redistest.Server{server}, guarded(500*time.Millisecond))
	server.Kill()
	server.Restart()
	var err error
	if late := wait(func() bool {
		_, err = m.Acquire(context.Background(), "k", AcquireOptions{})
		return errors.Is(err, ErrNodeQuarantined)
	}); late != nil {
		t.Fatal(err)
	}
	if born := server.CLI("get", birthKey); born != "1" {
		t.Errorf("the birth key is %q", born)
	}
}

// Of three nodes one may be in quarantine, and the two others have the quorum.
func TestOneOfThreeInQuarantineCostsNothing(t *testing.T) {
	t.Parallel()
	servers := startAll(t, 3)
	m := realMutex(t, servers, guarded(500*time.Millisecond))
	forever := Forever
	l, err := m.Acquire(context.Background(), "k", AcquireOptions{Wait: &forever})
	if err != nil {
		t.Fatal(err)
	}
	releaseNow(t, l)
	servers[0].Kill()
	servers[0].Restart()
	for range 10 {
		releaseNow(t, lockOn(t, m, "k"))
	}
	servers[1].CLI("flushall")
	_, err = m.Acquire(context.Background(), "k", AcquireOptions{})
	if !errors.Is(err, ErrNodeQuarantined) {
		t.Errorf("with two in quarantine: %v", err)
	}
}

func TestAWaitTooShortForTheQuarantineEndsAtOnce(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, guarded(time.Minute))
	start := time.Now()
	wait := 30 * time.Second
	_, err := m.Acquire(context.Background(), "k", AcquireOptions{Wait: &wait})
	wantQuarantine(t, err, time.Minute, 63*time.Second)
	took(t, start, 0, 2*time.Second)
}

func TestTheGuardRefusesLongerExpirations(t *testing.T) {
	server := miniredis.RunT(t)
	server.Set(birthKey, "0")
	m := urlMutex(t, Options{}, guarded(time.Second), "redis://"+server.Addr())
	longer := 1001 * time.Millisecond
	if _, err := m.Acquire(context.Background(), "k", AcquireOptions{Expiration: &longer}); err == nil || !strings.Contains(err.Error(), "restart guard") {
		t.Errorf("acquire: %v", err)
	}
	l := lockOn(t, m, "k")
	if err := l.Extend(context.Background(), longer); err == nil || !strings.Contains(err.Error(), "restart guard") {
		t.Errorf("extend: %v", err)
	}
	if err := l.Extend(context.Background(), time.Second); err != nil {
		t.Error(err)
	}
}

// While the node that lost its data is in quarantine, an extension doesn't set the key again.
func TestAQuarantinedNodeTakesNoExtension(t *testing.T) {
	t.Parallel()
	servers := startAll(t, 3)
	for _, s := range servers {
		s.CLI("set", birthKey, "1")
	}
	settings := guarded(900 * time.Millisecond) // 2.909 s of quarantine
	m := realMutex(t, servers, settings)
	forever := Forever
	l, err := m.Acquire(context.Background(), "k", AcquireOptions{Wait: &forever})
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(func() bool { return servers[0].CLI("exists", "k") == "1" }); err != nil {
		t.Fatal("the first node didn't get the key")
	}
	servers[0].CLI("flushall")
	if err := l.Extend(context.Background(), 900*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if servers[0].CLI("exists", "k") != "0" {
		t.Error("a node in quarantine took the extension")
	}
	servers[1].CLI("flushall")
	if err := l.Extend(context.Background(), 900*time.Millisecond); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("with two in quarantine: %v", err)
	}
}

// A waiter gets the lock by hand-over; at a node in quarantine the old owner's value must go all the same.
func TestAHandoverReleasesAtAQuarantinedNode(t *testing.T) {
	t.Parallel()
	servers := startAll(t, 3)
	m := realMutex(t, servers, Settings{Expiration: time.Second, RestartGuard: true, Wait: Forever})
	first := lockOn(t, m, "k")
	if err := wait(func() bool {
		return servers[0].CLI("exists", "k") == "1" || first.Extend(context.Background(), time.Second) != nil
	}); err != nil {
		t.Fatal("the first node didn't get the key")
	}
	second := make(chan *Lock)
	go func() {
		l, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		if err != nil {
			t.Error(err)
		}
		second <- l
	}()
	if err := wait(func() bool { return m.engine.lines.count.Load() == 1 }); err != nil {
		t.Fatal("nobody waits")
	}
	servers[0].CLI("del", birthKey)
	releaseNow(t, first)
	l := <-second
	if l == nil {
		return
	}
	if err := wait(func() bool { return servers[0].CLI("exists", "k") == "0" }); err != nil {
		t.Error("the first owner's value stays")
	}
	if servers[1].Get("k") != l.claim.owner {
		t.Error("the second node has not the second owner's value")
	}
}

func TestAServerThatHidesItsUptimeIsReportedOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.CLI("acl", "setuser", "worker", "on", ">secret", "~*", "&*", "+@all", "-info")
	server.CLI("set", birthKey, strconv.FormatInt(time.Now().Add(-time.Hour).UnixMilli(), 10))
	logged := new(strings.Builder)
	m := urlMutex(t, Options{Logger: slog.New(slog.NewTextHandler(logged, nil))}, guarded(500*time.Millisecond), strings.Replace(server.URL(), "redis://", "redis://worker:secret@", 1))
	for range 3 {
		releaseNow(t, lockOn(t, m, "k"))
	}
	if n := strings.Count(logged.String(), "uptime"); n != 1 {
		t.Errorf("reported %d times: %s", n, logged)
	}
}

// Whoever leaves while an attempt is under way is told what the ones before failed of.
func TestWhoLeavesInAQuarantineIsToldOfIt(t *testing.T) {
	simulate(t, 1, Settings{RestartGuard: true, RetryInterval: time.Second}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		ctx, cancel := context.WithTimeout(t.Context(), 1150*time.Millisecond) // the second attempt is under way then
		defer cancel()
		forever := Forever
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{Wait: &forever})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNodeQuarantined) {
			t.Errorf("error is %v", err)
		}
		if n := s.nodes[0].questions(); n < 2 {
			t.Errorf("%d questions were asked", n)
		}
	})
}

func TestWhatIsNoBirthIsReplaced(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, guarded(time.Minute))
	tomorrow := strconv.FormatInt(time.Now().Add(24*time.Hour).UnixMilli(), 10)
	for _, nonsense := range []string{"x", "", "nan", "1e400", tomorrow} {
		server.CLI("set", birthKey, nonsense)
		_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		wantQuarantine(t, err, time.Minute, 63*time.Second)
		if born, err := strconv.ParseInt(server.CLI("get", birthKey), 10, 64); err != nil || time.Since(time.UnixMilli(born)) > time.Minute {
			t.Errorf("%q stays as the birth: %d, %v", nonsense, born, err)
		}
	}
	server.CLI("del", birthKey)
	server.CLI("lpush", birthKey, "x")
	_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
	wantQuarantine(t, err, time.Minute, 63*time.Second)
}

func TestAQuarantineIsReportedOnce(t *testing.T) {
	server := miniredis.RunT(t)
	logged := new(strings.Builder)
	var told []time.Duration
	trace := &Trace{NodeQuarantined: func(_ string, d time.Duration) { told = append(told, d) }}
	m := urlMutex(t, Options{Logger: slog.New(slog.NewTextHandler(logged, nil)), Trace: trace}, guarded(time.Minute), "redis://"+server.Addr())
	for range 3 {
		if l, err := m.Acquire(context.Background(), "k", AcquireOptions{}); l != nil || !errors.Is(err, ErrNodeQuarantined) {
			t.Fatal(err)
		}
	}
	if n := strings.Count(logged.String(), "node quarantined"); n != 1 || len(told) != 1 || told[0] < time.Minute {
		t.Errorf("reported %d times, traced %v: %s", n, told, logged)
	}
}
