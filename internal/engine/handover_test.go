package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// share has goroutines of each engine get, hold and release "k" again and again for a while of virtual time. It returns, of
// the second half, how many turns each engine had, and each goroutine, and what that cost per turn and node: questions and
// messages.
func (s *sim) share(engines []*sim, goroutines int, hold, forHowLong time.Duration) (byEngine, byGoroutine []int, questions, messages float64) {
	s.t.Helper()
	byEngine, byGoroutine = make([]int, len(engines)), make([]int, len(engines)*goroutines)
	ctx, cancel := context.WithTimeout(s.t.Context(), forHowLong)
	defer cancel()
	asked, told := s.asked()
	var all sync.WaitGroup
	var mu sync.Mutex
	counting := false
	time.AfterFunc(forHowLong/2, func() { // when everybody has found their place
		mu.Lock()
		defer mu.Unlock()
		counting = true
		asked, told = s.asked()
	})
	for e, engine := range engines {
		for g := range goroutines {
			all.Go(func() {
				for ctx.Err() == nil {
					lock, err := engine.mutex.Acquire(ctx, "k", AcquireOptions{})
					if err != nil {
						continue
					}
					mu.Lock()
					if counting {
						byEngine[e]++
						byGoroutine[e*goroutines+g]++
					}
					mu.Unlock()
					time.Sleep(hold)
					lock.Release(context.Background())
				}
			})
		}
	}
	all.Wait()
	turns := 0
	for _, n := range byEngine {
		turns += n
	}
	nowAsked, nowTold := s.asked()
	per := float64(turns * len(s.nodes))
	return byEngine, byGoroutine, float64(nowAsked-asked) / per, float64(nowTold-told) / per
}

func leastAndMost(turns []int) (least, most int) {
	least, most = turns[0], turns[0]
	for _, n := range turns {
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

func TestProcessesShareALockFairly(t *testing.T) {
	tests := []struct {
		nodes, engines, goroutines int
		hold                       time.Duration
		ratio                      float64 // of the most turns to the least, of engines and of goroutines
		questions, messages        float64 // per turn and node, at most
	}{
		{1, 1, 10, time.Millisecond, 1.1, 2, 1},
		{1, 2, 5, time.Millisecond, 1.2, 6, 4},
		{3, 2, 5, time.Millisecond, 1.2, 6, 4},
		{3, 2, 5, 10 * time.Millisecond, 1.2, 6, 4},
		{1, 16, 1, time.Millisecond, 1.3, 8, 4},
		{3, 16, 1, time.Millisecond, 1.3, 8, 4},
		{5, 16, 1, 5 * time.Millisecond, 1.3, 8, 4},
		{1, 16, 8, time.Millisecond, 1.3, 8, 4},
		{3, 16, 8, time.Millisecond, 1.3, 8, 4},
		{3, 4, 1, 0, 1.3, 8, 4},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d nodes, %d engines with %d each, held for %v", test.nodes, test.engines, test.goroutines, test.hold), func(t *testing.T) {
			simulate(t, test.nodes, patientSettings, func(t *testing.T, s *sim) {
				engines := []*sim{s}
				for len(engines) < test.engines {
					engines = append(engines, s.another())
				}
				byEngine, byGoroutine, questions, messages := s.share(engines, test.goroutines, test.hold, 2*time.Second)
				turns := 0
				for name, turnsOf := range map[string][]int{"engines": byEngine, "goroutines": byGoroutine} {
					least, most := leastAndMost(turnsOf)
					round := 1 // of turns, of which some have had one more than others at the end
					if name == "engines" {
						round = test.goroutines
					}
					if float64(most) > test.ratio*float64(least)+float64(2*round) {
						t.Errorf("%s had between %d and %d turns; want a ratio of %v at most", name, least, most, test.ratio)
					}
					t.Logf("%s had between %d and %d turns", name, least, most)
				}
				for _, n := range byEngine {
					turns += n
				}
				if questions > test.questions || messages > test.messages {
					t.Errorf("each turn cost %.1f questions and %.1f messages at each node; want %v and %v", questions, messages, test.questions, test.messages)
				}
				t.Logf("%d turns, each of %.1f questions and %.1f messages", turns, questions, messages)
				s.settle()
				s.wantNoKey()
				for _, e := range engines {
					e.wantNothingLeft()
				}
			})
		})
	}
}

// TestWhoIsFarAwayGetsTurns has somebody near the nodes ask for the lock again and again, sooner than somebody far away can
// after hearing of a release.
func TestWhoIsFarAwayGetsTurns(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			simulate(t, nodes, patientSettings, func(t *testing.T, s *sim) {
				byEngine, _, _, _ := s.share([]*sim{s, s.distant(4 * time.Millisecond)}, 1, 10*time.Millisecond, 2*time.Second)
				if least, most := leastAndMost(byEngine); float64(most) > 1.3*float64(least) {
					t.Errorf("the near one had %d turns, the far one %d", byEngine[0], byEngine[1])
				}
			})
		})
	}
}

func TestProcessesThatUseAKeyWithoutWaitingListenToNothing(t *testing.T) {
	simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
		engines := []*sim{s, s.another(), s.another()}
		s.share(engines, 2, time.Millisecond, time.Second) // then they know of each other
		for range 300 {
			for _, e := range engines {
				e.letGo(e.acquire())
				time.Sleep(30 * time.Millisecond)
			}
		}
		for i, n := range s.nodes {
			n.with(func(n *simNode) {
				for _, sub := range n.subs {
					if !sub.closed() {
						t.Errorf("somebody still listens at node %c, to %v", 'A'+i, sub.channels)
					}
				}
			})
		}
	})
}

// passed is a lock on "k" that will be handed over within the process, and who it will be handed to.
func (s *sim) passed() (*Lock, <-chan acquired) {
	s.t.Helper()
	held := s.acquire()
	waiters, _ := s.lineUp(2)
	s.letGo(held)
	lock := s.got(waiters[0])
	s.settle()
	return lock, waiters[1]
}

// situations are what a release may meet at three nodes. Mended, all is well again, and keys of others are gone.
var situations = map[string]struct {
	make   func(s *sim)
	waking bool // whoever waits hears of a release that went well soon
}{
	"all is well":            {func(s *sim) {}, true},
	"a node forgot the lock": {func(s *sim) { s.nodes[0].remove("k") }, true},
	"two nodes forgot it":    {func(s *sim) { s.nodes[0].remove("k"); s.nodes[1].remove("k") }, false},
	"all forgot it":          {func(s *sim) { s.each(func(n *simNode) { delete(n.keys, "k") }) }, false},
	"another's at a node":    {func(s *sim) { s.nodes[0].put("k", "another's", 5*time.Second) }, true},
	"another's at two nodes": {func(s *sim) {
		s.nodes[0].put("k", "another's", 5*time.Second)
		s.nodes[1].put("k", "another's", 5*time.Second)
	}, false},
	"another's at all":             {func(s *sim) { s.each(func(n *simNode) { n.set("k", "another's", 5000) }) }, false},
	"another's, and a node forgot": {func(s *sim) { s.nodes[0].put("k", "another's", 5*time.Second); s.nodes[1].remove("k") }, false},
	"of another type at a node":    {func(s *sim) { s.nodes[0].put("k", otherType, 5*time.Second) }, true},
	"of another type at two": {func(s *sim) {
		s.nodes[0].put("k", otherType, 5*time.Second)
		s.nodes[1].put("k", otherType, 5*time.Second)
	}, false},
	"a node is down": {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.down = true }) }, true},
	"two are down": {func(s *sim) {
		s.nodes[0].with(func(n *simNode) { n.down = true })
		s.nodes[1].with(func(n *simNode) { n.down = true })
	}, false},
	"a node hangs":   {func(s *sim) { s.nodes[0].hang() }, true},
	"two hang":       {func(s *sim) { s.nodes[0].hang(); s.nodes[1].hang() }, false},
	"a node is mute": {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.mute = true }) }, true},
	"two are mute": {func(s *sim) {
		s.nodes[0].with(func(n *simNode) { n.mute = true })
		s.nodes[1].with(func(n *simNode) { n.mute = true })
	}, false},
	"a connection breaks":       {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.cut = true }) }, true},
	"all connections break":     {func(s *sim) { s.each(func(n *simNode) { n.cut = true }) }, false},
	"a node is slow":            {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.latency = 10 * time.Second }) }, true},
	"a node refuses everything": {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.refuse = serverError("NOPERM no") }) }, true},
	"two refuse everything": {func(s *sim) {
		s.nodes[0].with(func(n *simNode) { n.refuse = serverError("LOADING") })
		s.nodes[1].with(func(n *simNode) { n.refuse = serverError("LOADING") })
	}, false},
	"down and forgotten":            {func(s *sim) { s.nodes[0].with(func(n *simNode) { n.down = true }); s.nodes[1].remove("k") }, false},
	"no memory for a key at a node": {func(s *sim) { s.nodes[0].with(noMemory) }, true},
	"no memory for a key at all":    {func(s *sim) { s.each(noMemory) }, false},
}

// noMemory is a server that reached its maxmemory: it deletes keys, and refuses to set one.
func noMemory(n *simNode) {
	n.refuseOp = func(o op) error {
		if o == acquire || o == queue || o == handover {
			return serverError("OOM command not allowed when used memory > 'maxmemory'")
		}
		return nil
	}
}

// wantQuorumOf checks that a lock that was just got stands at a quorum of nodes.
func (s *sim) wantQuorumOf(l *Lock) {
	s.t.Helper()
	nodes := 0
	for _, n := range s.nodes {
		if n.owner(l.Key()) == l.claim.owner {
			nodes++
		}
	}
	if nodes <= len(s.nodes)/2 {
		s.t.Errorf("the lock stands at %d of %d nodes", nodes, len(s.nodes))
	}
}

// mend makes all well again.
func (s *sim) mend() {
	for _, n := range s.nodes {
		if n.hung != nil {
			n.resume()
		}
		n.with(func(n *simNode) {
			n.down, n.mute, n.cut, n.refuse, n.refuseOp, n.latency = false, false, false, nil, nil, simLatency
			if stands := n.look("k"); stands == "another's" || stands == otherType {
				delete(n.keys, "k")
			}
		})
	}
}

// TestReleaseReportsTheSameWhoeverComesNext compares the error of a release that nobody waits for with those of releases
// that pass the lock on, in every way.
func TestReleaseReportsTheSameWhoeverComesNext(t *testing.T) {
	ways := map[string]func(s *sim) (lock *Lock, next <-chan acquired){
		"handed over in the process": (*sim).passed,
		"to another by name": func(s *sim) (*Lock, <-chan acquired) {
			lock := s.acquire()
			_, cancels := s.lineUp(1) // for the engine to listen
			cancels[0]()
			next := s.another().wait(s.t.Context())
			s.settle()
			return lock, next
		},
		"to everybody": func(s *sim) (*Lock, <-chan acquired) {
			lock := s.acquire()
			next := s.another().wait(s.t.Context())
			s.settle()
			return lock, next
		},
	}
	sentinel := func(err error) error {
		for _, e := range []error{ErrNotHeld, ErrNoQuorum, ErrLockLost, ErrClosed} {
			if errors.Is(err, e) {
				return e
			}
		}
		return err
	}
	for name, situation := range situations {
		t.Run(name, func(t *testing.T) {
			var want error
			var wantTook time.Duration
			simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
				lock := s.acquire()
				situation.make(s)
				start := time.Now()
				want = sentinel(lock.Release(t.Context()))
				wantTook = time.Since(start)
				s.mend()
				time.Sleep(10 * time.Second) // until nothing is under way
			})
			for way, lineUp := range ways {
				t.Run(way, func(t *testing.T) {
					simulate(t, 3, patientSettings, func(t *testing.T, s *sim) {
						lock, next := lineUp(s)
						old := lock.claim.owner
						situation.make(s)
						start := time.Now()
						err := lock.Release(t.Context())
						if sentinel(err) != want {
							t.Errorf("error is %v; want %v as of a lock that nobody waits for", err, want)
						}
						took(t, start, wantTook-simLatency, wantTook+simLatency)
						if err := lock.Err(); err != ErrNotHeld {
							t.Errorf("the lock ended because of %v", err)
						}
						if situation.waking {
							lock := s.got(next)
							s.wantQuorumOf(lock)
							took(t, start, 0, 10*simLatency)
							s.mend()
							time.Sleep(time.Minute)
							for i, n := range s.nodes {
								if n.owner("k") == old {
									t.Errorf("node %c still holds the lock that was released", 'A'+i)
								}
							}
							if lock.Err() == nil {
								t.Error("the test waited too short")
							}
						} else {
							time.AfterFunc(2*time.Second, s.mend)
							lock := s.got(next)
							s.wantQuorumOf(lock)
							took(t, start, 0, 12*time.Second)
							s.letGo(lock)
							time.Sleep(5 * time.Second)
							s.wantNoKey()
						}
						time.Sleep(10 * time.Second) // until nothing is under way
					})
				})
			}
		})
	}
}

func TestServerWithoutMemoryReleasesAllTheSame(t *testing.T) {
	server := redistest.Start(t)
	settings := Settings{Expiration: 30 * time.Second, Wait: Forever, RetryInterval: time.Hour}
	m := realMutex(t, []*redistest.Server{server}, settings)
	acquire := func(ctx context.Context) <-chan *Lock {
		c := make(chan *Lock, 1)
		go func() {
			lock, _ := m.Acquire(ctx, "k", AcquireOptions{})
			c <- lock
		}()
		time.Sleep(50 * time.Millisecond)
		return c
	}
	held := <-acquire(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	first, second := acquire(t.Context()), acquire(ctx)
	held.Release(t.Context())
	held = <-first // to be handed over
	server.CLI("CONFIG", "SET", "maxmemory", "1")
	if err := held.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if owner := server.Get("k"); owner != "" {
		t.Errorf("the server still holds %q", owner)
	}
	cancel()
	if lock := <-second; lock != nil {
		t.Error("there was no memory for the next lock")
	}
}
