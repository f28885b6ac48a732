package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestMapOfAClusterIsAskedForOnceForManyQuestions(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		var workers sync.WaitGroup
		for i := range 100 {
			workers.Go(func() {
				lock, err := s.mutex.Acquire(t.Context(), fmt.Sprint(i), AcquireOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				s.letGo(lock)
			})
		}
		workers.Wait()
		if c.tellings() != 1 {
			t.Errorf("the map was asked for %d times", c.tellings())
		}
		for i := range c.members {
			if c.asked(i) == 0 {
				t.Errorf("member %s was asked nothing", simAddr(i))
			}
		}
	})
}

func TestQuestionGoesWhereItsSlotWent(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		c.moveAll(slotOfK, 2)
		before := c.asked(1)
		start := time.Now()
		s.letGo(s.acquire())
		took(t, start, 3*simLatency, 5*simLatency)
		s.letGo(s.acquire())
		if got := c.asked(1) - before; got != 1 {
			t.Errorf("the old master was asked %d times; want once, which was enough to know", got)
		}
	})
}

func TestQuestionAboutAKeyThatLeftAMovingSlotIsAskedOfTheTarget(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		c.begin(slotOfK, 2)
		if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
			t.Errorf("where the key was: %v", err)
		}
		c.move(slotOfK)
		if err := lock.Extend(t.Context(), 30*time.Second); err != nil {
			t.Errorf("where the key went: %v", err)
		}
		s.letGo(lock)
		lock = s.acquire()
		if c.members[2].owner("k") == "" {
			t.Error("the new lock is not where the slot goes")
		}
		if got := s.cluster().slots[slotOfK].Load(); got != s.member(1).lane {
			t.Error("the slot is taken to be the target's before it is")
		}
		c.end(slotOfK)
		s.letGo(lock)
	})
}

func TestQuestionWithTwoKeysWaitsUntilBothAreInOnePlace(t *testing.T) {
	simulateCluster(t, Settings{Fencing: true, FencingMemory: time.Hour}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		s.letGo(lock) // the counter stays
		c.begin(slotOfK, 2)
		time.AfterFunc(100*time.Millisecond, func() { c.end(slotOfK) })
		start := time.Now()
		next := s.acquire()
		took(t, start, 100*time.Millisecond, 170*time.Millisecond)
		if next.Token() <= lock.Token() {
			t.Errorf("after %d the token is %d", lock.Token(), next.Token())
		}
		s.letGo(next)
		c.begin(slotOfK, 1) // and stays so
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		if !strings.Contains(err.Error(), "TRYAGAIN") || !strings.Contains(err.Error(), "hint: the cluster is moving") {
			t.Errorf("error %q does not say why", err)
		}
		took(t, start, 400*time.Millisecond, time.Second)
		c.end(slotOfK)
	})
}

// A question that had to wait for its two keys to be in one place finds them at the target of a move that goes on for long.
func TestQuestionThatWaitedIsAskedOfTheTargetOfAMoveThatDoesNotEnd(t *testing.T) {
	simulateCluster(t, Settings{Fencing: true, FencingMemory: time.Hour}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		for _, ask := range []struct {
			what string
			op   func() error
			want error
		}{
			{"extension", func() error { return lock.Extend(t.Context(), 20*time.Second) }, nil},
			{"acquire", func() error { _, err := s.try(); return err }, ErrAlreadyLocked},
		} {
			to := (c.owners[slotOfK] + 1) % 3
			c.begin(slotOfK, to)
			c.moveLock(slotOfK)
			time.AfterFunc(30*time.Millisecond, func() { c.move(slotOfK) })
			if err := ask.op(); !errors.Is(err, ask.want) {
				t.Errorf("%s: %v; want %v", ask.what, err, ask.want)
			}
			c.end(slotOfK)
		}
		s.letGo(lock)
	})
}

func TestClusterThatIsDownIsNoQuorumThatPasses(t *testing.T) {
	simulateCluster(t, Settings{MaxRetry: 20}, func(t *testing.T, s *sim, c *simCluster) {
		c.with(func() { c.adrift = true })
		_, err := s.mutex.Acquire(t.Context(), "k", AcquireOptions{Wait: new(time.Duration)})
		wantError(t, err, ErrNoQuorum)
		if !strings.Contains(err.Error(), "CLUSTERDOWN") {
			t.Errorf("error %q does not say why", err)
		}
		time.AfterFunc(2*time.Second, func() { c.with(func() { c.adrift = false }) })
		start := time.Now()
		s.letGo(s.acquire()) // by its retries: the refusal is not final
		took(t, start, 1500*time.Millisecond, 3*time.Second)
	})
}

func TestMembersThatSendAQuestionInACircleAreAskedABoundedNumberOfTimes(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		c.with(func() { c.circular = true })
		start := time.Now()
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		took(t, start, 300*time.Millisecond, 510*time.Millisecond)
		if got := c.asked(0) + c.asked(1) + c.asked(2); got > 30 {
			t.Errorf("%d questions", got)
		}
		c.with(func() { c.circular = false })
	})
}

func TestSlotWithoutMasterFailsAtOnceAndIsAskedAfterSeldom(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		c.with(func() { c.owners[slotOfK] = -1 })
		for range 100 {
			start := time.Now()
			_, err := s.try()
			wantError(t, err, ErrNoQuorum)
			took(t, start, 0, 5*simLatency)
			time.Sleep(20 * time.Millisecond)
		}
		if c.tellings() > 4 {
			t.Errorf("in two seconds the map was asked for %d times", c.tellings())
		}
		c.with(func() { c.owners[slotOfK] = 0 })
		time.Sleep(simReconnection)
		s.letGo(s.acquire())
	})
}

func TestClusterOfWhichNobodyAnswersIsNoQuorumWithinTheBudget(t *testing.T) {
	for name, fail := range map[string]func(n *simNode){
		"down": func(n *simNode) { n.down = true },
		"hung": func(n *simNode) { n.hung = make(chan struct{}) },
	} {
		t.Run(name, func(t *testing.T) {
			simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
				s.each(fail)
				start := time.Now()
				_, err := s.try()
				wantError(t, err, ErrNoQuorum)
				took(t, start, 0, 500*time.Millisecond)
				_, err = s.try()
				wantError(t, err, ErrNoQuorum)
				s.each(func(n *simNode) { n.down, n.hung = false, nil })
				time.Sleep(3 * simReconnection) // it asks again by itself
				s.letGo(s.acquire())
			})
		})
	}
}

func TestMasterThatHangsCostsItsSlotsOnly(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		c.members[1].hang()
		failed := make(chan error, 1)
		go func() { _, err := s.try(); failed <- err }()
		for range 100 {
			start := time.Now()
			lock, err := s.mutex.Acquire(t.Context(), "123456789", AcquireOptions{}) // at C
			if err != nil {
				t.Fatal(err)
			}
			s.letGo(lock)
			took(t, start, 0, 2*simLatency)
		}
		wantError(t, <-failed, ErrNoQuorum)
		c.give(slotOfK, 0)
		time.Sleep(2 * simReconnection)
		lock := s.acquire() // of the one that took over
		c.members[1].resume()
		s.letGo(lock)
		// What it had in its buffers is of no more concern to anybody: it will be a replica, and empty.
		c.members[1].with(func(n *simNode) { n.flush() })
	})
}

func TestReleaseFollowsTheKeyToWhoeverTookOver(t *testing.T) {
	simulateCluster(t, Settings{Expiration: 10 * time.Minute, NodeTimeout: 500 * time.Millisecond}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		c.members[1].hang()
		err := lock.Release(t.Context())
		wantError(t, err, ErrNoQuorum)
		c.members[0].put("k", lock.claim.owner, 10*time.Minute) // the replica has it
		c.members[1].with(func(n *simNode) { n.flush() })
		for slot := range c.owners {
			if c.owners[slot] == 1 {
				c.give(slot, 0)
			}
		}
		time.Sleep(3 * simReconnection)
		if owner := c.owner("k"); owner != "" {
			t.Errorf("%q still stands at the key", owner)
		}
		cluster := s.cluster()
		cluster.mu.Lock()
		if m := cluster.members[simAddr(1)]; m.lane != nil { // a seed, so it stays known
			t.Error("the lane to the master that is gone is kept")
		}
		cluster.mu.Unlock()
		_, before := c.members[1].received()
		time.Sleep(time.Minute)
		if _, pings := c.members[1].received(); pings != before {
			t.Errorf("the master that is gone was asked for %d signs of life", pings-before)
		}
		c.members[1].resume()
	})
}

// The release of an attempt that was given up goes to the slot's new master at once, while the question is still on its
// way to the old one; and by when it gets there, the slot is back.
func TestReleaseThatOvertakesItsQuestionIsMadeUpFor(t *testing.T) {
	simulateCluster(t, Settings{Expiration: 10 * time.Minute, NodeTimeout: 500 * time.Millisecond}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		// The question takes a second to get there, and is given up after half of one.
		c.members[1].with(func(n *simNode) { n.latency = 2 * time.Second })
		_, err := s.try()
		wantError(t, err, ErrNoQuorum)
		c.members[1].with(func(n *simNode) { n.latency = simLatency })
		c.give(slotOfK, 2)
		s.cluster().mu.Lock()
		s.cluster().refreshNow()
		s.cluster().mu.Unlock()
		time.Sleep(200 * time.Millisecond)
		c.give(slotOfK, 1)
		time.Sleep(5 * time.Second)
		if owner := c.owner("k"); owner != "" {
			t.Errorf("%q still stands at the key", owner)
		}
	})
}

func TestClaimReleasedInAClusterBeforeItsAnswerIsOwed(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		for name, replies := range map[string]func(claim *claim){
			"acquire after": func(claim *claim) {
				claim.released(0, reply{answer: Gone})
				claim.noted(acquire, 0, reply{answer: Granted})
			},
			"acquire before": func(claim *claim) {
				claim.noted(acquire, 0, reply{answer: Granted})
				claim.released(0, reply{answer: Gone})
			},
			"extension, sent on": func(claim *claim) {
				claim.noted(extend, 0, reply{answer: Granted, sentOn: true})
				claim.released(0, reply{answer: Granted})
			},
			"unknown, after": func(claim *claim) {
				claim.released(0, reply{answer: Gone})
				claim.noted(handover, 0, reply{answer: Timeout, unknown: true})
			},
			"taken by somebody else": func(claim *claim) {
				claim.noted(acquire, 0, reply{answer: Granted})
				claim.released(0, reply{answer: Taken})
			},
		} {
			claim := &claim{nodes: s.mutex.groups[0], key: "k", owner: "o"}
			claim.life.Store(int64(time.Second))
			replies(claim)
			debts := &s.cluster().debts
			debts.mu.Lock()
			if len(debts.owed) != 1 {
				t.Errorf("%s: %d releases are owed; want one", name, len(debts.owed))
			}
			debts.owed = nil // of which the first is due soon, and finds nothing
			debts.mu.Unlock()
		}
		time.Sleep(time.Minute)
	})
}

func TestHandoverIsSentOnWithItsSlot(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		waiters, cancels := s.lineUp(3)
		for i := range waiters {
			c.begin(slotOfK, 2-i)
			c.move(slotOfK)
			s.letGo(lock)
			lock = s.got(waiters[i])
			c.end(slotOfK)
			cancels[i]()
		}
		s.letGo(lock)
	})
}

func TestMapIsRefreshedSeldomHoweverManySlotsMove(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		c.with(func() { c.stale = c.ranges() }) // whom one asks has not heard
		for i := range 1000 {
			key := fmt.Sprint(i)
			c.moveAll(slotOf(key), i%3)
			lock, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{})
			if err != nil {
				t.Fatal(err)
			}
			s.letGo(lock)
		}
		if c.tellings() > 10 {
			t.Errorf("the map was asked for %d times", c.tellings())
		}
	})
}

func TestMemberThatNobodyNamesAnyMoreIsForgotten(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		lock, err := s.mutex.Acquire(t.Context(), "123456789", AcquireOptions{}) // at C, no seed
		if err != nil {
			t.Fatal(err)
		}
		old := s.member(2)
		for slot := range c.owners {
			if c.owners[slot] == 2 {
				c.moveAll(slot, 0)
			}
		}
		s.letGo(lock) // which shows that something has changed
		time.Sleep(2 * useful)
		s.cluster().mu.Lock()
		s.cluster().refreshNow()
		s.cluster().mu.Unlock()
		s.settle()
		if s.member(2) != nil {
			t.Error("the member is still known")
		}
		// Who found the lane in the map before asks it now.
		heard := make(chan reply, 1)
		old.lane.ask(&call{question: newQuestion(read, "123456789", "", 0), asker: hearer(func(_ int, r reply) { heard <- r })})
		if r := <-heard; r.answer != Gone {
			t.Errorf("a question to the lane that was given up was answered %v, %v", r.answer, r.err)
		}
	})
}

func TestReleaseWakesWhoListensAtWhicheverMember(t *testing.T) {
	simulateCluster(t, Settings{RetryInterval: time.Hour, Expiration: time.Minute}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		s.settle()
		for range 5 {
			other := onCluster(t, c, s.mutex.settings)
			lock := s.acquire()
			waiter := other.wait(t.Context())
			s.settle()
			start := time.Now()
			s.letGo(lock)
			lock = other.got(waiter)
			took(t, start, 0, 10*simLatency)
			other.letGo(lock)
			other.engine.Close()
		}
	})
}

// A server that was taken out of the cluster, and that the options still name, hears no messages of the others.
func TestMessagesAreListenedForAtAServerThatServesSlots(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		c.with(func() {
			for slot := range c.owners {
				c.owners[slot] = 1 + slot%2
			}
		})
		for range 20 {
			other := onCluster(t, c, s.mutex.settings)
			other.letGo(other.acquire())
			time.Sleep(time.Second)
			if !other.mutex.groups[0][0].listener.reached.Load() {
				t.Error("the engine listens nowhere")
			}
			if n := c.members[0].subscriptions(); n > 0 {
				t.Error("the engine listens at a server that is no member any more")
			}
			other.engine.Close()
		}
	})
}

func TestReleaseThatNobodyWaitsForIsToldToNobody(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		s.settle() // until the engine hears who waits
		_, before := s.asked()
		for range 10 {
			s.letGo(s.acquire())
		}
		if _, after := s.asked(); after != before {
			t.Errorf("%d messages were sent", after-before)
		}
		for _, m := range c.members { // it does not hear any more, so it must tell
			m.dropMessages()
			m.with(func(m *simNode) { m.denied = true })
		}
		s.settle()
		_, before = s.asked()
		s.letGo(s.acquire())
		if _, after := s.asked(); after == before {
			t.Error("nobody was told of a release by an engine that cannot hear who waits")
		}
	})
}

func TestWaiterListensElsewhereWhenItsMemberHangs(t *testing.T) {
	simulateCluster(t, Settings{RetryInterval: time.Hour, Expiration: 10 * time.Minute, NodeTimeout: time.Second}, func(t *testing.T, s *sim, c *simCluster) {
		other := onCluster(t, c, s.mutex.settings)
		lock := s.acquire()
		waiter := other.wait(t.Context())
		s.settle()
		for i, m := range c.members {
			if i != 1 && m.subscriptions() > 0 { // the lock's own master must live
				m.hang()
			}
		}
		time.Sleep(10 * time.Second)
		start := time.Now()
		s.letGo(lock)
		other.letGo(other.got(waiter))
		took(t, start, 0, 3*time.Second)
		for _, m := range c.members {
			if m.hung != nil {
				m.resume()
			}
		}
		other.engine.Close()
	})
}

func TestRedirectionsAreReadAsServersWriteThem(t *testing.T) {
	for text, want := range map[string][2]string{
		"MOVED 3999 127.0.0.1:6381":   {"MOVED", "127.0.0.1:6381"},
		"MOVED 3999 :6381":            {"MOVED", "asked:6381"},
		"MOVED 3999 ?:6381":           {"MOVED", "asked:6381"},
		"MOVED 3999 ::1:6381":         {"MOVED", "[::1]:6381"},
		"MOVED 3999 [::1]:6381":       {"MOVED", "[::1]:6381"},
		"ASK 3999 redis.example:6381": {"ASK", "redis.example:6381"},
		"MOVED 3999":                  {"TRYAGAIN", ""},
		"MOVED 3999 host":             {"TRYAGAIN", ""},
		"MOVED 3999 host:0":           {"TRYAGAIN", ""},
		"MOVED 3999 host:99999":       {"TRYAGAIN", ""},
		"MOVED":                       {"TRYAGAIN", ""},
		"TRYAGAIN Multiple keys":      {"TRYAGAIN", ""},
		"CLUSTERDOWN The cluster":     {"CLUSTERDOWN", ""},
		"NOPERM this user":            {"NOPERM", ""},
		"":                            {"", ""},
	} {
		code, addr := redirection(serverError(text), "asked:1")
		if text == "" {
			want[0] = code // an error without text is no redirection
			if code == "MOVED" || code == "ASK" {
				t.Errorf("an empty error is read as %s", code)
			}
		}
		if got := [2]string{code, addr}; got != want {
			t.Errorf("%q is read as %q; want %q", text, got, want)
		}
	}
	if code, _ := redirection(errors.New("MOVED 1 a:1"), "asked:1"); code != "none" {
		t.Errorf("what is no server's error is read as %q", code)
	}
}

func TestRangesOfSlotsAreReadAsServersWriteThem(t *testing.T) {
	server := func(values ...any) []any { return values }
	for name, test := range map[string]struct {
		element any
		want    slotRange
		refused bool
	}{
		"address":             {element: server(int64(0), int64(5), server("10.0.0.1", int64(7000), "id", server())), want: slotRange{0, 5, "10.0.0.1:7000"}},
		"IPv6":                {element: server(int64(0), int64(5), server("::1", int64(7000))), want: slotRange{0, 5, "[::1]:7000"}},
		"empty host":          {element: server(int64(0), int64(5), server("", int64(7000), "id")), want: slotRange{0, 5, "asked:7000"}},
		"no host":             {element: server(int64(0), int64(5), server(nil, int64(7000), "id")), want: slotRange{0, 5, "asked:7000"}},
		"hostname not set":    {element: server(int64(0), int64(5), server("?", int64(7000), "id", server("ip", "10.0.0.2"))), want: slotRange{0, 5, "10.0.0.2:7000"}},
		"nothing is set":      {element: server(int64(0), int64(5), server("?", int64(7000), "id", server("ip"))), want: slotRange{0, 5, "asked:7000"}},
		"no server":           {element: server(int64(0), int64(5)), refused: true},
		"no list":             {element: "MOVED", refused: true},
		"nothing":             {element: nil, refused: true},
		"slot too large":      {element: server(int64(0), int64(16384), server("h", int64(7000))), refused: true},
		"slots turned":        {element: server(int64(5), int64(0), server("h", int64(7000))), refused: true},
		"negative slot":       {element: server(int64(-1), int64(5), server("h", int64(7000))), refused: true},
		"port too large":      {element: server(int64(0), int64(5), server("h", int64(70000))), refused: true},
		"port is a text":      {element: server(int64(0), int64(5), server("h", "7000")), refused: true},
		"server is a text":    {element: server(int64(0), int64(5), "h:7000"), refused: true},
		"server is too short": {element: server(int64(0), int64(5), server("h")), refused: true},
	} {
		got, ok := readRange(test.element, "asked:6379")
		if ok == test.refused || ok && got != test.want {
			t.Errorf("%s: read as %+v, %v; want %+v", name, got, ok, test.want)
		}
	}
}

// Workers of two processes contend for two keys, cancel, extend, hand over and release, while slots move, and members hang
// for less and more than the node timeout. Nobody may hold what another holds, and nothing may be left.
func TestRandomMovesNeverMakeTwoHoldersAndLeaveNothing(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			fencing := seed%2 == 1
			settings := Settings{Expiration: 2 * time.Second, NodeTimeout: 100 * time.Millisecond, Fencing: fencing, FencingMemory: time.Hour, RetryInterval: 50 * time.Millisecond}
			simulateCluster(t, settings, func(t *testing.T, s *sim, c *simCluster) {
				other := onCluster(t, c, s.mutex.settings)
				keys := []string{"k", "123456789"}
				var mu sync.Mutex
				holders, holds, tokens := make(map[string]*Lock), 0, make(map[string]int64)
				ctx, stop := context.WithCancel(t.Context())
				var workers sync.WaitGroup
				for w := range 8 {
					m, random := []*sim{s, other}[w%2].mutex, rand.New(rand.NewPCG(seed, uint64(w)))
					workers.Go(func() {
						for ctx.Err() == nil {
							key := keys[random.IntN(2)]
							patience := time.Duration(random.IntN(500)) * time.Millisecond
							attempt, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(400)+1)*time.Millisecond)
							lock, err := m.Acquire(attempt, key, AcquireOptions{Wait: &patience, Renew: random.IntN(3) == 0})
							cancel()
							if err != nil {
								time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
								continue
							}
							mu.Lock()
							if before := holders[key]; before != nil && before.Err() == nil && lock.Err() == nil {
								t.Errorf("%q has two holders", key)
							}
							if fencing && lock.Token() <= tokens[key] {
								t.Errorf("after %d the token of %q is %d", tokens[key], key, lock.Token())
							}
							holders[key], tokens[key] = lock, lock.Token()
							holds++
							mu.Unlock()
							time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
							if random.IntN(4) == 0 {
								_ = lock.Extend(ctx, 3*time.Second)
							}
							mu.Lock()
							if holders[key] == lock {
								holders[key] = nil
							}
							mu.Unlock()
							_ = lock.Release(ctx)
						}
					})
				}
				random := rand.New(rand.NewPCG(seed, 1000))
				for range 60 {
					slot, to := slotOf(keys[random.IntN(2)]), random.IntN(3)
					pause := func() { time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond) }
					switch random.IntN(6) {
					case 0, 1, 2:
						c.begin(slot, to)
						pause()
						if random.IntN(2) == 0 {
							c.moveLock(slot)
							time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // at times longer than a question is sent on
						}
						c.move(slot)
						pause()
						c.end(slot)
					case 3:
						c.moveAll(slot, to)
					case 4:
						c.members[to].hang()
						time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
						c.members[to].resume()
					case 5:
						c.members[to].dropMessages()
						c.members[to].with(func(n *simNode) { n.cut = true })
					}
					pause()
				}
				stop()
				workers.Wait()
				if holds < 20 {
					t.Errorf("only %d locks were got", holds)
				}
				synctest.Wait()
				other.engine.Close()
			})
		})
	}
}

func TestFailoverIsNoticedHoweverLongItTakes(t *testing.T) {
	simulateCluster(t, Settings{Expiration: 10 * time.Minute, NodeTimeout: 500 * time.Millisecond}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		c.members[1].with(func(n *simNode) { n.down = true })
		wantError(t, lock.Release(t.Context()), ErrNoQuorum)
		time.Sleep(time.Minute)
		before := c.tellings()
		time.Sleep(10 * simReconnection)
		if got := c.tellings() - before; got < 5 || got > 11 {
			t.Errorf("within ten reconnection intervals the map was asked for %d times", got)
		}
		c.members[0].put("k", lock.claim.owner, 10*time.Minute)
		c.members[1].with(func(n *simNode) { n.flush() })
		c.with(func() {
			for slot := range c.owners {
				if c.owners[slot] == 1 {
					c.owners[slot] = 0
				}
			}
		})
		time.Sleep(2 * simReconnection)
		if owner := c.owner("k"); owner != "" { // without anybody having asked for anything
			t.Errorf("%q still stands at the key", owner)
		}
	})
}

// A release that is on its way from one member to the other when the engine closes gets there.
func TestCloseSeesAReleaseThroughThatIsSentOn(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		s.letGo(s.acquire())
		ctx, cancel := context.WithCancel(t.Context())
		c.members[1].with(func(n *simNode) { n.latency = 20 * time.Millisecond })
		time.AfterFunc(15*time.Millisecond, cancel) // it was carried out, and nobody has heard
		_, err := s.mutex.Acquire(ctx, "k", AcquireOptions{Renew: true})
		wantError(t, err, context.Canceled)
		if c.owner("k") == "" {
			t.Fatal("the question was not carried out")
		}
		c.members[1].with(func(n *simNode) { n.latency = simLatency })
		c.with(func() { c.circular = true })
		time.AfterFunc(100*time.Millisecond, func() { c.with(func() { c.circular = false }) })
		time.Sleep(50 * time.Millisecond)
		s.engine.Close()
		if owner := c.owner("k"); owner != "" {
			t.Errorf("%q still stands at the key", owner)
		}
	})
}

func TestMembersThatAreDownAreNotPickedAsLongAsOthersLive(t *testing.T) {
	simulateCluster(t, Settings{}, func(t *testing.T, s *sim, c *simCluster) {
		for _, key := range []string{"foo{", "k", "123456789"} {
			if lock, err := s.mutex.Acquire(t.Context(), key, AcquireOptions{}); err == nil {
				s.letGo(lock)
			}
		}
		cluster := s.cluster()
		cluster.mu.Lock()
		defer cluster.mu.Unlock()
		cluster.members[simAddr(1)].down = true
		picked := make(map[string]int)
		for range 100 {
			picked[cluster.pick().addr]++
		}
		if picked[simAddr(1)] > 0 || len(picked) != 2 {
			t.Errorf("picked were %v", picked)
		}
		for _, m := range cluster.members {
			m.down = true
		}
		if cluster.pick() == nil {
			t.Error("nobody is picked if all are down")
		}
		for _, m := range cluster.members {
			m.down = false
		}
	})
}

func TestReleaseOfALockThatExpiredIsAskedForOnceMore(t *testing.T) {
	simulateCluster(t, Settings{Expiration: time.Second}, func(t *testing.T, s *sim, c *simCluster) {
		lock := s.acquire()
		time.Sleep(2 * time.Second)
		wantError(t, lock.Release(t.Context()), ErrNotHeld)
		before := c.asked(1)
		time.Sleep(10 * time.Second)
		if got := c.asked(1) - before; got > 2 {
			t.Errorf("after the release the master was asked %d times", got)
		}
	})
}

func TestNothingOfAClusterCallsForAPanic(t *testing.T) {
	for name, use := range map[string]func(m *Mutex){
		"empty seed": func(m *Mutex) { m.Acquire(t.Context(), "k", AcquireOptions{}) },
		"huge key":   func(m *Mutex) { m.Acquire(t.Context(), string(make([]byte, 1<<20)), AcquireOptions{}) },
		"closed":     func(m *Mutex) { m.engine.Close(); m.Acquire(t.Context(), "k", AcquireOptions{}) },
		"message":    func(m *Mutex) { m.engine.lines.tell(m.groups[0], "c", "m") },
		"late debt": func(m *Mutex) {
			m.engine.Close()
			(&claim{nodes: m.groups[0], key: "k"}).released(0, reply{answer: Timeout})
		},
		"late notice": func(m *Mutex) { m.engine.Close(); m.engine.lines.tell(m.groups[0], "c", "m") },
		"exists":      func(m *Mutex) { m.Exists(t.Context(), "{") },
	} {
		t.Run(name, func(t *testing.T) {
			m := clusterMutex(t, Options{}, Settings{NodeTimeout: 50 * time.Millisecond}, "", ":", "127.0.0.1:1", "\x00", "127.0.0.1:1")
			use(m)
			m.engine.Close()
			if n := m.engine.operations.Load(); n != closedBit {
				t.Errorf("operations are %x", n)
			}
		})
	}
}
