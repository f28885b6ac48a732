package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatGathersTravelsTogether(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				if _, err := s.mutex.Acquire(t.Context(), fmt.Sprint("k", i), AcquireOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(s.nodes[0].batches); n > 3 {
			t.Errorf("64 acquires at once took %d round trips: %v", n, s.nodes[0].batches)
		}
	})
}

func TestBatchesAreBounded(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var wg sync.WaitGroup
		for i := range 5*maxBatch + 7 {
			wg.Go(func() {
				if _, err := s.mutex.Acquire(t.Context(), fmt.Sprint("k", i), AcquireOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		sum := 0
		for _, size := range s.nodes[0].batches {
			sum += size
			if size > maxBatch {
				t.Errorf("a batch of %d; the bound is %d", size, maxBatch)
			}
		}
		if sum != 5*maxBatch+7 {
			t.Errorf("%d questions were sent; want %d", sum, 5*maxBatch+7)
		}
	})
}

func TestQuestionsKeepTheirOrder(t *testing.T) {
	node := &simNode{keys: make(map[string]simKey)}
	l := newLane(node, 1, time.Second, time.Second, func(error) {})
	var heard []int
	var mu sync.Mutex
	for i := range 1000 {
		l.ask(&call{question: newQuestion(read, fmt.Sprint(i), "", 0), asker: hearer(func(index int, _ reply) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, index)
		}), index: i})
	}
	l.close()
	for i, index := range heard {
		if i != index {
			t.Fatalf("reply %d came in place %d", index, i)
		}
	}
	if len(heard) != 1000 {
		t.Errorf("%d replies; want 1000", len(heard))
	}
}

// hearer is an asker that only listens.
type hearer func(int, reply)

func (h hearer) wanted() bool        { return true }
func (h hearer) hear(i int, r reply) { h(i, r) }

func TestNodeThatIsDownFailsAtOnceAndIsProbedEachInterval(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		var states []string
		s.engine.trace.NodeDown = func(node string, err error) { states = append(states, node+" down: "+err.Error()) }
		s.engine.trace.NodeUp = func(node string) { states = append(states, node+" up") }
		n := s.nodes[0]
		n.with(func(n *simNode) { n.down = true })
		s.try() // finds out
		synctest.Wait()
		asked, pings := n.received()
		for range 100 {
			start := time.Now()
			_, err := s.try()
			took(t, start, 0, 0)
			wantError(t, err, ErrNoQuorum)
			time.Sleep(99 * time.Millisecond)
		}
		askedNow, pingsNow := n.received()
		if askedNow != asked {
			t.Errorf("%d batches went to a node that is down", askedNow-asked)
		}
		if probes := pingsNow - pings; probes < 9 || probes > 10 {
			t.Errorf("%d probes in 9.9 s; want one a second", probes)
		}
		n.with(func(n *simNode) { n.down = false })
		time.Sleep(simReconnection + simLatency)
		s.acquire()
		synctest.Wait()
		if want := "A down: connection refused, A up"; strings.Join(states, ", ") != want {
			t.Errorf("states are %q; want %q", strings.Join(states, ", "), want)
		}
	})
}

func TestBrokenConnectionIsMadeAgainAtOnce(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].with(func(n *simNode) { n.cut = true })
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		start := time.Now()
		lock := s.acquire()
		took(t, start, 0, 4*simLatency)
		lock.Release(t.Context())
	})
}

func TestDebtsOfANodeThatStaysAwayAreForgotten(t *testing.T) {
	simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		synctest.Wait()
		time.Sleep(simLatency)
		s.nodes[2].with(func(n *simNode) { n.down = true })
		lock.Release(t.Context())
		time.Sleep(time.Minute)
		lane := s.mutex.groups[0][2].lane
		lane.mu.Lock()
		defer lane.mu.Unlock()
		if len(lane.owed) != 0 {
			t.Errorf("%d releases of locks that expired long ago are owed", len(lane.owed))
		}
	})
}

func TestHungNodeIsReleasedFromAllItMayHaveSet(t *testing.T) {
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		s.nodes[0].hang()
		for range 50 {
			lock := s.acquire()
			lock.Release(t.Context())
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		s.nodes[0].resume()
		time.Sleep(10 * time.Second)
		s.wantNoKey()
	})
}

func TestServerErrorsAreAnswersNotFailures(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		n := s.nodes[0]
		n.with(func(n *simNode) { n.refuse = serverError("LOADING Redis is loading the dataset in memory") })
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		if !strings.Contains(err.Error(), "LOADING") {
			t.Errorf("the error doesn't say why: %v", err)
		}
		n.with(func(n *simNode) { n.refuse = nil })
		s.acquire() // at once: the node was never thought to be down
		if _, pings := n.received(); pings != 0 {
			t.Error("a server error made the lane probe the node")
		}
	})
}

func TestCloseEndsWhoWaitsAndWhatIsHeld(t *testing.T) {
	simulate(t, 3, Settings{Wait: Forever, Expiration: time.Hour}, func(t *testing.T, s *sim) {
		lock := s.acquire()
		errs := make(chan error, 2)
		go func() { _, err := s.try(); errs <- err }()
		go func() {
			errs <- s.mutex.Synchronize(t.Context(), "other", func(ctx context.Context) error {
				<-ctx.Done()
				wantError(t, context.Cause(ctx), ErrLockLost, ErrClosed)
				return nil
			}, AcquireOptions{})
		}()
		time.Sleep(time.Second)
		if err := s.engine.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-errs, ErrClosed)
		wantError(t, <-errs, ErrClosed)
		wantError(t, lock.Err(), ErrLockLost, ErrClosed)
		if s.nodes[0].owner("k") == "" {
			t.Error("Close deleted the key of a lock under which somebody may still work")
		}
		_, err := s.try()
		wantError(t, err, ErrClosed)
		_, err = s.mutex.Exists(t.Context(), "k")
		wantError(t, err, ErrClosed)
		wantError(t, lock.Extend(t.Context(), time.Minute), ErrClosed)
		if err := s.engine.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestCloseSeesReleasesThrough(t *testing.T) {
	simulate(t, 3, Settings{Expiration: time.Hour}, func(t *testing.T, s *sim) {
		for _, n := range s.nodes {
			n.with(func(n *simNode) { n.latency = 100 * time.Millisecond })
		}
		lock := s.acquire()
		go lock.Release(t.Context())
		synctest.Wait()
		s.engine.Close()
		s.wantNoKey()
	})
}

func TestCloseWithAHungNodeTakesNoLongerThanItsBudget(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		s.nodes[0].hang()
		go s.try()
		synctest.Wait()
		start := time.Now()
		s.engine.Close()
		took(t, start, 0, 2*500*time.Millisecond)
		s.nodes[0].resume()
	})
}

func TestHeldListsWhatIsHeldOldestFirst(t *testing.T) {
	simulate(t, 1, Settings{}, func(t *testing.T, s *sim) {
		for _, key := range []string{"c", "a", "b"} {
			if _, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		held := s.engine.Held()
		if len(held) != 3 || held[0].Key() != "c" || held[1].Key() != "a" || held[2].Key() != "b" {
			t.Errorf("held are %v", held)
		}
		held[1].Release(t.Context())
		if got := s.engine.Held(); len(got) != 2 {
			t.Errorf("%d held after a release; want 2", len(got))
		}
	})
}

func TestErrorNamesEverythingAndUnwraps(t *testing.T) {
	err := error(&Error{
		Op: "acquire", Mutex: "Report", Key: "a b", Causes: []error{context.Canceled, ErrAlreadyLocked},
		Votes: []Vote{{Node: "x:1", Answer: Taken}, {Node: "x:2", Answer: Down, Err: errors.New("connection refused")}},
		Hint:  "do this",
	})
	want := `acquire Report (key "a b"): context canceled; already locked [x:1: taken; x:2: down: connection refused]; hint: do this`
	if err.Error() != want {
		t.Errorf("text is\n%s\nwant\n%s", err, want)
	}
	wantError(t, err, context.Canceled, ErrAlreadyLocked)
	if got := Answer(99).String(); got != "Answer(99)" {
		t.Errorf("an answer out of range is %q", got)
	}
}
