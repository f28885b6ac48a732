package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestLinesAreRemovedAfterAWhileAndNobodyListensThen(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		// A second mutex on the same nodes has lines of its own that share the listeners.
		second, err := s.engine.NewMutex(s.mutex.settings, s.mutex.groups)
		if err != nil {
			t.Fatal(err)
		}
		held := s.another().renewed()
		for _, m := range []*Mutex{s.mutex, second} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := m.Acquire(ctx, "k", AcquireOptions{}); err == nil {
				t.Fatal("two hold the lock")
			}
		}
		if ln := s.lineFor(); ln == nil {
			t.Error("the line is gone at once: who comes back must listen anew")
		}
		s.wantNothingLeft()
		s.letGo(held)
		for i, n := range s.nodes {
			n.with(func(n *simNode) {
				for _, sub := range n.subs {
					if !sub.closed() && sub.channels[keyChannel("k")] {
						t.Errorf("node %c still tells of the key", 'A'+i)
					}
				}
			})
		}
	})
}

func TestLineThatIsNeededAgainLingersOn(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		held := s.another().renewed()
		for range 10 {
			_, cancels := s.lineUp(1)
			cancels[0]()
			time.Sleep(linger - time.Second)
		}
		if n := s.nodes[0].subscriptions(); n != 1 {
			t.Errorf("%d connections were made; want one that lasts", n)
		}
		s.letGo(held)
	})
}

func TestChannelThatIsWantedAgainBeforeTheServerKnewOtherwiseStaysConfirmed(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		s.another().acquire()
		waiters, cancels := s.lineUp(1)
		l := s.mutex.groups[0][0].listener
		if !l.listen(keyChannel("k")) {
			t.Fatal("the channel was never confirmed: the test tests nothing")
		}
		for range 100 { // the keeper may or may not see to it in between
			l.ignore(keyChannel("k"))
			l.listen(keyChannel("k"))
		}
		s.settle()
		l.mu.Lock()
		if now, ok := l.channels[keyChannel("k")]; !ok || !now {
			t.Errorf("the channel is wanted %v, and confirmed %v, for ever", ok, now)
		}
		l.mu.Unlock()
		cancels[0]()
		<-waiters[0]
	})
}

func TestCloseDoesNotStormANodeWithSubscriptions(t *testing.T) {
	// Close waits for a release that a hung node takes its time for. Meanwhile whoever listens stops, once.
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.another().mutex.Acquire(t.Context(), "l", AcquireOptions{})
		forever := Forever
		go s.mutex.Acquire(t.Context(), "l", AcquireOptions{Wait: &forever})
		s.settle()
		s.nodes[0].hang()
		s.nodes[1].hang()
		go lock.Release(t.Context())
		time.Sleep(simLatency)
		start := time.Now()
		s.engine.Close()
		took(t, start, 499*time.Millisecond, 1001*time.Millisecond) // a batch, and a look whether the node still answers
		for i, n := range s.nodes {
			if made := n.subscriptions(); made > 2 {
				t.Errorf("%d connections for messages were made to node %c", made, 'A'+i)
			}
		}
		s.nodes[0].resume()
		s.nodes[1].resume()
	})
}

func TestCloseEndsWaitersInEveryState(t *testing.T) {
	states := map[string]func(s *sim){
		"all is well":       func(s *sim) {},
		"nodes hang":        func(s *sim) { s.nodes[0].hang(); s.nodes[1].hang() },
		"nodes are down":    func(s *sim) { s.each(func(n *simNode) { n.down = true }) },
		"nodes are mute":    func(s *sim) { s.each(func(n *simNode) { n.mute = true }) },
		"nodes are slow":    func(s *sim) { s.each(func(n *simNode) { n.latency = 300 * time.Millisecond }) },
		"nobody may listen": func(s *sim) { s.each(func(n *simNode) { n.denied = true }) },
		"messages broke":    func(s *sim) { s.nodes[0].dropMessages(); s.nodes[1].dropMessages() },
		"messages are dead": func(s *sim) { s.nodes[0].halfOpen(); s.nodes[1].halfOpen() },
	}
	for name, state := range states {
		for _, after := range []time.Duration{0, simLatency / 4, simLatency, 1700 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, after %v", name, after), func(t *testing.T) {
				simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
					elsewhere := s.another().acquire()
					held, err := s.mutex.Acquire(t.Context(), "l", AcquireOptions{Renew: true})
					if err != nil {
						t.Fatal(err)
					}
					var waiters []<-chan error
					for range 3 {
						for _, key := range []string{"k", "l"} {
							c := make(chan error, 1)
							waiters = append(waiters, c)
							go func() {
								_, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{})
								c <- err
							}()
						}
						s.settle()
					}
					state(s)
					go held.Release(t.Context()) // hands the lock over
					go elsewhere.Release(t.Context())
					time.Sleep(after)
					start := time.Now()
					s.engine.Close()
					took(t, start, 0, 1001*time.Millisecond) // a batch, and a look whether the node still answers
					synctest.Wait()
					closed := 0
					for _, w := range waiters {
						select {
						case err := <-w:
							if err != nil {
								wantError(t, err, ErrClosed)
								closed++
							}
						default:
							t.Error("a waiter is left")
						}
					}
					if closed < 2 {
						t.Errorf("%d waiters were refused by Close: the test tests nothing", closed)
					}
					for _, n := range s.nodes[:2] {
						if n.hung != nil {
							n.resume()
						}
					}
				})
			})
		}
	}
}

func TestHalfOpenConnectionIsNoticedWithinTwoChecks(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		s.another().acquire()
		s.lineUp(1)
		if n := s.nodes[0].subscriptions(); n != 1 {
			t.Fatalf("%d connections; want 1", n)
		}
		time.Sleep(10 * time.Second)
		if n := s.nodes[0].subscriptions(); n != 1 {
			t.Errorf("%d connections were made although the first one lives", n)
		}
		s.nodes[0].halfOpen()
		time.Sleep(2*checkInterval + simReconnection + 5*simLatency)
		if n := s.nodes[0].subscriptions(); n != 2 {
			t.Errorf("%d connections were made; want a second one", n)
		}
	})
}

func TestNodeWhereNobodyMayListenIsLeftAlone(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.denied = true })
		lock, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Renew: true})
		if err != nil {
			t.Fatal(err)
		}
		s.lineUp(1)
		time.Sleep(time.Minute)
		if n := s.nodes[0].subscriptions(); n > 62 {
			t.Errorf("it was asked %d times in a minute; want once in each reconnection interval", n)
		}
		s.letGo(lock)
	})
}

// realEngines are mutexes of so many engines on the same servers.
func realEngines(t *testing.T, n int, settings Settings, servers ...*redistest.Server) []*Mutex {
	t.Helper()
	mutexes := make([]*Mutex, n)
	for i := range mutexes {
		mutexes[i] = realMutex(t, servers, settings)
	}
	return mutexes
}

// wakesIn checks that a waiter whose own next attempt is an hour away gets the lock soon after its release by another.
func wakesIn(t *testing.T, holder, waiter *Mutex, between func(), most time.Duration) {
	t.Helper()
	held, err := holder.Acquire(t.Context(), "k", AcquireOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan error, 1)
	go func() {
		lock, err := waiter.Acquire(ctx, "k", AcquireOptions{})
		if err == nil {
			lock.Release(ctx)
		}
		got <- err
	}()
	time.Sleep(50 * time.Millisecond)
	between()
	start := time.Now()
	held.Release(t.Context())
	if err := <-got; err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > most {
		t.Errorf("the waiter was woken after %v; want at most %v", d, most)
	}
}

func TestWakeUpsOnRealServers(t *testing.T) {
	settings := Settings{Expiration: 30 * time.Second, Wait: Forever, RetryInterval: time.Hour}
	// second bounds what takes some milliseconds on an idle machine.
	const second = time.Second
	t.Run("one server", func(t *testing.T) {
		m := realEngines(t, 2, settings, redistest.Start(t))
		for range 5 {
			wakesIn(t, m[0], m[1], func() {}, second)
		}
	})
	t.Run("three, one stopped", func(t *testing.T) {
		servers := redistest.StartN(t, 3)
		m := realEngines(t, 2, settings, servers...)
		wakesIn(t, m[0], m[1], func() {}, second)
		servers[1].Pause()
		wakesIn(t, m[0], m[1], func() {}, second)
		servers[1].Resume()
	})
	t.Run("the connections for messages are killed", func(t *testing.T) {
		server := redistest.Start(t)
		m := realEngines(t, 2, settings, server)
		// They are made again after the reconnection interval of 100 ms; who waits tries then.
		wakesIn(t, m[0], m[1], func() { server.CLI("CLIENT", "KILL", "TYPE", "pubsub") }, 2*second)
	})
	t.Run("the engine whose turn it is died", func(t *testing.T) {
		server := redistest.Start(t)
		m := realEngines(t, 2, settings, server)
		wakesIn(t, m[0], m[1], func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			m[0].Acquire(ctx, "k", AcquireOptions{}) // for it to listen
			if heard := server.CLI("PUBLISH", engineChannel(m[0].engine.owners.name), waitMessage("dead", 1, 0, "k")); heard != "1" {
				t.Errorf("%s engines heard that the dead one waits", heard)
			}
			time.Sleep(50 * time.Millisecond)
		}, second)
	})
	t.Run("no right to listen, nor to publish", func(t *testing.T) {
		server := redistest.Start(t)
		server.CLI("ACL", "SETUSER", "default", "resetchannels")
		short := settings
		short.Expiration = time.Second
		m := realEngines(t, 2, short, server)
		wakesIn(t, m[0], m[1], func() {}, 2*second)
	})
	t.Run("a key of spaces and newlines", func(t *testing.T) {
		server := redistest.Start(t)
		m := realEngines(t, 2, settings, server)
		for _, key := range []string{" ", "a\r\nb c,d", strings.Repeat("long", 1000)} {
			held, err := m[0].Acquire(t.Context(), key, AcquireOptions{})
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(50*time.Millisecond, func() { held.Release(context.Background()) })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			lock, err := m[1].Acquire(ctx, key, AcquireOptions{})
			cancel()
			if err != nil {
				t.Fatalf("%.20q: %v", key, err)
			}
			lock.Release(t.Context())
		}
	})
}

func TestListenersOfARealServerEnd(t *testing.T) {
	server := redistest.Start(t)
	m := realEngines(t, 2, Settings{Expiration: 30 * time.Second, Wait: Forever, RetryInterval: time.Hour}, server)
	wakesIn(t, m[0], m[1], func() {}, time.Second)
	for _, m := range m {
		m.engine.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for server.CLI("PUBSUB", "CHANNELS") != "" && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if channels := server.CLI("PUBSUB", "CHANNELS"); channels != "" {
		t.Errorf("somebody listens to %s", channels)
	}
}
