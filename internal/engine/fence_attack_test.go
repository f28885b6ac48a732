package engine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// The uptime counts whole seconds, and the quarantine need not be one.
func TestWhatIsLeftOfAQuarantineIsExact(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var told atomic.Int32
	trace := &Trace{NodeQuarantined: func(string, time.Duration) { told.Add(1) }}
	m := urlMutex(t, Options{Trace: trace}, guarded(100*time.Millisecond), server.URL())
	var l *Lock
	var ends []time.Time // as each refusal tells
	if err := wait(func() bool {
		var q *QuarantineError
		var err error
		if l, err = m.Acquire(context.Background(), "k", AcquireOptions{}); errors.As(err, &q) {
			ends = append(ends, time.Now().Add(q.Remaining))
		}
		return l != nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(ends) == 0 || ends[len(ends)-1].Sub(ends[0]).Abs() > 300*time.Millisecond || time.Since(ends[0]) > 300*time.Millisecond {
		t.Errorf("refusals told of an end at %v; it was at %v", ends, time.Now())
	}
	if n := told.Load(); n != 1 {
		t.Errorf("the quarantine was reported %d times", n)
	}
}

func TestWhoLeavesBetweenAttemptsIsToldOfTheQuarantine(t *testing.T) {
	simulate(t, 1, Settings{RestartGuard: true, RetryInterval: time.Second}, func(t *testing.T, s *sim) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		forever := Forever
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{Wait: &forever})
		var q *QuarantineError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNoQuorum) || !errors.As(err, &q) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestACounterThatMayNotBeCountedIsNoStrangeCounter(t *testing.T) {
	server := redistest.Start(t)
	server.CLI("acl", "setuser", "worker", "on", ">secret", "~*", "&*", "+@all", "-incr")
	m := urlMutex(t, Options{}, fenced(time.Second), strings.Replace(server.URL(), "redis://", "redis://worker:secret@", 1))
	_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
	var failed *Error
	if !errors.As(err, &failed) || !strings.Contains(failed.Hint, "incr") {
		t.Errorf("error is %v", err)
	}
	if server.CLI("exists", "k") != "0" {
		t.Error("the key is set")
	}
}

func TestAHandoverAtAFullServerSaysSo(t *testing.T) {
	server := redistest.Start(t)
	m := realMutex(t, []*redistest.Server{server}, fenced(time.Minute))
	l := lockOn(t, m, "k")
	server.CLI("config", "set", "maxmemory", "1")
	q := newQuestion(handover, "k", l.claim.owner, time.Minute)
	q.next, q.safeguard = "next", m.safeguardOf("k")
	r := askOne(m, q)
	server.CLI("config", "set", "maxmemory", "0")
	if !hasCode(r.err, "OOM") {
		t.Errorf("answer is %v: %v", r.answer, r.err)
	}
}

// askOne asks a mutex's first node a question.
func askOne(m *Mutex, q *question) reply {
	heard := make(chan reply, 1)
	m.groups[0][0].lane.ask(&call{question: q, asker: hearer(func(_ int, r reply) { heard <- r })})
	return <-heard
}

func TestKeysOfAnyShapeHaveCounters(t *testing.T) {
	server := redistest.Start(t)
	mini := miniredis.RunT(t)
	for _, url := range []string{server.URL(), "redis://" + mini.Addr()} {
		settings := fenced(time.Second)
		m := urlMutex(t, Options{}, settings, url)
		for _, key := range []string{"\r\n", "\x00", "{", "}", "{}", "{a}", "a}b", "{a}b}", "%s%n", "\xff\xfe", strings.Repeat("x", 100000), "'", "]]"} {
			l := lockOn(t, m, key)
			if l.Token() < time.Now().Add(-time.Minute).Unix()<<20 {
				t.Errorf("%.10q: token %d", key, l.Token())
			}
			if err := l.Extend(context.Background(), time.Second); err != nil {
				t.Errorf("%.10q: %v", key, err)
			}
			releaseNow(t, l)
			next := lockOn(t, m, key)
			if next.Token() <= l.Token() {
				t.Errorf("%.10q: token %d after %d", key, next.Token(), l.Token())
			}
			releaseNow(t, next)
			if url == server.URL() {
				server.CLI("set", "other", "x")
			}
		}
		for i, key := range []string{"a\r\n+OK\r\nb", "plain"} {
			if url == server.URL() {
				if i == 0 {
					continue
				}
				server.CLI("set", counterKey(key), "x")
			} else {
				mini.Set(counterKey(key), "x")
			}
			if _, err := m.Acquire(context.Background(), key, AcquireOptions{}); !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "no fencing counter") {
				t.Errorf("%s: %q: %v", url, key, err)
			}
			releaseNow(t, lockOn(t, m, "after"))
		}
	}
}

func TestMiniNonsense(t *testing.T) {
	server := miniredis.RunT(t)
	m := urlMutex(t, Options{}, fenced(time.Second), "redis://"+server.Addr())
	for _, nonsense := range []string{"x", "1e300", "9007199254740992", "nan", "1.5", "-nan", "", "9223372036854775807"} {
		server.Set(counterKey("k"), nonsense)
		_, err := m.Acquire(context.Background(), "k", AcquireOptions{})
		if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), counterKey("k")) {
			t.Errorf("with %q for a counter: %v", nonsense, err)
		}
		if server.Exists("k") {
			t.Errorf("with %q for a counter the key is set", nonsense)
		}
	}
	server.Del(counterKey("k"))
	server.Lpush(counterKey("k"), "x")
	if _, err := m.Acquire(context.Background(), "k", AcquireOptions{}); !errors.Is(err, ErrNoQuorum) || server.Exists("k") {
		t.Errorf("with a list for a counter: %v", err)
	}
}
