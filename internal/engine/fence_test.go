package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// fenced are settings with fencing, whose counters last for an hour.
func fenced(expiration time.Duration) Settings {
	return Settings{Expiration: expiration, Fencing: true, FencingMemory: time.Hour}
}

// lockOn gets a lock, or ends the test.
func lockOn(t *testing.T, m *Mutex, key string) *Lock {
	t.Helper()
	l, err := m.Acquire(context.Background(), key, AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// releaseNow releases a lock, or ends the test.
func releaseNow(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func startAll(t testing.TB, n int) []*redistest.Server {
	servers := make([]*redistest.Server, n)
	for i := range servers {
		servers[i] = redistest.Start(t)
	}
	return servers
}

func TestTokensGrow(t *testing.T) {
	for _, nodes := range []int{1, 3, 5} {
		t.Run(strconv.Itoa(nodes), func(t *testing.T) {
			m := realMutex(t, startAll(t, nodes), fenced(10*time.Second))
			last := time.Now().Unix() << 20
			for i := range 50 {
				l := lockOn(t, m, "k")
				if l.Token() < last {
					t.Fatalf("lock %d has token %d after %d", i, l.Token(), last)
				}
				last = l.Token() + 1
				if err := l.Extend(context.Background(), 20*time.Second); err != nil {
					t.Fatal(err)
				}
				if l.Token() != last-1 {
					t.Fatalf("an extension changed the token %d to %d", last-1, l.Token())
				}
				releaseNow(t, l)
			}
			if last > (time.Now().Unix()+1)<<20 {
				t.Errorf("token %d is beyond the present second", last)
			}
		})
	}
}

// A node whose counter is behind is raised, and one whose counter is ahead has everybody's raised.
func TestCountersThatDifferAreRaised(t *testing.T) {
	servers := startAll(t, 3)
	m := realMutex(t, servers, fenced(10*time.Second))
	first := lockOn(t, m, "k")
	releaseNow(t, first)
	ahead := first.Token() + 1000
	servers[1].CLI("set", "{k}:fence", strconv.FormatInt(ahead, 10))
	servers[2].CLI("del", "{k}:fence")
	// Which of them belong to the quorum is up to the nodes; in the end every lock has a larger token.
	last := first.Token()
	for range 20 {
		l := lockOn(t, m, "k")
		if l.Token() <= last {
			t.Fatalf("token %d after %d", l.Token(), last)
		}
		atLeast := 0
		for _, s := range servers {
			if n, err := strconv.ParseInt(s.CLI("get", "{k}:fence"), 10, 64); err == nil && n >= l.Token() {
				atLeast++
			}
		}
		if atLeast < 2 {
			t.Fatalf("%d nodes have a counter of at least %d; want a quorum", atLeast, l.Token())
		}
		last = l.Token()
		releaseNow(t, l)
	}
}

// With one node dead, the two others have to agree, whatever their counters were.
func TestTokensGrowAsNodesComeAndGo(t *testing.T) {
	servers := startAll(t, 3)
	m := realMutex(t, servers, fenced(2*time.Second))
	var last int64
	for round := range 6 {
		dead := servers[round%3]
		dead.Pause()
		for range 3 {
			l := lockOn(t, m, "k")
			if l.Token() <= last {
				t.Fatalf("token %d after %d", l.Token(), last)
			}
			last = l.Token()
			l.Release(context.Background())
		}
		dead.Resume()
	}
}

func TestHandedOverLocksHaveTokens(t *testing.T) {
	m := realMutex(t, startAll(t, 3), Settings{Expiration: 10 * time.Second, Fencing: true, FencingMemory: Forever, Wait: Forever})
	tokens := make(chan int64, 40)
	first := lockOn(t, m, "k")
	for range cap(tokens) {
		go func() {
			l, err := m.Acquire(context.Background(), "k", AcquireOptions{})
			if err != nil {
				t.Error(err)
				tokens <- 0
				return
			}
			tokens <- l.Token()
			l.Release(context.Background())
		}()
	}
	last := first.Token()
	releaseNow(t, first)
	for range cap(tokens) {
		token := <-tokens
		if token <= last {
			t.Errorf("token %d after %d", token, last)
		}
		last = token
	}
}

func TestACounterLivesAsLongAsItsMemory(t *testing.T) {
	server := redistest.Start(t)
	for memory, want := range map[time.Duration]string{time.Minute: "61", Forever: "-1"} {
		m := realMutex(t, []*redistest.Server{server}, Settings{Expiration: time.Second, Fencing: true, FencingMemory: memory})
		key := "memory of " + want
		l := lockOn(t, m, key)
		ttl := server.CLI("ttl", counterKey(key))
		if ttl != want {
			t.Errorf("the counter lives for %s s; want %s", ttl, want)
		}
		if memory == Forever {
			continue
		}
		server.CLI("pexpire", counterKey(key), "5000")
		if err := l.Extend(context.Background(), 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if ttl := server.CLI("ttl", counterKey(key)); ttl != "61" {
			t.Errorf("after an extension the counter lives for %s s; want 61", ttl)
		}
	}
}

// When a counter that was ahead of the clock is gone, the next one begins with the clock: so it must have caught up.
func TestACounterAheadOfTheClockLivesLonger(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, fenced(time.Second))
	server.CLI("set", counterKey("k"), strconv.FormatInt((time.Now().Unix()+1000)<<20, 10))
	releaseNow(t, lockOn(t, m, "k"))
	ttl, err := strconv.Atoi(server.CLI("ttl", counterKey("k")))
	if err != nil || ttl < 3600+996 || ttl > 3600+1001 {
		t.Errorf("the counter lives for %d s; want an hour and 1001 seconds", ttl)
	}
}

func TestWhatIsNoCounterIsAnError(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, fenced(time.Second))
	for _, nonsense := range []string{"x", "1e300", "9007199254740992", "nan", "1.5", "-nan", "", "9223372036854775807"} {
		server.CLI("set", counterKey("k"), nonsense)
		_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), counterKey("k")) {
			t.Errorf("with %q for a counter: %v", nonsense, err)
		}
		if server.CLI("exists", "k") != "0" {
			t.Errorf("with %q for a counter the key is set", nonsense)
		}
	}
	server.CLI("del", counterKey("k"))
	server.CLI("lpush", counterKey("k"), "x")
	if _, err := m.Acquire(context.Background(), "k", AcquireOptions{}); !errors.Is(err, ErrNoQuorum) || server.CLI("exists", "k") != "0" {
		t.Errorf("with a list for a counter: %v", err)
	}
	// A lock that is held is not lost for it: its key stands.
	server.CLI("del", counterKey("k"))
	l := lockOn(t, m, "k")
	server.CLI("del", counterKey("k"))
	server.CLI("lpush", counterKey("k"), "x")
	if err := l.Extend(context.Background(), time.Second); !errors.Is(err, ErrNoQuorum) || l.Err() != nil {
		t.Errorf("extension with a list for a counter: %v; the lock: %v", err, l.Err())
	}
}

func TestCountersShareTheirKeysSlot(t *testing.T) {
	for key, want := range map[string]string{
		"a:b": "{a:b}:fence", "a:{b}": "a:{b}:fence", "{}a": "{{}a}:fence", "}{": "{}{}:fence", "a{b": "{a{b}:fence", "{a}{b}": "{a}{b}:fence",
	} {
		if got := counterKey(key); got != want {
			t.Errorf("%q has the counter %q; want %q", key, got, want)
		}
	}
}

// Without fencing and guard the questions are the plain ones, and no key appears but the lock's.
func TestWithoutFencingNothingIsAskedBesides(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, Settings{Expiration: time.Second})
	l := lockOn(t, m, "k")
	if keys := server.CLI("keys", "*"); keys != "k" {
		t.Errorf("the keys are %q", keys)
	}
	if l.Token() != 0 {
		t.Errorf("the token is %d", l.Token())
	}
}

func TestANodeWhoseClockIsWrongDoesNotVote(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, -4 * time.Second, 0, time.Second, 4 * time.Second, time.Hour} {
		server := miniredis.RunT(t)
		server.SetTime(time.Now().Add(ahead))
		m := urlMutex(t, Options{}, fenced(10*time.Second), "redis://"+server.Addr())
		l, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		if right := ahead.Abs() <= time.Second; right {
			if err != nil {
				t.Errorf("%v ahead: %v", ahead, err)
			}
			continue
		}
		var failed *Error
		if l != nil || !errors.Is(err, ErrNoQuorum) || !errors.As(err, &failed) || !strings.Contains(failed.Hint, "clocks") {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if err := wait(func() bool { return !server.Exists("k") }); err != nil {
			t.Errorf("%v ahead: the key stays", ahead)
		}
	}
}

func TestSynchronizeTellsItsToken(t *testing.T) {
	servers := startAll(t, 1)
	outer := realMutex(t, servers, fenced(10*time.Second))
	plain := realMutex(t, servers, Settings{Expiration: 10 * time.Second})
	var none context.Context
	if TokenFrom(context.Background()) != 0 || TokenFrom(none) != 0 {
		t.Error("there is a token without a lock")
	}
	err := outer.Synchronize(context.Background(), "a", func(ctx context.Context) error {
		token := TokenFrom(ctx)
		if token <= 0 {
			t.Errorf("the token is %d", token)
		}
		return outer.Synchronize(ctx, "b", func(inner context.Context) error {
			if TokenFrom(inner) <= 0 || TokenFrom(ctx) != token {
				t.Errorf("the inner token is %d, the outer %d, which was %d", TokenFrom(inner), TokenFrom(ctx), token)
			}
			return plain.Synchronize(inner, "c", func(ctx context.Context) error {
				if TokenFrom(ctx) != 0 {
					t.Error("a lock without fencing lends its ctx another's token")
				}
				return nil
			}, AcquireOptions{})
		}, AcquireOptions{})
	}, AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// wait waits until something is true, for ten seconds at most.
func wait(until func() bool) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if until() {
			return nil
		}
	}
	return context.DeadlineExceeded
}
