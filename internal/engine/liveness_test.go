package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// TestAttemptThatIsCancelledLeavesTheNextInLineInformed cancels the first in line in the middle of its attempt. What it
// would have found out, until when the holder's lock lasts, the next one must find out instead.
func TestAttemptThatIsCancelledLeavesTheNextInLineInformed(t *testing.T) {
	for after := time.Duration(0); after <= 5*simLatency; after += simLatency / 4 {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
				start := time.Now()
				s.another().acquire() // and the holder dies
				ctx, cancel := context.WithCancel(t.Context())
				first := s.wait(ctx)
				second := s.wait(t.Context())
				time.AfterFunc(after, cancel)
				wantError(t, (<-first).err, context.Canceled)
				lock := s.got(second)
				took(t, start, 10*time.Second, 10*time.Second+10*simLatency)
				s.letGo(lock)
			})
		})
	}
}

// TestLineSleepsWhileSomebodyBesideItHoldsTheLock has the first in line be refused because of somebody of the same
// process who did not wait, and who keeps the lock beyond the time that the refusal told.
func TestLineSleepsWhileSomebodyBesideItHoldsTheLock(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		held := s.another().acquire()
		waiter := s.wait(t.Context())
		s.settle()
		go held.Release(t.Context())
		time.Sleep(simLatency / 4) // so as to come right behind the release, and before whoever is told of it
		none := time.Duration(0)
		lock, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Wait: &none, Renew: true})
		if err != nil {
			t.Fatal(err)
		}
		s.settle()
		questions, _ := s.asked()
		time.Sleep(time.Minute)
		if now, _ := s.asked(); now > questions+3*20 {
			t.Errorf("%d questions were asked in a minute; want those of less than 20 renewals", now-questions)
		}
		start := time.Now()
		s.letGo(lock)
		lock = s.got(waiter)
		took(t, start, simLatency, 5*simLatency)
		s.letGo(lock)
	})
}

// heldBeforeTheDead is a renewed lock on "k" whose engine was told that "dead", which does not exist any more, waits.
func (s *sim) heldBeforeTheDead() *Lock {
	s.t.Helper()
	lock := s.renewed()
	_, cancels := s.lineUp(1) // for the engine to listen
	cancels[0]()
	for _, n := range s.nodes {
		n.with(func(n *simNode) { n.publish(engineChannel(s.engine.owners.name), waitMessage("dead", 1, 0, "k")) })
	}
	s.settle()
	return lock
}

func TestTurnOfWhoDiedIsTakenByTheNext(t *testing.T) {
	tests := map[string]struct {
		here, elsewhere int // how many wait there
		unheard         bool
		most            time.Duration
	}{
		"in the same process":                 {here: 2, most: 10 * simLatency},
		"elsewhere":                           {elsewhere: 2, most: 10 * simLatency},
		"in both":                             {2, 2, false, 20 * simLatency},
		"in both, but word of it is lost":     {2, 2, true, unsure + 20*simLatency},
		"in the same, but word of it is lost": {2, 0, true, unsure + 20*simLatency},
	}
	for name, test := range tests {
		for _, nodes := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d nodes", name, nodes), func(t *testing.T) {
				simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
					other := s.another()
					lock := s.heldBeforeTheDead()
					var waiting sync.WaitGroup
					for i := range test.here + test.elsewhere {
						at := s
						if i < test.elsewhere {
							at = other
						}
						waiting.Go(func() { at.letGo(at.acquire()) })
						s.settle()
					}
					time.Sleep(time.Minute)
					s.each(func(n *simNode) { n.silent = test.unheard })
					start := time.Now()
					s.letGo(lock)
					time.AfterFunc(simLatency, func() { s.each(func(n *simNode) { n.silent = false }) })
					waiting.Wait()
					took(t, start, 0, test.most)
					s.settle()
					s.wantNoKey()
					s.wantNothingLeft()
					other.wantNothingLeft()
				})
			})
		}
	}
}

func TestWhoComesRightAfterTheTurnOfWhoDiedDoesNotWaitForIt(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		lock := s.heldBeforeTheDead()
		s.each(func(n *simNode) { n.silent = true })
		s.letGo(lock)
		start := time.Now()
		waiters, _ := s.lineUp(2)
		s.letGo(s.got(waiters[0]))
		s.letGo(s.got(waiters[1]))
		took(t, start, 0, unsure+50*simLatency)
	})
}

// TestNobodySleepsForEver has waiters whose own next attempt is an hour away be left by everything that would wake them.
func TestNobodySleepsForEver(t *testing.T) {
	tests := map[string]struct {
		// before is done before anybody waits, then while somebody does.
		before, then func(s *sim, held *Lock)
		most         time.Duration // from the release
		dies         bool          // the holder does, and does not release
	}{
		"the holder dies": {dies: true},
		"the holder dies, and nobody may listen": {
			before: func(s *sim, _ *Lock) { s.each(func(n *simNode) { n.denied = true }) }, dies: true,
		},
		"the holder dies, and no message arrives": {
			before: func(s *sim, _ *Lock) { s.each(func(n *simNode) { n.silent = true }) }, dies: true,
		},
		"the holder dies during an outage": {
			then: func(s *sim, _ *Lock) {
				s.each(func(n *simNode) { n.down = true })
				for _, n := range s.nodes {
					n.dropMessages()
				}
				time.AfterFunc(9*time.Second, func() { s.each(func(n *simNode) { n.down = false }) })
			}, dies: true,
		},
		"the holder's time ends when nobody answers in time": {
			then: func(s *sim, _ *Lock) {
				time.AfterFunc(8500*time.Millisecond, func() { s.each(func(n *simNode) { n.latency = 800 * time.Millisecond }) })
				time.AfterFunc(9700*time.Millisecond, func() { s.each(func(n *simNode) { n.latency = simLatency }) })
			}, dies: true, most: 12 * time.Second,
		},
		"the message of the release is lost": {
			then: func(s *sim, _ *Lock) { s.each(func(n *simNode) { n.silent = true }) }, most: 10 * time.Second,
		},
		"the connections for messages break": {
			then: func(s *sim, _ *Lock) {
				s.each(func(n *simNode) { n.silent = true })
				for _, n := range s.nodes {
					n.dropMessages()
				}
			}, most: 1100 * time.Millisecond,
		},
		"the connections for messages are half open": {
			then: func(s *sim, _ *Lock) {
				for _, n := range s.nodes {
					n.halfOpen()
				}
			}, most: 3100 * time.Millisecond,
		},
		"nobody may listen": {
			before: func(s *sim, _ *Lock) { s.each(func(n *simNode) { n.denied = true }) }, most: 10 * time.Second,
		},
		"one node's connection breaks when another's message is lost": {
			then: func(s *sim, _ *Lock) {
				for _, n := range s.nodes[:(len(s.nodes)+1)/2] {
					n.with(func(n *simNode) { n.silent = true })
				}
				s.nodes[0].dropMessages()
			}, most: 1100 * time.Millisecond,
		},
		"the nodes forget the lock": {
			then: func(s *sim, _ *Lock) {
				for _, n := range s.nodes {
					n.restart()
				}
			}, dies: true,
		},
		"the lock is of another type, with an expiration": {
			before: func(s *sim, _ *Lock) {
				for _, n := range s.nodes {
					n.put("k", otherType, 8*time.Second)
				}
			}, dies: true,
		},
	}
	for name, test := range tests {
		for _, nodes := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d nodes", name, nodes), func(t *testing.T) {
				simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
					held := s.another().acquire()
					if test.before != nil {
						test.before(s, held)
					}
					first, second := s.wait(t.Context()), s.wait(t.Context())
					time.Sleep(time.Second)
					if test.then != nil {
						test.then(s, held)
					}
					start := time.Now()
					if !test.dies {
						held.Release(t.Context())
					}
					most := max(test.most, 9*time.Second+20*simLatency)
					if !test.dies {
						most = test.most + 20*simLatency
					}
					for range 2 {
						var a acquired
						select {
						case a = <-first:
						case a = <-second:
						}
						if a.err != nil {
							t.Fatal(a.err)
						}
						took(t, start, 0, most)
						s.letGo(a.lock)
					}
				})
			})
		}
	}
}

// A node that is down for another reason than at first says which: the first may have been mended.
func TestDownNodeTellsWhatKeepsItDownNow(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	m := mutexAt(t, 0, unhurried, server.Addr())
	says := func(text string) func() bool {
		return func() bool {
			_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
			return err != nil && strings.Contains(err.Error(), text)
		}
	}
	server.Kill()
	soonTrue(t, "nobody listens", says("connection refused"))
	server.Restart()
	soonTrue(t, "the server wants a password", says("NOAUTH"))
	server.Kill()
	soonTrue(t, "nobody listens again", says("connection refused"))
}
