package engine

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lineFor is the line of an engine for "k".
func (s *sim) lineFor() *line {
	s.engine.lines.mu.Lock()
	defer s.engine.lines.mu.Unlock()
	return s.engine.lines.find(s.mutex, "k")
}

// forge has every node send a message to an engine.
func (s *sim) forge(message string) {
	s.each(func(n *simNode) { n.publish(engineChannel(s.engine.owners.name), message) })
}

// attempts counts the acquires, of either kind, that any node carried out. One that a quorum has refused already is not
// asked of the others any more.
func (s *sim) attempts() int {
	owners := make(map[string]bool)
	s.each(func(n *simNode) {
		for _, entry := range n.log {
			if op, owner, _ := strings.Cut(entry, " "); op == "acquire" || op == "queue" {
				owners[owner] = true
			}
		}
	})
	return len(owners)
}

func TestReleasesThatNodesSpeakOfOutOfStepAreHeard(t *testing.T) {
	// Each node speaks of two releases, the next one after the one before of course, but the second node comes to speak of
	// either only when the first has spoken of both.
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		s.another().acquire()
		s.wait(t.Context())
		s.settle()
		attempts := s.attempts()
		for _, n := range s.nodes {
			for _, id := range []string{"release1", "release2"} {
				n.with(func(n *simNode) { n.publish(keyChannel("k"), id) })
				time.Sleep(simLatency)
			}
		}
		s.settle()
		if s.attempts() == attempts {
			t.Error("a quorum of nodes spoke of each release, and nobody tried")
		}
	})
}

func TestWordOfAMinorityWakesNobody(t *testing.T) {
	simulate(t, 5, patientSettings, func(t *testing.T, s *sim) {
		s.another().acquire()
		s.wait(t.Context())
		s.settle()
		attempts := s.attempts()
		for range 2 { // the same node's word does not count twice
			for _, n := range s.nodes[:2] {
				n.with(func(n *simNode) { n.publish(keyChannel("k"), "release1") })
			}
		}
		s.settle()
		if s.attempts() != attempts {
			t.Error("somebody tried because of what two of five nodes said")
		}
	})
}

func TestAnnouncementThatChasesTheLockIsAnsweredAtLast(t *testing.T) {
	tests := map[string]func(a, b, x *sim) (next string){
		// The lock changes hands faster than messages travel: A thinks that it is B's, and B that it is A's.
		"to and fro": func(a, b, x *sim) string {
			b.lineFor().next = a.engine.owners.name
			return b.engine.owners.name
		},
		"where nobody knows":  func(a, b, x *sim) string { return "" },
		"back to who sent it": func(a, b, x *sim) string { return x.engine.owners.name },
	}
	for name, chase := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, patientSettings, func(t *testing.T, a *sim) {
				b, x := a.another(), a.another()
				for _, n := range a.nodes {
					n.put("k", "a lock @"+a.engine.owners.name, time.Hour)
				}
				for _, s := range []*sim{a, b} {
					_, cancels := s.lineUp(1) // for there to be a line
					cancels[0]()
				}
				a.settle()
				a.lineFor().next = chase(a, b, x)
				answered := false
				a.nodes[0].with(func(n *simNode) {
					n.lose = func(m string) bool {
						answered = answered || m == wakeMessage(goneID(1), nil, "k")
						return false
					}
				})
				x.wait(t.Context())
				a.settle()
				if !answered {
					t.Error("the announcement was never answered")
				}
			})
		})
	}
}

func TestEngineThatDoesNotKnowOfItsLockIsNotAskedInACircle(t *testing.T) {
	hour, forever := time.Hour, Forever
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		// A lock of an hour ends, to its holder, 36 s before its keys do. The holder's engine listens, for another key.
		other := s.another()
		for _, key := range []string{"k", "l"} {
			if _, err := other.mutex.Acquire(t.Context(), key, AcquireOptions{Expiration: &hour}); err != nil {
				t.Fatal(err)
			}
		}
		go other.mutex.Acquire(t.Context(), "l", AcquireOptions{Wait: &forever})
		time.Sleep(time.Hour - 36*time.Second)
		if n := len(other.engine.Held()); n != 0 {
			t.Fatal("the lock is still held: the test tests nothing")
		}
		attempts := s.attempts()
		waiter := s.wait(t.Context())
		time.Sleep(30 * time.Second)
		if n := s.attempts() - attempts; n < 6 || n > 100 {
			t.Errorf("%d attempts were made in 30 s in which the lock could not be had", n)
		}
		lock := s.got(waiter)
		if stands := s.nodes[0].owner("k"); stands != lock.claim.owner {
			t.Errorf("at the key stands %q; want %q", stands, lock.claim.owner)
		}
	})
}

func TestTurnThatComesWhenNobodyWaitsAnyMoreGoesOn(t *testing.T) {
	// Three wait, the holder knows of the second only. That one leaves at every moment of the hand-over.
	for _, nodes := range []int{1, 3} {
		for after := time.Duration(0); after <= 5*simLatency; after += simLatency / 4 {
			t.Run(fmt.Sprintf("%d nodes, after %v", nodes, after), func(t *testing.T) {
				simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
					told, untold := s.another(), s.another()
					held := s.renewed()
					_, cancels := s.lineUp(1) // for the engine to listen
					cancels[0]()
					s.each(func(n *simNode) { n.lose = func(string) bool { return true } })
					unheard := untold.wait(t.Context())
					s.settle()
					s.each(func(n *simNode) { n.lose = nil })
					ctx, cancel := context.WithCancel(t.Context())
					leaves := told.wait(ctx)
					s.settle()
					time.AfterFunc(after, cancel)
					start := time.Now()
					s.letGo(held)
					if a := <-leaves; a.err == nil {
						s.letGo(a.lock)
					}
					s.letGo(s.got(unheard))
					took(t, start, 0, after+8*simLatency)
				})
			})
		}
	}
}

func TestTurnIsPassedOnByAnEngineWithoutWaiters(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		idle := s.another()
		held := s.another().acquire()
		waiter := s.wait(t.Context())
		s.settle()
		_, cancels := idle.lineUp(1)
		cancels[0]()
		s.settle()
		attempts := s.attempts()
		idle.forge(wakeMessage("release1", []string{"nobody", s.engine.owners.name}, "k")) // nobody is dead
		idle.forge(wakeMessage("release2", []string{s.engine.owners.name}, "k"))
		s.settle()
		if s.attempts() != attempts+2 {
			t.Errorf("%d attempts after a turn that was passed on; want an acquire and a question", s.attempts()-attempts)
		}
		held.Release(t.Context())
		s.letGo(s.got(waiter))
	})
}

func TestTurnThatComesToWhoHoldsTheLockGoesOnAfterIt(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		lock := s.acquire()
		_, cancels := s.lineUp(1) // for the engine to listen
		cancels[0]()
		other := s.another()
		s.each(func(n *simNode) { n.silent = true }) // nobody hears that the other waits
		waiter := other.wait(t.Context())
		s.settle()
		s.each(func(n *simNode) {
			n.silent = false
			n.lose = func(m string) bool { return !strings.HasPrefix(m, "wake ") } // nor of releases but by name
		})
		s.forge(wakeMessage("release1", []string{other.engine.owners.name}, "k"))
		s.settle()
		start := time.Now()
		s.letGo(lock)
		s.letGo(s.got(waiter))
		took(t, start, simLatency, 8*simLatency)
	})
}

func TestHostileMessagesCostAttemptsAndNoMore(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprint("engine", i)
	}
	everybody := strings.Join(names, ",")
	const self = "%self"
	messages := []string{
		"", " ", "wake", "wake ", "wake  ", "wake   ", "wake id", "wake id -", "wake id - ", "wake id - k", "wake  - k", "wake id k",
		"wake id " + self + " k", "wake id " + self + "," + self + ",b," + self + " k", "wake id ,,,,, k", "wake id *,?,\x00 k",
		"wake " + long + " - k", "wake id " + long + " k", "wake id - " + long, "wake id " + everybody + " k", "wake id - k k\nk,k",
		"wait", "wait ", "wait a", "wait a 1", "wait a 1 0", "wait a 1 0 ", "wait a 1 0 k", "wait a -1 0 k", "wait a 1 -1 k", "wait a 1 99 k",
		"wait a 18446744073709551615 0 k", "wait a 18446744073709551616 0 k", "wait a 99999999999999999999999 0 k",
		"wait a 1 9223372036854775807 k", "wait a 0x1 0 k", "wait a 1e3 0 k", "wait - 1 0 k", "wait  1 0 k", "wait " + self + " 1 0 k",
		"wait " + long + " 1 0 k", "wait a*b 1 0 k", "wait a\nb 1 0 k", "wait a,b 1 0 k", "wait a 1 0 " + long, "wait a 1 0 k\n", "nonsense", long,
		"WAKE id - k", "\x00\xff\xfe", "wait \xff 1 0 k",
	}
	for name, stand := range map[string]func(s *sim) func(){
		"to an engine that holds the lock": func(s *sim) func() {
			lock := s.acquire()
			_, cancels := s.lineUp(1)
			cancels[0]()
			return func() { s.letGo(lock) }
		},
		"to one that holds it, and where others wait": func(s *sim) func() {
			lock := s.acquire()
			waiters, _ := s.lineUp(2)
			return func() {
				s.letGo(lock)
				for _, w := range waiters {
					s.letGo(s.got(w))
				}
			}
		},
		"to one that waits": func(s *sim) func() {
			lock := s.another().acquire()
			waiters, _ := s.lineUp(2)
			return func() {
				lock.Release(context.Background())
				for _, w := range waiters {
					s.letGo(s.got(w))
				}
			}
		},
		"to one that waited": func(s *sim) func() {
			lock := s.another().acquire()
			_, cancels := s.lineUp(1)
			cancels[0]()
			return func() { lock.Release(context.Background()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
				end := stand(s)
				s.settle()
				questions, _ := s.asked()
				for _, m := range messages {
					s.forge(strings.ReplaceAll(m, self, s.engine.owners.name))
					s.each(func(n *simNode) { n.publish(keyChannel("k"), m) })
					s.settle()
				}
				now, _ := s.asked()
				// A message may lead to an acquire, what undoes it, a question who holds the lock, and a message, at each node.
				if most := 2 * len(messages) * len(s.nodes) * 4; now-questions > most {
					t.Errorf("%d messages led to %d questions; want at most %d", len(messages), now-questions, most)
				}
				if ln := s.lineFor(); ln != nil {
					ln.mu.Lock()
					if len(ln.others) > maxOthers || len(ln.seen) > 4*maxOthers+1 {
						t.Errorf("the line knows of %d engines that wait, and %d announcements", len(ln.others), len(ln.seen))
					}
					ln.others = nil // or those would be told, and not the test's
					ln.mu.Unlock()
				}
				end()
				s.settle()
				s.wantNoKey()
				s.wantNothingLeft()
			})
		})
	}
}

func TestMessagesAreNotKept(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		s.acquire()
		s.lineUp(1)
		before := heapInUse()
		for i := range 100 {
			name := fmt.Sprint("engine", i)
			padding := strings.Repeat(" ", 1<<20)
			s.forge("wait " + name + " 1 0 k" + padding)
			s.forge("wake id" + name + " " + name + "," + strings.Repeat("*", 1<<20) + " k")
			s.forge("wake id" + name + " b" + name + " k")
			s.each(func(n *simNode) { n.publish(keyChannel("k"), padding) })
			s.settle()
		}
		if grown := int64(heapInUse()) - int64(before); grown > 8<<20 {
			t.Errorf("the heap grew by %d MB", grown>>20)
		}
	})
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAFloodOfAnnouncementsIsBounded(t *testing.T) {
	simulate(t, 1, patientSettings, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.lineUp(1)
		for i := range 5000 {
			s.forge(waitMessage(fmt.Sprint("engine", i), uint64(i+1), 0, "k"))
			if i%100 == 0 {
				s.settle()
			}
		}
		s.settle()
		ln := s.lineFor()
		if len(ln.others) > maxOthers || len(ln.seen) > 4*maxOthers+1 {
			t.Errorf("the line knows of %d engines that wait, and %d announcements", len(ln.others), len(ln.seen))
		}
		s.letGo(lock)
		synctest.Wait()
	})
}

func TestKeysOfAnyTextArePassedOn(t *testing.T) {
	for _, key := range []string{" ", "a b", "a\nb", "a,b", "- -", "wake id - k", strings.Repeat("k", 10_000), "\x00\xff", "key:", "%s", "schlüssel"} {
		t.Run(fmt.Sprintf("%.20q", key), func(t *testing.T) {
			simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
				engines := []*sim{s, s.another(), s.another()}
				held, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{Renew: true})
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				for _, at := range engines {
					for range 2 {
						go func() {
							lock, err := at.mutex.Acquire(t.Context(), key, AcquireOptions{})
							if err != nil {
								t.Error(err)
							} else {
								s.letGo(lock)
							}
							done <- struct{}{}
						}()
						s.settle()
					}
				}
				start := time.Now()
				s.letGo(held)
				for range 6 {
					<-done
				}
				took(t, start, 6*simLatency, 40*simLatency)
			})
		})
	}
}
