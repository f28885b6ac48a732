package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestValidityIsShorterThanTheExpirationByElapsedTimeAndDrift(t *testing.T) {
	simulate(t, 3, Settings{Expiration: 10 * time.Second}, func(t *testing.T, s *sim) {
		for _, n := range s.nodes {
			n.with(func(n *simNode) { n.latency = 300 * time.Millisecond })
		}
		start := time.Now()
		lock := s.acquire()
		if got, want := lock.Until().Sub(start), 10*time.Second-100*time.Millisecond-2*time.Millisecond; got != want {
			t.Errorf("valid until %v after the start; want %v", got, want)
		}
	})
}

func TestValidityCountsWholeMillisecondsAsTheNodesDo(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		expiration := 20*time.Millisecond + 999*time.Microsecond
		start := time.Now()
		lock, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Expiration: &expiration})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := lock.Until().Sub(start), 20*time.Millisecond-200*time.Microsecond-2*time.Millisecond; got != want {
			t.Errorf("valid until %v after the start; want %v", got, want)
		}
		if err := lock.Extend(t.Context(), 10*time.Second+999*time.Microsecond); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Until(lock.Until()), 10*time.Second-102*time.Millisecond; got > want {
			t.Errorf("extended by %v; want at most %v", got, want)
		}
	})
}

func TestLockIsLostWhenItsValidityEndsAndNotLater(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		var lost error
		s.engine.trace.Lost = func(e Event) { lost = e.Err }
		lock := s.acquire()
		if err := lock.Err(); err != nil {
			t.Errorf("a lock that is held has error %v", err)
		}
		<-lock.Done()
		if got := time.Now(); !got.Equal(lock.Until()) {
			t.Errorf("lost %v after the end of validity", got.Sub(lock.Until()))
		}
		for _, n := range s.nodes {
			if n.owner("k") == "" {
				t.Error("a node's key expired before the lock was lost")
			}
		}
		wantError(t, lock.Err(), ErrLockLost)
		synctest.Wait()
		wantError(t, lost, ErrLockLost)
		if held := s.engine.Held(); len(held) != 0 {
			t.Errorf("%d locks are held", len(held))
		}
	})
}

func TestSuspendedMachineLosesItsLocks(t *testing.T) {
	// The wall clock goes on while the machine sleeps; Go's monotonic clock, and with it every timer, stands still.
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(time.Second)
		s.sleepAhead(time.Minute)
		if err := lock.Err(); !errors.Is(err, ErrLockLost) {
			t.Errorf("after a minute's sleep the lock of 10 s has error %v", err)
		}
		s.nodes[0].remove("k")

		lock = s.acquire()
		time.Sleep(time.Second)
		s.sleepAhead(time.Minute)
		woke := time.Now()
		<-lock.Done() // nobody asks; the watch compares the clocks
		took(t, woke, 0, vigilance)
	})
}

func TestWallClockSetBackDoesNotLengthenALock(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.sleepAhead(-time.Hour)
		start := time.Now()
		<-lock.Done()
		took(t, start, 9*time.Second, 10*time.Second)
	})
}

func TestReleaseNeverDeletesAnotherOwnersLock(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		for _, n := range s.nodes {
			n.put("k", "other", time.Minute)
		}
		err := lock.Release(t.Context())
		wantError(t, err, ErrNotHeld)
		for _, n := range s.nodes {
			if n.owner("k") != "other" {
				t.Error("a release deleted another owner's lock")
			}
		}
	})
}

func TestReleaseAfterLossReturnsNotHeldAndHarmsNobody(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(11 * time.Second)
		next := s.acquire()
		err := lock.Release(t.Context())
		wantError(t, err, ErrNotHeld, ErrLockLost)
		wantError(t, lock.Extend(t.Context(), time.Minute), ErrNotHeld)
		time.Sleep(10 * simLatency)
		if err := next.Release(t.Context()); err != nil {
			t.Errorf("the next owner's lock suffered: %v", err)
		}
	})
}

func TestSecondReleaseReturnsNotHeldWithoutAskingAnyone(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked := s.nodes[0].questions()
		wantError(t, lock.Release(t.Context()), ErrNotHeld)
		wantError(t, lock.Err(), ErrNotHeld)
		if errors.Is(lock.Err(), ErrLockLost) {
			t.Error("a released lock says it was lost")
		}
		select {
		case <-lock.Done():
		default:
			t.Error("Done of a released lock is open")
		}
		if s.nodes[0].questions() != asked {
			t.Error("the second release asked the node")
		}
	})
}

func TestReleaseIgnoresACancelledContext(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lock.Release(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.wantNoKey()
	})
}

func TestReleaseTakesNoLongerThanTheNodeBudget(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].hang()
		s.nodes[1].hang()
		start := time.Now()
		err := lock.Release(t.Context())
		took(t, start, 500*time.Millisecond, 500*time.Millisecond)
		wantError(t, err, ErrNoQuorum)
		s.nodes[0].resume()
		s.nodes[1].resume()
		time.Sleep(3 * simReconnection)
		s.wantNoKey()
	})
}

func TestOwedReleaseIsMadeUpForWhenTheNodeReturns(t *testing.T) {
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[2].with(func(n *simNode) { n.down = true })
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s.nodes[2].owner("k") == "" {
			t.Fatal("the node that is down lost its key: the test tests nothing")
		}
		s.nodes[2].with(func(n *simNode) { n.down = false })
		time.Sleep(2 * simReconnection)
		s.wantNoKey()
	})
}

func TestOwedReleaseIsForgottenOnceTheKeyMustHaveExpired(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].with(func(n *simNode) { n.down = true })
		wantError(t, lock.Release(t.Context()), ErrNoQuorum)
		time.Sleep(12 * time.Second)
		s.nodes[0].with(func(n *simNode) { n.down = false })
		time.Sleep(3 * simReconnection)
		lane := s.mutex.groups[0][0].lane
		lane.mu.Lock()
		defer lane.mu.Unlock()
		if len(lane.owed) != 0 {
			t.Errorf("%d releases are still owed", len(lane.owed))
		}
	})
}

func TestLockThatExpiresKeepsItsKeysUntilTheyExpire(t *testing.T) {
	// Whoever has not noticed yet that the lock is lost still has the drift to himself.
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		if err := lock.Extend(t.Context(), 5*time.Second); err != nil {
			t.Fatal(err)
		}
		<-lock.Done()
		time.Sleep(10 * time.Millisecond)
		for i, n := range s.nodes {
			if n.owner("k") == "" {
				t.Errorf("node %c has dropped the key before it expired", 'A'+i)
			}
		}
	})
}
