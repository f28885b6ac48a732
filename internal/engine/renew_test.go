package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// extensions records when node A carries out extensions, until the test ends.
func (s *sim) extensions() func() []time.Duration {
	var times []time.Duration
	var mu sync.Mutex
	start := time.Now()
	s.nodes[0].with(func(n *simNode) {
		n.refuseOp = func(o op) error {
			mu.Lock()
			defer mu.Unlock()
			if o == extend {
				times = append(times, time.Since(start))
			}
			return nil
		}
	})
	return func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return times
	}
}

// nextRenewal is how long it is until the next renewal.
func (s *sim) nextRenewal() time.Duration {
	r := &s.engine.renewals
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue[0].due - r.clock.now().mono
}

func TestRenewalComesAboutAThirdOfTheExpirationAfterTheLast(t *testing.T) {
	for _, expiration := range []time.Duration{10 * MinExpiration, time.Second, 30 * time.Second, 10 * time.Minute} {
		t.Run(fmt.Sprint(expiration), func(t *testing.T) {
			simulate(t, 3, Settings{Expiration: expiration}, func(t *testing.T, s *sim) {
				times := s.extensions()
				lock := s.renewed()
				time.Sleep(10 * expiration)
				if err := lock.Err(); err != nil {
					t.Fatal(err)
				}
				if n := len(times()); n < 30 || n > 36 {
					t.Errorf("%d renewals in ten times the expiration", n)
				}
				last := time.Duration(0)
				for _, at := range times() {
					// A third, less a random eighth of that, and a thirtieth of the expiration to gather.
					if d := at - last; d > expiration/3+5*simLatency || d < expiration/3*7/8-expiration/30-simLatency {
						t.Errorf("%v between two renewals", d)
					}
					last = at
				}
				if left := time.Until(lock.Until()); left < expiration/2 || left > expiration {
					t.Errorf("the lock is valid for %v more", left)
				}
				s.letGo(lock)
				s.settle()
				s.wantNoKey()
				before := len(times())
				time.Sleep(2 * expiration)
				if n := len(times()); n != before {
					t.Error("a lock was renewed that had been released")
				}
				s.wantNothingLeft()
			})
		})
	}
}

func TestLockThatIsNotToBeRenewedIsNot(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		times := s.extensions()
		lock := s.acquire()
		time.Sleep(11 * time.Second)
		wantError(t, lock.Err(), ErrLockLost, errExpired)
		if n := len(times()); n != 0 {
			t.Errorf("it was extended %d times", n)
		}
	})
}

func TestRenewalIsTriedAgainUntilTheDeadline(t *testing.T) {
	tests := map[string]struct{ change, back func(n *simNode) }{
		"down":              {func(n *simNode) { n.down = true }, func(n *simNode) { n.down = false }},
		"mute":              {func(n *simNode) { n.mute = true }, func(n *simNode) { n.mute = false }},
		"slow":              {func(n *simNode) { n.latency = time.Minute }, func(n *simNode) { n.latency = simLatency }},
		"refusing":          {func(n *simNode) { n.refuse = serverError("LOADING") }, func(n *simNode) { n.refuse = nil }},
		"refusing for good": {func(n *simNode) { n.refuse = serverError("NOPERM no") }, func(n *simNode) { n.refuse = nil }},
		"hung":              {func(n *simNode) { n.hung = make(chan struct{}) }, func(n *simNode) { close(n.hung); n.hung = nil }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
				lock := s.renewed()
				time.Sleep(3500 * time.Millisecond) // renewed once
				until := lock.Until()
				s.each(test.change)
				time.AfterFunc(5500*time.Millisecond, func() { s.each(test.back) })
				time.Sleep(time.Until(until))
				if err := lock.Err(); err != nil {
					t.Fatalf("the nodes were back in time, and yet: %v", err)
				}
				time.Sleep(time.Minute)
				s.letGo(lock)
				time.Sleep(time.Minute)
				s.wantNoKey()
			})
		})
	}
}

func TestRenewedLockIsLostAtItsDeadlineWhenTheNodesAreGone(t *testing.T) {
	for name, gone := range map[string]func(n *simNode){
		"down":  func(n *simNode) { n.down = true },
		"mute":  func(n *simNode) { n.mute = true },
		"slow":  func(n *simNode) { n.latency = 20 * time.Second },
		"error": func(n *simNode) { n.refuse = serverError("ERR no") },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
				var extended []error
				s.engine.trace.Renewed = func(e Event) { extended = append(extended, e.Err) }
				lock := s.renewed()
				time.Sleep(3500 * time.Millisecond)
				for _, n := range s.nodes[:2] {
					n.with(gone)
				}
				deadline := lock.Until()
				<-lock.Done()
				if late := time.Since(deadline); late < 0 || late > time.Millisecond {
					t.Errorf("it was lost %v after its deadline", late)
				}
				wantError(t, lock.Err(), ErrLockLost, errExpired)
				if !strings.Contains(lock.Err().Error(), "before a renewal succeeded") {
					t.Errorf("the loss doesn't explain itself: %v", lock.Err())
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(extended) < 5 || extended[0] != nil {
					t.Errorf("%d renewals were tried; the first said %v", len(extended), extended[0])
				}
				for _, err := range extended[1:] {
					wantError(t, err, ErrNoQuorum)
				}
			})
		})
	}
}

func TestRenewalThatMeetsAnotherOwnerAtAQuorumLosesTheLockAtOnce(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		waiter := s.wait(t.Context())
		s.settle()
		for _, n := range s.nodes[1:] {
			n.put("k", "another's", 5*time.Second)
		}
		times := s.extensions()
		start := time.Now()
		<-lock.Done()
		took(t, start, times()[0], times()[0]+simLatency)
		wantError(t, lock.Err(), ErrLockLost, errTakenOver)
		if owner := s.nodes[1].owner("k"); owner != "another's" {
			t.Errorf("at the key stands %q", owner)
		}
		wantError(t, lock.Release(t.Context()), ErrNotHeld)
		s.letGo(s.got(waiter))
		s.settle()
		s.wantNoKey()
	})
}

func TestRenewalSurvivesAnotherOwnerAtAMinority(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		s.nodes[0].put("k", "another's", time.Minute)
		time.Sleep(30 * time.Second)
		if err := lock.Err(); err != nil {
			t.Fatal(err)
		}
		s.letGo(lock)
	})
}

func TestRenewalSetsTheKeyAgainWhereANodeLostIt(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		for _, n := range s.nodes {
			time.Sleep(4 * time.Second)
			n.restart()
		}
		time.Sleep(4 * time.Second)
		if err := lock.Err(); err != nil {
			t.Fatal(err)
		}
		for i, n := range s.nodes {
			if n.owner("k") != lock.claim.owner {
				t.Errorf("node %c has not got the lock back", 'A'+i)
			}
		}
		s.letGo(lock)
		s.settle()
		s.wantNoKey()
	})
}

func TestMaxHoldEndsRenewalAndSaysSo(t *testing.T) {
	second := time.Second
	for _, test := range []struct{ expiration, maxHold, want time.Duration }{
		{10 * second, 25 * second, 25 * second},
		{10 * second, 10 * second, 10 * second},
		{10 * second, 10*second - 50*time.Millisecond, 10*second - 50*time.Millisecond}, // longer than the first validity
		{10 * second, time.Second, 10*second - 102*time.Millisecond},                    // which max_hold does not shorten
		{10 * second, 1, 10*second - 102*time.Millisecond},
		{time.Minute, 24 * time.Minute, 24 * time.Minute},
		{100 * time.Millisecond, second, second},
	} {
		t.Run(fmt.Sprintf("%v of %v", test.maxHold, test.expiration), func(t *testing.T) {
			simulate(t, 3, Settings{Expiration: test.expiration, MaxHold: test.maxHold}, func(t *testing.T, s *sim) {
				times := s.extensions()
				start := time.Now()
				lock := s.renewed()
				<-lock.Done()
				// What a node grants are whole milliseconds.
				took(t, start, test.want-3*time.Millisecond, test.want+time.Microsecond)
				wantError(t, lock.Err(), ErrLockLost)
				if test.want == test.maxHold && !strings.Contains(lock.Err().Error(), fmt.Sprint("max_hold of ", test.maxHold)) {
					t.Errorf("the loss doesn't name max_hold: %v", lock.Err())
				}
				if most := int(test.want/(test.expiration/4)) + 1; len(times()) > most {
					t.Errorf("it was extended %d times; want at most %d", len(times()), most)
				}
				time.Sleep(2 * test.expiration)
				s.wantNoKey()
				s.wantNothingLeft()
			})
		})
	}
}

func TestLockThatEndsBeforeMaxHoldForLackOfNodesNamesThem(t *testing.T) {
	simulate(t, 3, Settings{MaxHold: 15 * time.Second}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		time.Sleep(4 * time.Second) // renewed once, for the full expiration; the next one is to be the last
		s.each(func(n *simNode) { n.down = true })
		<-lock.Done()
		if !strings.Contains(lock.Err().Error(), "before a renewal succeeded") {
			t.Errorf("it ended since no renewal succeeded, but says: %v", lock.Err())
		}
	})
}

// TestReleaseAtAnyMomentOfARenewalLeavesNoKey releases just before, during and just after the first renewal.
func TestReleaseAtAnyMomentOfARenewalLeavesNoKey(t *testing.T) {
	for name, trouble := range map[string]func(s *sim){
		"all is well":       func(s *sim) {},
		"a node is slow":    func(s *sim) { s.nodes[0].with(func(n *simNode) { n.latency = 300 * time.Millisecond }) },
		"a node is slower":  func(s *sim) { s.nodes[0].with(func(n *simNode) { n.latency = 2 * time.Second }) },
		"a node is mute":    func(s *sim) { s.nodes[0].with(func(n *simNode) { n.mute = true }) },
		"connections break": func(s *sim) { s.each(func(n *simNode) { n.cut = true }) },
		"a node hangs":      func(s *sim) { s.nodes[0].hang() },
		"a node forgot it":  func(s *sim) { s.nodes[0].remove("k") },
	} {
		for _, waits := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, somebody waits %v", name, waits), func(t *testing.T) {
				settings := Settings{Expiration: 2 * time.Minute, NodeTimeout: 500 * time.Millisecond, Wait: Forever}
				for after := -simLatency; after <= 3*simLatency; after += simLatency / 2 {
					simulate(t, 3, settings, func(t *testing.T, s *sim) {
						lock := s.renewed()
						var waiter <-chan acquired
						if waits {
							waiters, _ := s.lineUp(2)
							s.letGo(lock)
							lock, waiter = s.got(waiters[0]), waiters[1]
							lock.renew()
							s.settle()
						}
						time.Sleep(s.nextRenewal() - 2*simLatency)
						trouble(s)
						time.Sleep(2*simLatency + after)
						lock.Release(t.Context())
						s.settle()
						if waits {
							s.got(waiter).Release(t.Context())
						}
						time.Sleep(3 * time.Second)
						s.mend()
						time.Sleep(time.Minute)
						s.wantNoKey()
					})
				}
			})
		}
	}
}

func TestSuspendedMachineRenewsWhatIsStillValid(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		time.Sleep(time.Second)
		s.sleepAhead(8500 * time.Millisecond) // 398 ms are left
		time.Sleep(time.Second)
		if err := lock.Err(); err != nil {
			t.Fatalf("there was time to renew it: %v", err)
		}
		s.sleepAhead(9900 * time.Millisecond)
		if lock.Err() == nil {
			t.Error("the machine slept beyond the end of its validity")
		}
	})
}

func TestRenewalDuringWhichTheMachineSleepsRevivesNothing(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		s.each(func(n *simNode) { n.latency = 100 * time.Millisecond })
		time.Sleep(s.nextRenewal() + 50*time.Millisecond)
		s.sleepAhead(8 * time.Second)
		time.Sleep(time.Second)
		wantError(t, lock.Err(), ErrLockLost)
	})
}

func TestCallersExtensionsAndRenewalsGoTogether(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.renewed()
		time.Sleep(time.Second)
		if err := lock.Extend(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		until := lock.Until()
		time.Sleep(40 * time.Second)
		if lock.Until().Before(until) {
			t.Error("a renewal shortened the lock")
		}
		time.Sleep(5 * time.Minute)
		if err := lock.Err(); err != nil {
			t.Fatalf("the renewals ended with the caller's: %v", err)
		}
		// A shorter one neither shortens nor puts the renewals off.
		if err := lock.Extend(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.letGo(lock)
		s.settle()
		s.wantNoKey()
	})
}

func TestCloseEndsRenewals(t *testing.T) {
	for name, trouble := range map[string]func(n *simNode){
		"all is well": func(*simNode) {},
		"mute":        func(n *simNode) { n.mute = true },
		"down":        func(n *simNode) { n.down = true },
	} {
		for _, wait := range []time.Duration{time.Second, 3334 * time.Millisecond, 3500 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, after %v", name, wait), func(t *testing.T) {
				simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
					lock := s.renewed()
					time.Sleep(time.Second)
					s.each(trouble)
					time.Sleep(wait - time.Second)
					start := time.Now()
					s.engine.Close()
					took(t, start, 0, 1001*time.Millisecond)
					wantError(t, lock.Err(), ErrLockLost, ErrClosed)
					questions, _ := s.asked()
					time.Sleep(time.Minute)
					if now, _ := s.asked(); now != questions {
						t.Error("somebody asks still")
					}
				})
			})
		}
	}
}

func TestRenewalsTravelTogetherAndNeedFewGoroutines(t *testing.T) {
	const locks = 1000
	simulate(t, 3, Settings{Expiration: 30 * time.Second}, func(t *testing.T, s *sim) {
		var all sync.WaitGroup
		held := make([]*Lock, locks)
		for i := range held {
			all.Go(func() {
				lock, err := s.mutex.Acquire(t.Context(), fmt.Sprint("k", i), AcquireOptions{Renew: true})
				if err != nil {
					t.Error(err)
				}
				held[i] = lock
			})
		}
		all.Wait()
		synctest.Wait()
		before, _ := s.nodes[0].received()
		questions := s.nodes[0].questions()
		time.Sleep(100 * time.Second)
		batches, _ := s.nodes[0].received()
		batches -= before
		questions = s.nodes[0].questions() - questions
		if questions < 9*locks || questions > 12*locks {
			t.Errorf("%d renewals of %d locks in ten thirds of their expiration", questions, locks)
		}
		if perBatch := questions / batches; perBatch < 20 {
			t.Errorf("a batch renewed %d locks", perBatch)
		}
		if n := runtime.NumGoroutine(); n > 30 {
			t.Errorf("there are %d goroutines", n)
		}
		for _, lock := range held {
			if err := lock.Err(); err != nil {
				t.Fatal(err)
			}
			all.Go(func() { lock.Release(context.Background()) })
		}
		all.Wait()
		s.wantNothingLeft()
	})
}

func TestRenewalOfALockThatEndedChangesNothing(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.letGo(lock)
		lock.renew()
		lock.renew()
		time.Sleep(time.Minute)
		if n := len(s.engine.renewals.queue); n != 0 {
			t.Errorf("%d renewals are planned", n)
		}
		if err := lock.Err(); !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}
		s.wantNoKey()
	})
}

// TestLateAcquireIsReleasedAlthoughARenewalWasDeletedBeforeItCame has a node carry out the acquire only after the lock was
// renewed there, and released.
func TestLateAcquireIsReleasedAlthoughARenewalWasDeletedBeforeItCame(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("handed over %v", waits), func(t *testing.T) {
			settings := Settings{Expiration: 2 * time.Minute, NodeTimeout: 500 * time.Millisecond, Wait: Forever}
			simulate(t, 3, settings, func(t *testing.T, s *sim) {
				slow := func(n *simNode) { n.latency = 3 * time.Minute }
				var lock *Lock
				if waits {
					held, waiter := s.passed()
					s.nodes[0].with(slow)
					s.letGo(held)
					lock = s.got(waiter)
					lock.renew()
				} else {
					s.nodes[0].with(slow)
					lock = s.renewed()
				}
				time.Sleep(time.Second)
				s.nodes[0].with(func(n *simNode) { n.latency = simLatency })
				time.Sleep(50 * time.Second)
				if s.nodes[0].owner("k") != lock.claim.owner {
					t.Fatal("the lock was not renewed where it was not got yet: the test tests nothing")
				}
				s.letGo(lock)
				time.Sleep(70 * time.Second) // by when the acquire has come
				s.wantNoKey()
				time.Sleep(2 * time.Minute)
			})
		})
	}
}
