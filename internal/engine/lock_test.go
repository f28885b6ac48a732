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
		s.engine.trace.Lost = func(_, _ string, err error) { lost = err }
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

func TestExtendMovesTheEndOfValidity(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(5 * time.Second)
		start := time.Now()
		if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if got, want := lock.Until().Sub(start), 20*time.Second-202*time.Millisecond; got != want {
			t.Errorf("valid for %v; want %v", got, want)
		}
		<-lock.Done()
		took(t, start, 19*time.Second, 20*time.Second)
		for _, n := range s.nodes {
			if n.owner("k") == "" {
				t.Error("a node's key expired before the lock was lost")
			}
		}
	})
}

func TestExtendSetsTheKeyAgainWhereANodeLostIt(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].remove("k")
		if err := lock.Extend(t.Context(), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s.nodes[0].owner("k") != s.nodes[1].owner("k") {
			t.Error("the node that lost its data doesn't vote again")
		}
	})
}

func TestExtendNeverOverwritesAnotherOwner(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].put("k", "other", time.Hour)
		if err := lock.Extend(t.Context(), 10*time.Second); err != nil {
			t.Fatalf("two of three still agree, but: %v", err)
		}
		s.nodes[1].put("k", "other", time.Hour)
		wantError(t, lock.Extend(t.Context(), 10*time.Second), ErrNotHeld)
		wantError(t, lock.Err(), ErrLockLost)
		if s.nodes[0].owner("k") != "other" || s.nodes[1].owner("k") != "other" {
			t.Error("an extension overwrote another owner's value")
		}
	})
}

func TestExtensionThatArrivesAfterTheDeadlineRevivesNothing(t *testing.T) {
	simulate(t, 1, Settings{NodeTimeout: time.Second, Expiration: 10 * time.Second}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].with(func(n *simNode) { n.latency = 600 * time.Millisecond })
		time.Sleep(time.Until(lock.Until()) - 500*time.Millisecond)
		err := lock.Extend(t.Context(), time.Minute)
		wantError(t, err, ErrNotHeld, ErrLockLost)
		wantError(t, lock.Err(), ErrLockLost)
	})
}

func TestExtensionWithoutQuorumLeavesTheOldDeadline(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		until := lock.Until()
		s.nodes[0].with(func(n *simNode) { n.down = true })
		s.nodes[1].with(func(n *simNode) { n.down = true })
		wantError(t, lock.Extend(t.Context(), time.Minute), ErrNoQuorum)
		if lock.Err() != nil || !lock.Until().Equal(until) {
			t.Errorf("error %v, valid until %v; want a lock valid until %v", lock.Err(), lock.Until(), until)
		}
		<-lock.Done()
		if got := time.Now(); !got.Equal(until) {
			t.Errorf("lost %v after the end of validity", got.Sub(until))
		}
	})
}

func TestExtensionNeverShortens(t *testing.T) {
	simulate(t, 3, Settings{Expiration: time.Minute}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		until := lock.Until()
		if err := lock.Extend(t.Context(), 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if !lock.Until().Equal(until) {
			t.Errorf("valid until %v; want %v as before", lock.Until(), until)
		}
		<-lock.Done()
		for _, n := range s.nodes {
			if n.owner("k") == "" {
				t.Error("a node's key expired before the lock was lost")
			}
		}
	})
}

func TestExtensionAfterASleepOfTheMachineLengthensNothingWithoutQuorum(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(time.Second)
		s.sleepAhead(5 * time.Second) // by the nodes' clocks 4 s are left
		s.nodes[0].with(func(n *simNode) { n.down = true })
		wantError(t, lock.Extend(t.Context(), 8*time.Second), ErrNoQuorum)
		start := time.Now()
		<-lock.Done()
		took(t, start, 3*time.Second, 4*time.Second)
	})
}

func TestDelayedExtensionTakesNothingFromALaterOne(t *testing.T) {
	// The first extension times out on its way and arrives behind the second, which is longer.
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.delayOneQuestion()
		wantError(t, lock.Extend(t.Context(), 10*time.Second), ErrNoQuorum)
		if err := lock.Extend(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Second)
		if _, err := s.try(); !errors.Is(err, ErrAlreadyLocked) || lock.Err() != nil {
			t.Errorf("the lock has error %v, and the next acquire %v", lock.Err(), err)
		}
	})
}

func TestDelayedExtensionBringsNoKeyBackAfterTheRelease(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.delayOneQuestion()
		wantError(t, lock.Extend(t.Context(), 10*time.Second), ErrNoQuorum)
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
		if s.nodes[0].owner("k") == "" {
			t.Fatal("the extension has not set the key again: the test tests nothing")
		}
		time.Sleep(5 * time.Second)
		s.wantNoKey()
	})
}

func TestExtensionThatAHungMinorityCarriesOutLateIsReleased(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(2 * simLatency)
		s.nodes[2].hang()
		if err := lock.Extend(t.Context(), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		<-lock.Done() // and nobody releases it
		time.Sleep(5 * time.Second)
		s.nodes[2].resume()
		if s.nodes[2].owner("k") == "" {
			t.Fatal("the node has not set the key again: the test tests nothing")
		}
		time.Sleep(5 * time.Second)
		s.wantNoKey()
	})
}

func TestExtendWithACancelledContextChangesNothing(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		until := lock.Until()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, lock.Extend(ctx, time.Minute), context.Canceled)
		if !lock.Until().Equal(until) {
			t.Error("the deadline moved")
		}
	})
}

func TestReleaseAfterAnExtensionOnANodeThatHadNoKeyDeletesItThere(t *testing.T) {
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		s.nodes[2].with(func(n *simNode) { n.down = true })
		lock := s.acquire()
		s.nodes[2].with(func(n *simNode) { n.down = false })
		time.Sleep(3 * simReconnection)
		if err := lock.Extend(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(simLatency)
		if s.nodes[2].owner("k") == "" {
			t.Fatal("the extension did not reach the node: the test tests nothing")
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * simLatency)
		s.wantNoKey()
	})
}

func TestExists(t *testing.T) {
	tests := map[string]struct {
		prepare func(nodes []*simNode)
		want    bool
		err     error
	}{
		"nothing": {prepare: func([]*simNode) {}},
		"a quorum of one owner": {want: true, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[2].put("k", "a", time.Minute)
		}},
		"a minority": {prepare: func(nodes []*simNode) { nodes[0].put("k", "a", time.Minute) }},
		"as many owners as nodes": {prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].put("k", "b", time.Minute)
			nodes[2].put("k", "c", time.Minute)
		}},
		"another library's hash": {want: true, prepare: func(nodes []*simNode) {
			for _, n := range nodes {
				n.put("k", otherType, time.Minute)
			}
		}},
		"a quorum despite one down": {want: true, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].down = true
			nodes[2].put("k", "a", time.Minute)
		}},
		"free despite one down": {prepare: func(nodes []*simNode) { nodes[1].down = true }},
		"the one down decides": {err: ErrNoQuorum, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].down = true
		}},
		"too few answer": {err: ErrNoQuorum, prepare: func(nodes []*simNode) {
			nodes[0].down = true
			nodes[1].down = true
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
				test.prepare(s.nodes)
				got, err := s.mutex.Exists(t.Context(), "k")
				if got != test.want || !errors.Is(err, test.err) {
					t.Errorf("%v, %v; want %v, %v", got, err, test.want, test.err)
				}
			})
		})
	}
}

func TestExtensionThatArrivesAfterTheLossLeavesNoKey(t *testing.T) {
	simulate(t, 3, Settings{Expiration: 2 * time.Second, NodeTimeout: 100 * time.Millisecond}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		for _, n := range s.nodes {
			n.hang()
		}
		wantError(t, lock.Extend(t.Context(), time.Hour), ErrNoQuorum)
		<-lock.Done()
		time.Sleep(time.Second) // the keys have expired too
		for _, n := range s.nodes {
			n.resume() // and carries out the extension
		}
		time.Sleep(10 * time.Second)
		s.wantNoKey()
	})
}

func TestExtensionThatAMinorityCarriedOutEndsWithTheLock(t *testing.T) {
	simulate(t, 3, Settings{Expiration: 2 * time.Second, NodeTimeout: 100 * time.Millisecond}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].with(func(n *simNode) { n.down = true })
		s.nodes[1].with(func(n *simNode) { n.down = true })
		wantError(t, lock.Extend(t.Context(), time.Hour), ErrNoQuorum)
		<-lock.Done()
		time.Sleep(time.Second)
		s.wantNoKey()
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
