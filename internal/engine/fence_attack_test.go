package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// The uptime counts whole seconds, and the quarantine need not be one.
func TestWhatIsLeftOfAQuarantineIsExact(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var told atomic.Int32
	trace := &Trace{NodeQuarantined: func(string, time.Duration) { told.Add(1) }}
	m := urlMutex(t, Options{Trace: trace}, guarded(500*time.Millisecond), server.URL())
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
	if !errors.As(err, &failed) || !strings.Contains(failed.Hint, "mutexgen acl") {
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
		m := urlMutex(t, Options{}, fenced(time.Second), url)
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
		}
	}
	// An error that quotes a key is one error.
	key := "a\r\n+OK\r\nb"
	mini.Set(counterKey(key), "x")
	m := urlMutex(t, Options{}, fenced(time.Second), "redis://"+mini.Addr())
	if _, err := m.Acquire(context.Background(), key, AcquireOptions{}); !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "no fencing counter") {
		t.Errorf("error is %v", err)
	}
	releaseNow(t, lockOn(t, m, "after"))
}

func TestWhatIsNoCounterIsAnErrorOfAnEmbeddedServerToo(t *testing.T) {
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

// Whatever ends an attempt while it raises a counter, nothing stays.
func TestAnAttemptThatEndsDuringARaiseLeavesNothing(t *testing.T) {
	for name, end := range map[string]func(s *sim, cancel context.CancelFunc){
		"time":    func(*sim, context.CancelFunc) {},
		"context": func(_ *sim, cancel context.CancelFunc) { cancel() },
		"close":   func(s *sim, _ context.CancelFunc) { s.engine.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, Settings{Fencing: true, FencingMemory: time.Minute}, func(t *testing.T, s *sim) {
				s.nodes[1].with(func(n *simNode) {
					n.counters = map[string]simCounter{counterKey("k"): {text: strconv.FormatInt(1<<52, 10)}}
				})
				s.nodes[2].with(func(n *simNode) { n.latency = 3 * time.Second })
				time.AfterFunc(simLatency*3/4, s.nodes[0].hang) // between its vote and the raise
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(100*time.Millisecond, func() { end(s, cancel) })
				l, err := s.mutex.Acquire(ctx, "k", AcquireOptions{})
				wantError(t, err, map[string]error{"time": ErrNoQuorum, "context": context.Canceled, "close": ErrClosed}[name])
				if l != nil {
					t.Errorf("a lock, with token %d", l.Token())
				}
				raises := 0
				time.Sleep(time.Second)
				s.nodes[0].resume()
				s.nodes[2].with(func(n *simNode) { n.latency = simLatency })
				time.Sleep(time.Second)
				s.nodes[0].with(func(n *simNode) {
					for _, asked := range n.log {
						if strings.HasPrefix(asked, "raise") {
							raises++
						}
					}
				})
				if raises != 1 {
					t.Errorf("%d raises", raises)
				}
				if name == "close" { // which leaves what a node owes to the expiration
					time.Sleep(10 * time.Second)
				} else {
					s.wantNothingLeft()
				}
				s.wantNoKey()
			})
		})
	}
}

// Only what says yes in so many words is a yes, and only a counter a token.
func TestAnAnswerThatDoesNotFitIsNoVote(t *testing.T) {
	yes := []any{int64(1), int64(7), int64(1), int64(0)}
	for _, o := range []op{acquire, queue, handover, extend, raise} {
		q := newQuestion(o, "k", "owner", time.Second)
		q.counter = counterKey("k")
		answer := func(value any) reply {
			c := &call{question: q}
			command := redis.NewCmd(context.Background())
			command.SetVal(value)
			interpret(command, []*call{c})
			if numbers, ok := value.([]any); ok && o == acquire {
				list := redis.NewIntSliceCmd(context.Background())
				list.SetVal(make([]int64, len(numbers)))
				for i, n := range numbers {
					list.Val()[i], _ = n.(int64)
				}
				interpret(list, []*call{c})
			}
			return c.reply
		}
		if r := answer(yes); r.answer != Granted {
			t.Errorf("%s: %v is %v", opNames[o], yes, r.answer)
		}
		for _, misfit := range []any{
			int64(1), int64(0), "1", "OK", "", nil, true, 1.5, []any{}, yes[:3], append(slices.Clone(yes), int64(0)),
			[]any{int64(2), int64(7), int64(1), int64(0)},
			[]any{int64(-2), int64(0)}, []any{int64(-2), int64(-5)}, []any{int64(-1), int64(5)}, []any{[]any{yes}},
			[]any{"1", "7", "1", "0"}, []any{int64(1), nil, int64(1), int64(0)}, []any{int64(1), errMisfit, int64(1), int64(0)},
		} {
			if r := answer(misfit); r.answer != Refused || !r.unknown {
				t.Errorf("%s: %#v is %+v", opNames[o], misfit, r)
			}
		}
		for _, counter := range []int64{0, -7, 1 << 53} {
			r := answer([]any{int64(1), counter, int64(1), int64(0)})
			if o.acquires() && (r.answer != Refused || !r.unknown) {
				t.Errorf("%s: with counter %d: %+v", opNames[o], counter, r)
			}
		}
	}
}

// Only the first in line asks; what the others know of the quarantine is how long it was to last when they came.
func TestEveryoneInLineWaitsForTheEndOfTheQuarantine(t *testing.T) {
	simulate(t, 1, Settings{RestartGuard: true}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.started = n.now() })
		long := 14 * time.Second // the quarantine lasts for 12.1 s, by an uptime in whole seconds
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				l, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Wait: &long})
				if err == nil {
					err = l.Release(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		// Who leaves before is told how long it lasts then, by whoever asked.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s.settle()
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{Wait: &long})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		wantQuarantine(t, err, 7900*time.Millisecond, 8100*time.Millisecond)
		all.Wait()
	})
}

// A node that left its quarantine between its answer and a raise is not said to be in quarantine once more.
func TestAQuarantineIsReportedOnceThoughARaiseFollows(t *testing.T) {
	simulate(t, 3, Settings{RestartGuard: true, Fencing: true, FencingMemory: time.Hour}, func(t *testing.T, s *sim) {
		s.each(func(n *simNode) { n.birth = 1 })
		reported := 0
		s.engine.trace.NodeQuarantined = func(string, time.Duration) { reported++ }
		s.nodes[0].with(func(n *simNode) {
			n.birth = n.now().Add(time.Second).UnixMilli() - s.mutex.settings.Quarantine().Milliseconds()
		})
		s.nodes[1].with(func(n *simNode) {
			n.latency = 20 * time.Millisecond
			n.counters = map[string]simCounter{counterKey("k"): {text: strconv.FormatInt(1<<52, 10)}}
		})
		time.Sleep(time.Second - 2*time.Millisecond)
		s.letGo(s.acquire())
		if reported != 1 {
			t.Errorf("reported %d times", reported)
		}
	})
}

// What kept a waiter from the lock once need not be what keeps it from there in the end.
func TestWhoWaitsForALockThatWasGotSinceIsToldThatItIsHeld(t *testing.T) {
	simulate(t, 1, Settings{RestartGuard: true, Renew: true}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.started = n.now() })
		first := s.wait(t.Context())
		s.settle()
		long := 20 * time.Second
		second := s.start(t.Context(), AcquireOptions{Wait: &long})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		third := s.wait(ctx)
		l := s.got(first)
		l.renew()
		for _, w := range []<-chan acquired{second, third} {
			if a := <-w; !errors.Is(a.err, ErrAlreadyLocked) || errors.Is(a.err, ErrNodeQuarantined) {
				t.Errorf("error is %v", a.err)
			}
		}
		s.letGo(l)
	})
}

// A node whose clock is wrong answers all the same: what it holds is known, and gone once it is released.
func TestANodeWhoseClockIsWrongOwesNothing(t *testing.T) {
	simulate(t, 3, Settings{Fencing: true, FencingMemory: time.Minute}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.ahead = time.Hour })
		for _, renewed := range []bool{false, true} {
			l, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Renew: renewed})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Second)
			s.letGo(l)
			s.settle()
			s.wantNoKey()
			lane := s.mutex.groups[0][0].lane
			lane.mu.Lock()
			if n := len(lane.owed); n > 0 {
				t.Errorf("renewed %v: %d releases are owed", renewed, n)
			}
			lane.mu.Unlock()
		}
	})
}
