package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// patientSettings are those of a mutex whose waiters, left alone, would try again after an hour only: what comes sooner
// came by a wake-up or by what the line knows.
var patientSettings = Settings{Wait: Forever, RetryInterval: time.Hour}

func TestWaitersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	for _, nodes := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
				held := s.acquire()
				var mu sync.Mutex
				var order []int
				var all sync.WaitGroup
				for i := range 20 {
					all.Go(func() {
						lock := s.acquire()
						mu.Lock()
						order = append(order, i)
						mu.Unlock()
						time.Sleep(time.Millisecond)
						lock.Release(context.Background())
					})
					time.Sleep(3 * simLatency)
				}
				start := time.Now()
				held.Release(t.Context())
				all.Wait()
				took(t, start, 20*2*simLatency, 25*3*simLatency)
				if !slices.IsSorted(order) || len(order) != 20 {
					t.Errorf("they were served in the order %v", order)
				}
				s.settle()
				s.wantNoKey()
				s.wantNothingLeft()
			})
		})
	}
}

func TestWhoDoesNotWaitDoesNotStandInLine(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		held := s.acquire()
		waiter := s.wait(t.Context())
		s.settle()
		none := time.Duration(0)
		start := time.Now()
		_, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Wait: &none})
		wantError(t, err, ErrAlreadyLocked)
		took(t, start, simLatency, simLatency)
		held.Release(t.Context())
		(<-waiter).lock.Release(t.Context())
		s.wantNothingLeft()
	})
}

func TestBoundsOfWaitingHoldWhereverOneStands(t *testing.T) {
	second := time.Second
	tests := map[string]struct {
		settings    Settings
		options     AcquireOptions
		least, most time.Duration
	}{
		"a wait":             {Settings{Wait: 3 * second, RetryInterval: time.Hour}, AcquireOptions{}, 3 * second, 3*second + 5*simLatency},
		"a call's own wait":  {Settings{Wait: Forever, RetryInterval: time.Hour}, AcquireOptions{Wait: &second}, second, second + 5*simLatency},
		"a number of tries":  {Settings{MaxRetry: 3, RetryInterval: second}, AcquireOptions{}, 3 * second, 3*second + 20*simLatency},
		"tries with jitters": {Settings{MaxRetry: 4, RetryInterval: second, RetryJitter: second / 2}, AcquireOptions{}, 2 * second, 6*second + 20*simLatency},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, test.settings, func(t *testing.T, s *sim) {
				minute := time.Minute
				lock, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Expiration: &minute})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				var waiters []<-chan acquired
				for range 5 {
					waiters = append(waiters, s.start(t.Context(), test.options))
				}
				for i, w := range waiters {
					a := <-w
					wantError(t, a.err, ErrAlreadyLocked)
					if d := a.at.Sub(start); d < test.least || d > test.most {
						t.Errorf("waiter %d of the line waited %v; want %v to %v", i, d, test.least, test.most)
					}
				}
				lock.Release(t.Context())
				s.wantNothingLeft()
			})
		})
	}
}

// lineUp has so many wait for "k", one after the other, and returns what comes of it and what ends each one's wait.
func (s *sim) lineUp(n int) (waiters []<-chan acquired, cancels []context.CancelFunc) {
	for range n {
		ctx, cancel := context.WithCancel(s.t.Context())
		waiters, cancels = append(waiters, s.wait(ctx)), append(cancels, cancel)
		s.settle()
	}
	return waiters, cancels
}

// got is the lock that a waiter got, or the end of the test.
func (s *sim) got(w <-chan acquired) *Lock {
	s.t.Helper()
	a := <-w
	if a.err != nil {
		s.t.Fatal(a.err)
	}
	return a.lock
}

// letGo releases a lock, or ends the test.
func (s *sim) letGo(l *Lock) {
	s.t.Helper()
	if err := l.Release(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhoLeavesTheLineLeavesNothingBehind(t *testing.T) {
	for name, leaves := range map[string]int{"the first": 0, "the middle": 1, "the last": 2} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
				held := s.acquire()
				waiters, cancels := s.lineUp(3)
				start := time.Now()
				cancels[leaves]()
				a := <-waiters[leaves]
				wantError(t, a.err, context.Canceled, ErrAlreadyLocked)
				took(t, start, 0, 0)
				s.letGo(held)
				for i, w := range waiters {
					if i != leaves {
						s.letGo(s.got(w))
					}
				}
				took(t, start, 3*simLatency, 10*simLatency)
				s.settle()
				s.wantNoKey()
				s.wantNothingLeft()
			})
		})
	}
}

// TestWhoLeavesWhileBeingHandedTheLockPassesItOn has the waiter leave at every moment of the hand-over, without any
// message that would tell the others of it.
func TestWhoLeavesWhileBeingHandedTheLockPassesItOn(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		for after := time.Duration(0); after <= 3*simLatency; after += simLatency / 4 {
			t.Run(fmt.Sprintf("%d nodes, after %v", nodes, after), func(t *testing.T) {
				simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
					held := s.acquire()
					waiters, cancels := s.lineUp(4)
					s.letGo(held)
					held = s.got(waiters[0]) // to be handed over three times
					s.settle()
					s.each(func(n *simNode) { n.silent = true })
					start := time.Now()
					time.AfterFunc(after, cancels[1])
					s.letGo(held)
					if a := <-waiters[1]; a.err == nil {
						s.letGo(a.lock)
					}
					s.letGo(s.got(waiters[2]))
					s.letGo(s.got(waiters[3]))
					took(t, start, 2*simLatency, after+8*simLatency)
					s.settle()
					s.wantNoKey()
					s.wantNothingLeft()
				})
			})
		}
	}
}

// TestEverythingAtTheSameMoment releases a lock, which is to be handed over, while its next owner leaves and somebody
// extends it, again and again, for whatever comes first. Nobody is told of anything by a message.
func TestEverythingAtTheSameMoment(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
				for range 200 {
					s.each(func(n *simNode) { n.silent = false })
					held := s.acquire()
					waiters, cancels := s.lineUp(4)
					s.letGo(held)
					held = s.got(waiters[0])
					s.settle()
					s.each(func(n *simNode) { n.silent = true })
					start := time.Now()
					go held.Extend(context.Background(), time.Minute)
					go held.Release(context.Background())
					go cancels[1]()
					if a := <-waiters[1]; a.err == nil {
						s.letGo(a.lock)
					}
					s.letGo(s.got(waiters[2]))
					s.letGo(s.got(waiters[3]))
					took(t, start, 2*simLatency, 12*simLatency)
					s.settle()
					s.wantNoKey()
					for _, cancel := range cancels {
						cancel()
					}
					if t.Failed() {
						return
					}
				}
				s.wantNothingLeft()
			})
		})
	}
}

// TestReleaseWithoutTurnsLeftIsHeardInTheProcess has the lock come in before anybody waits, so that it is not handed over.
func TestReleaseWithoutTurnsLeftIsHeardInTheProcessWithoutAMessage(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		s.each(func(n *simNode) { n.silent = true })
		held := s.acquire()
		waiters, _ := s.lineUp(2)
		start := time.Now()
		s.letGo(held)
		s.letGo(s.got(waiters[0]))
		s.letGo(s.got(waiters[1]))
		took(t, start, 2*simLatency, 8*simLatency)
	})
}

func TestLockOfAnotherTypeIsNotAskedForBeforeItExpires(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		s.each(func(n *simNode) { n.set("k", otherType, 60_000) })
		waiter := s.wait(t.Context())
		time.Sleep(50 * time.Second)
		if n := s.attempts(); n > 2 {
			t.Errorf("%d attempts were made", n)
		}
		s.letGo(s.got(waiter))
	})
}

// TestSplitVotesResolveSoon has three who each are near another node, so that each gets that one's vote first, and whom no
// message reaches.
func TestSplitVotesResolveSoon(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		const away = 4 * time.Millisecond
		s.each(func(n *simNode) { n.silent = true })
		start := time.Now()
		var all sync.WaitGroup
		var once sync.Once
		for _, e := range []*sim{s.distant(0, away, away), s.distant(away, 0, away), s.distant(away, away, 0)} {
			all.Go(func() {
				lock := e.acquire()
				once.Do(func() { took(t, start, 0, time.Second) })
				lock.Release(context.Background()) // of which the others don't hear, so they come when it would have expired
			})
		}
		all.Wait()
	})
}

func TestLineIsOneAgainAfterAnOutage(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		s.another().acquire() // and dies
		waiters, _ := s.lineUp(1)
		s.each(func(n *simNode) { n.down = true })
		time.Sleep(30 * time.Second) // it has asked in vain
		// Who comes in an outage is told so.
		if _, err := s.try(); !errors.Is(err, ErrNoQuorum) || errors.Is(err, ErrAlreadyLocked) {
			t.Errorf("error is %v; want %v", err, ErrNoQuorum)
		}
		s.each(func(n *simNode) { n.down = false })
		lock := s.got(waiters[0])
		attempts := s.attempts()
		waiters, cancels := s.lineUp(3)
		if n := s.attempts(); n != attempts {
			t.Errorf("%d attempts were made by those who come to a line whose lock this process holds", n-attempts)
		}
		for i, cancel := range cancels {
			cancel()
			<-waiters[i]
		}
		s.letGo(lock)
	})
}

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
