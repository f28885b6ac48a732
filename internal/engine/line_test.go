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
