package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneHolderAtATime(t *testing.T) {
	for _, nodes := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			simulate(t, nodes, Settings{}, func(t *testing.T, s *sim) {
				lock := s.acquire()
				_, err := s.try()
				wantError(t, err, ErrAlreadyLocked)
				if err := lock.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.acquire()
			})
		})
	}
}

func TestAcquireAsksAllNodesAtOnce(t *testing.T) {
	simulate(t, 5, Settings{}, func(t *testing.T, s *sim) {
		start := time.Now()
		s.acquire()
		took(t, start, simLatency, simLatency)
	})
}

func TestEveryAttemptHasAnOwnerOfItsOwn(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		seen := make(map[string]bool)
		for range 100 {
			lock := s.acquire()
			owner := s.nodes[0].owner("k")
			if seen[owner] {
				t.Fatalf("owner %q stands a second time", owner)
			}
			if random, _, _ := strings.Cut(owner, " "); len(random) < 27 {
				t.Fatalf("owner %q starts with fewer than 160 random bits", owner)
			}
			seen[owner] = true
			lock.Release(t.Context())
		}
	})
}

func TestMinorityThatDoesNotAnswerCostsNoLatency(t *testing.T) {
	for name, fail := range map[string]func(*simNode){
		"hung": (*simNode).hang,
		"down": func(n *simNode) { n.with(func(n *simNode) { n.down = true }) },
		"mute": func(n *simNode) { n.with(func(n *simNode) { n.mute = true }) },
		"slow": func(n *simNode) { n.with(func(n *simNode) { n.latency = time.Minute }) },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 5, Settings{}, func(t *testing.T, s *sim) {
				fail(s.nodes[1])
				fail(s.nodes[3])
				for range 20 {
					start := time.Now()
					lock := s.acquire()
					if err := lock.Release(t.Context()); err != nil {
						t.Fatal(err)
					}
					took(t, start, 2*simLatency, 2*simLatency)
				}
				if name == "hung" {
					s.nodes[1].resume()
					s.nodes[3].resume()
				}
				time.Sleep(time.Minute) // until nothing is under way
				s.wantNoKey()
			})
		})
	}
}

func TestMajorityThatDoesNotAnswerIsReportedWithinTheNodeBudget(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].hang()
		s.nodes[2].with(func(n *simNode) { n.mute = true })
		start := time.Now()
		_, err := s.try()
		took(t, start, 500*time.Millisecond, 500*time.Millisecond)
		wantError(t, err, ErrNoQuorum)
		if text := err.Error(); !strings.Contains(text, "A: timeout") || !strings.Contains(text, "B: granted") ||
			!strings.Contains(text, "C: timeout") {
			t.Errorf("the error doesn't name each node's answer: %v", err)
		}
		time.Sleep(2 * simLatency)
		if owner := s.nodes[1].owner("k"); owner != "" {
			t.Errorf("the node that answered still holds %q", owner)
		}
		s.nodes[0].resume()
	})
}

func TestMajorityDownIsReportedAtOnce(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		for _, n := range s.nodes[:2] {
			n.with(func(n *simNode) { n.down = true })
		}
		start := time.Now()
		_, err := s.try()
		took(t, start, 0, 2*simLatency)
		wantError(t, err, ErrNoQuorum)
		if errors.Is(err, ErrAlreadyLocked) {
			t.Errorf("%v; nobody holds the lock", err)
		}
		time.Sleep(2 * simLatency)
		s.wantNoKey()
	})
}

func TestLostAnswerDoesNotBlockTheNextAttempt(t *testing.T) {
	for name, lose := range map[string]func(*simNode){
		"never arrives": func(n *simNode) { n.mute = true },
		"breaks off":    func(n *simNode) { n.cut = true },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
				s.nodes[0].with(lose)
				_, err := s.try()
				wantError(t, err, ErrNoQuorum)
				if s.nodes[0].owner("k") == "" && name == "never arrives" {
					t.Fatal("the node did not carry the question out: the test tests nothing")
				}
				s.nodes[0].with(func(n *simNode) { n.mute = false })
				time.Sleep(2 * simReconnection) // until the lane's probe finds the node answering
				lock, err := s.try()
				if err != nil {
					t.Fatalf("the next attempt met the key of the first: %v", err)
				}
				lock.Release(t.Context())
			})
		})
	}
}

func TestRetryWaitsForTheReleaseOfTheAttemptBefore(t *testing.T) {
	// Each attempt gets one node of three; the others are taken until 1 s. A retry that overtook the release of its own
	// first attempt would find node A taken by itself.
	simulate(t, 3, Settings{Wait: 5 * time.Second, RetryInterval: time.Millisecond}, func(t *testing.T, s *sim) {
		s.nodes[1].put("k", "other", time.Second)
		s.nodes[2].put("k", "other", time.Second)
		s.acquire()
		n := s.nodes[0]
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, entry := range n.log[:len(n.log)-1] {
			if strings.HasPrefix(entry, "acquire ") {
				owner := strings.TrimPrefix(entry, "acquire ")
				if n.log[i+1] != "release "+owner {
					t.Fatalf("after %q the node was asked %q", entry, n.log[i+1])
				}
			}
		}
	})
}

func TestLateSuccessIsDeleted(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.latency = 1200 * time.Millisecond })
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		s.nodes[0].with(func(n *simNode) { n.latency = simLatency })
		time.Sleep(200 * time.Millisecond)
		if s.nodes[0].owner("k") == "" {
			t.Fatal("the node has not carried the question out late: the test tests nothing")
		}
		time.Sleep(2 * simReconnection)
		s.wantNoKey()
	})
}

func TestZombieOfAStoppedServerIsDeleted(t *testing.T) {
	// The server is stopped with a SET in its buffer, and carries it out after the connection is long gone; the lane has
	// asked for the release meanwhile, and the answer was that nothing stands there.
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		zombie := s.nodes[0]
		zombie.hang()
		lock := s.acquire()
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		buffered := zombie.hung
		zombie.with(func(n *simNode) { n.hung = nil }) // it answers again, but what was in the buffer has not been read yet
		time.Sleep(3 * time.Second)
		close(buffered)
		synctest.Wait()
		if zombie.owner("k") == "" {
			t.Fatal("the SET was not carried out: the test tests nothing")
		}
		time.Sleep(20 * time.Second)
		s.wantNoKey()
	})
}

func TestCancelledContextLeavesNothing(t *testing.T) {
	for _, when := range []time.Duration{0, simLatency / 4, simLatency / 2, simLatency * 3 / 4, simLatency} {
		t.Run(when.String(), func(t *testing.T) {
			simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(when, cancel)
				if when == 0 {
					cancel()
				}
				start := time.Now()
				lock, err := s.mutex.Acquire(ctx, "k", AcquireOptions{})
				took(t, start, when, when)
				if err == nil { // both at the same instant
					lock.Release(ctx)
				} else {
					wantError(t, err, context.Canceled)
				}
				if when == 0 && s.nodes[0].questions() != 0 {
					t.Error("a question was sent for a context that had ended before")
				}
				time.Sleep(10 * simLatency)
				s.wantNoKey()
				if held := s.engine.Held(); len(held) != 0 {
					t.Errorf("%d locks are held", len(held))
				}
			})
		})
	}
}

func TestGivenUpQuestionsAreNotSent(t *testing.T) {
	// While a batch is under way, further questions stand in line; those whose caller has left stay unsent.
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		var wg sync.WaitGroup
		wg.Go(func() { s.mutex.Acquire(t.Context(), "first", AcquireOptions{}) })
		synctest.Wait()
		for i := range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			wg.Go(func() { s.mutex.Acquire(ctx, fmt.Sprint("late", i), AcquireOptions{}) })
		}
		wg.Wait()
		time.Sleep(time.Second)
		s.nodes[0].mu.Lock()
		defer s.nodes[0].mu.Unlock()
		for _, entry := range s.nodes[0].log[1:] {
			if strings.HasPrefix(entry, "acquire") {
				t.Errorf("the node was asked %q for a caller that had left", entry)
			}
		}
	})
}

func TestAnswersSlowerThanTheLockIsValidAreNoLock(t *testing.T) {
	simulate(t, 1, Settings{Expiration: 20 * time.Millisecond, NodeTimeout: 15 * time.Millisecond}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.latency = 14 * time.Millisecond })
		s.sleepAhead(0)
		slow := 10 * time.Millisecond
		time.AfterFunc(7*time.Millisecond, func() { s.sleepAhead(slow) }) // the machine sleeps between question and answer
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		time.Sleep(30 * time.Millisecond)
		s.wantNoKey()
	})
}

func TestContendersInOneProcessExcludeEachOther(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever, RetryInterval: 5 * time.Millisecond, RetryJitter: 5 * time.Millisecond}, func(t *testing.T, s *sim) {
		var inside, holds atomic.Int32
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 5 {
					err := s.mutex.Synchronize(t.Context(), "k", func(context.Context) error {
						if inside.Add(1) != 1 {
							t.Error("two holders at once")
						}
						time.Sleep(time.Millisecond)
						inside.Add(-1)
						holds.Add(1)
						return nil
					}, AcquireOptions{})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if holds.Load() != 160 {
			t.Errorf("%d holds; want 160", holds.Load())
		}
		time.Sleep(10 * simLatency)
		s.wantNoKey()
	})
}

func TestSplitVotesResolve(t *testing.T) {
	// Five contenders on five nodes with different ways to them: at first each gets some votes and nobody a quorum.
	simulate(t, 5, Settings{Wait: Forever, RetryInterval: 20 * time.Millisecond, RetryJitter: 20 * time.Millisecond}, func(t *testing.T, s *sim) {
		for i, n := range s.nodes {
			n.with(func(n *simNode) { n.latency = time.Duration(i+1) * time.Millisecond })
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				lock := s.acquire()
				lock.Release(t.Context())
			})
		}
		wg.Wait()
	})
}

func TestQuorumThatComesWithTheEndOfTheContextIsNotCalledTaken(t *testing.T) {
	o := outcome{tally: tally{nodes: 3, granted: 2, taken: 1}}
	if err := o.cause(); err != nil {
		t.Errorf("two of three granted the lock, but the cause is %v", err)
	}
}
