package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

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

func TestExtensionThatArrivesAfterTheOwedReleaseIsReleasedToo(t *testing.T) {
	// The server is stopped with the extension in its buffer. When it answers again it first deletes the key, as owed, and
	// only then reads the buffer.
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		time.Sleep(2 * simLatency)
		stopped := s.nodes[0]
		stopped.hang()
		if err := lock.Extend(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		buffered := stopped.hung
		stopped.with(func(n *simNode) { n.hung = nil })
		time.Sleep(3 * time.Second)
		s.wantNoKey()
		close(buffered)
		synctest.Wait()
		if stopped.owner("k") == "" {
			t.Fatal("the extension has not set the key again: the test tests nothing")
		}
		time.Sleep(20 * time.Second)
		s.wantNoKey()
	})
}

func TestExtensionDuringWhichTheMachineSleptPastTheDeadlineRevivesNothing(t *testing.T) {
	// No timer has fired yet when the answer is read.
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		s.nodes[0].with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		time.AfterFunc(50*time.Millisecond, func() { s.sleepAhead(time.Minute) })
		wantError(t, lock.Extend(t.Context(), time.Hour), ErrNotHeld, ErrLockLost)
		wantError(t, lock.Err(), ErrLockLost)
	})
}
