package mutex_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is the type that generated code would declare for the definition named Counter.
type counter struct{}

const (
	// patience is the nodes' budget where all is well: a busy machine must not make a node seem down.
	patience = time.Second
	// nodeTimeout is the budget where nodes fail, or expirations are short; see hasty.
	nodeTimeout  = 250 * time.Millisecond
	reconnection = 100 * time.Millisecond
	// slack is what a busy machine may add to any time that a test bounds.
	slack = 750 * time.Millisecond
	// soon bounds the wait for what happens in the background.
	soon = 5 * time.Second
)

// on is a definition named Counter on these nodes: one is its url, several are its servers.
func on(urls ...string) mutex.Definition {
	d := mutex.Definition{
		Name: "Counter", Key: "{key:string}", Expiration: 10 * time.Second, RetryInterval: 20 * time.Millisecond,
		RetryJitter: 10 * time.Millisecond, DriftFactor: 0.01, NodeTimeout: patience, PoolSize: 2,
		ReconnectionInterval: reconnection,
	}
	if len(urls) == 1 {
		d.URL = urls[0]
	} else {
		d.Servers = urls
	}
	return d
}

// hasty gives a definition's nodes little time.
func hasty(d mutex.Definition) mutex.Definition {
	d.NodeTimeout = nodeTimeout
	return d
}

// fenced gives a definition's locks tokens.
func fenced(d mutex.Definition) mutex.Definition {
	d.Fencing, d.FencingMemory = true, time.Hour
	return d
}

// with is a definition with a change.
func with(d mutex.Definition, change func(d *mutex.Definition)) mutex.Definition {
	change(&d)
	return d
}

// open opens one definition until the test ends.
func open(t testing.TB, d mutex.Definition, options ...mutex.Option) *mutex.Set {
	t.Helper()
	set, err := mutex.OpenSet([]mutex.Definition{d}, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// at is the Counter of a set at a key.
func at(set *mutex.Set, key string) mutex.Mutex[counter] {
	return mutex.At[counter](set.Opened("Counter"), mutex.NewKey(key))
}

// acquire gets the lock or ends the test.
func acquire(t testing.TB, m mutex.Mutex[counter], options ...mutex.AcquireOption) *mutex.Lock[counter] {
	t.Helper()
	lock, err := m.AcquireLock(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// release gives the lock back, without an error.
func release(t testing.TB, lock *mutex.Lock[counter]) {
	t.Helper()
	if err := mutex.ReleaseLock(t.Context(), lock); err != nil {
		t.Error(err)
	}
}

// wantError checks that err is every one of the errors given.
func wantError(t testing.TB, err error, wanted ...error) {
	t.Helper()
	for _, want := range wanted {
		if !errors.Is(err, want) {
			t.Errorf("error is %v; want %v", err, want)
		}
	}
}

// wantText checks that the text of err has every one of the parts.
func wantText(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q; want %q in it", err, part)
		}
	}
}

// took checks that no more than limit has passed since start, but for the slack.
func took(t testing.TB, start time.Time, limit time.Duration) {
	t.Helper()
	if d := time.Since(start); d > limit+slack {
		t.Errorf("took %v; want %v at most", d, limit)
	}
}

// eventually waits until condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", soon, what)
		}
	}
}

// wantNoKeys checks that soon no key is left on any of the servers.
func wantNoKeys(t testing.TB, servers ...*redistest.Server) {
	t.Helper()
	for _, s := range servers {
		eventually(t, "no key is left on "+s.Addr(), func() bool { return len(s.Keys()) == 0 })
	}
}

// urls are the addresses of servers.
func urls(servers []*redistest.Server) []string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.URL()
	}
	return list
}

// client is a plain go-redis client of a server, as another program would have: it stands for the other side, and knows
// nothing of mutexes.
func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.DisableIdentity = true
	c := redis.NewClient(options)
	t.Cleanup(func() { c.Close() })
	return c
}

// cancelled is a context that has ended.
func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
