package mutextest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// guarded is a mutex with fencing tokens and a restart guard, whose quarantine is quarantine; changes make it another.
func guarded(t *testing.T, option mutex.Option, changes ...func(d *mutex.Definition)) mutex.Mutex[struct{}] {
	t.Helper()
	d := mutex.Definition{
		Name: "Guarded", URL: "redis://localhost", Key: "guarded", Expiration: 30 * time.Second, DriftFactor: 0.01, NodeTimeout: time.Second,
		RetryInterval: 20 * time.Millisecond, ReconnectionInterval: 10 * time.Millisecond,
		Fencing: true, FencingMemory: time.Hour, RestartGuard: true,
	}
	for _, change := range changes {
		change(&d)
	}
	set, err := mutex.OpenSet([]mutex.Definition{d}, option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return mutex.At[struct{}](set.Opened("Guarded"), mutex.NewKey("guarded"))
}

const quarantine = 30*time.Second + 30*time.Second/100 + 2*time.Second

// wantQuarantine checks that a lock is refused for a quarantine that has just begun. A node whose connection the restart cut
// counts as down for a moment.
func wantQuarantine(t *testing.T, m mutex.Mutex[struct{}]) {
	t.Helper()
	_, err := m.AcquireLock(t.Context())
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && errors.Is(err, mutex.ErrNoQuorum) &&
		!errors.Is(err, mutex.ErrNodeQuarantined); _, err = m.AcquireLock(t.Context()) {
		time.Sleep(10 * time.Millisecond) // the definition's reconnection_interval
	}
	var quarantined *mutex.QuarantineError
	if !errors.Is(err, mutex.ErrNodeQuarantined) || !errors.Is(err, mutex.ErrNoQuorum) || !errors.As(err, &quarantined) {
		t.Fatalf("%v; want ErrNodeQuarantined", err)
	}
	if left := quarantined.Remaining; left > quarantine || left < quarantine-5*time.Second {
		t.Errorf("%v remain of %v", left, quarantine)
	}
}

// lockAndRelease gets the lock, gives it back, and returns its token.
func lockAndRelease(t *testing.T, m mutex.Mutex[struct{}]) int64 {
	t.Helper()
	lock, err := m.AcquireLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ReleaseLock(t.Context(), lock); err != nil {
		t.Error(err)
	}
	return lock.Token()
}

func TestANewRedisIsInNoQuarantine(t *testing.T) {
	one, three := mutextest.Run(t), mutextest.RunQuorum(t, 3)
	for _, option := range []mutex.Option{one.Option(), three.Option()} {
		m := guarded(t, option)
		first, second := lockAndRelease(t, m), lockAndRelease(t, m)
		if first <= 0 || second <= first {
			t.Errorf("tokens %d and %d", first, second)
		}
	}
}

func TestARestartedRedisIsInQuarantine(t *testing.T) {
	for name, restart := range map[string]func(*mutextest.Redis) error{
		"with its keys": (*mutextest.Redis).Restart,
		"empty":         (*mutextest.Redis).RestartEmpty,
	} {
		t.Run(name, func(t *testing.T) {
			one, three := mutextest.Run(t), mutextest.RunQuorum(t, 3)
			alone, many := guarded(t, one.Option()), guarded(t, three.Option())
			before := lockAndRelease(t, many)
			for _, node := range []*mutextest.Redis{one, three.Node(0)} {
				if err := restart(node); err != nil {
					t.Fatal(err)
				}
			}
			wantQuarantine(t, alone)
			if after := lockAndRelease(t, many); after <= before { // two of three vote
				t.Errorf("token %d after %d", after, before)
			}
			if err := restart(three.Node(1)); err != nil {
				t.Fatal(err)
			}
			wantQuarantine(t, many)
		})
	}
}

func TestAQuarantineEnds(t *testing.T) {
	t.Parallel()
	const expiration = 400 * time.Millisecond
	const least = expiration + expiration/100 + 2*time.Second
	one, three := mutextest.Run(t), mutextest.RunQuorum(t, 3)
	start := time.Now()
	for _, node := range append(three.Nodes(), one) {
		if err := node.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	for _, option := range []mutex.Option{one.Option(), three.Option()} {
		m := guarded(t, option, func(d *mutex.Definition) {
			d.Expiration, d.NodeTimeout, d.Fencing, d.Wait = expiration, expiration/2, false, mutex.Forever
		})
		lockAndRelease(t, m)
		if waited := time.Since(start); waited < least || waited > 2*least {
			t.Errorf("it ended after %v; it should be %v", waited, least)
		}
	}
}

func TestKeysAreThoseOfLocks(t *testing.T) {
	r := mutextest.Run(t)
	m := guarded(t, r.Option())
	lock, err := m.AcquireLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); !slices.Equal(keys, []string{"guarded"}) {
		t.Errorf("keys %q; want that of the lock", keys)
	}
	if err := m.ReleaseLock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("keys %q; want none", keys)
	}
	if _, remembered := r.Holder("{guarded}:fence"); !remembered {
		t.Error("there is no counter") // or what Keys leaves out is something else
	}
}
