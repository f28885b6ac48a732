package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sim is a mutex on simulated nodes.
type sim struct {
	t      *testing.T
	engine *Engine
	mutex  *Mutex
	nodes  []*simNode
	// ahead is how far the wall clock runs ahead of the monotonic one.
	ahead time.Duration
	mu    sync.Mutex
}

const (
	simLatency      = time.Millisecond
	simReconnection = time.Second
)

// simulate runs a test on so many simulated nodes, in a bubble of virtual time. Expiration is 10 s unless settings say
// otherwise, so the node timeout is 500 ms and the drift 102 ms. Nothing may be left of the engine in the end.
func simulate(t *testing.T, nodes int, settings Settings, test func(t *testing.T, s *sim)) {
	t.Helper()
	// Whoever runs in a circle keeps virtual time from passing.
	watchdog := time.AfterFunc(time.Minute, func() { panic(t.Name() + ": time stands still") })
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t}
		s.engine = New(Options{})
		s.engine.clock.ahead = s.sleptFor
		if settings.Name == "" {
			settings.Name = "Test"
		}
		if settings.Expiration == 0 {
			settings.Expiration = 10 * time.Second
		}
		if settings.DriftFactor == 0 {
			settings.DriftFactor = 0.01
		}
		if settings.RetryInterval == 0 {
			settings.RetryInterval = 200 * time.Millisecond
		}
		timeout := settings.NodeTimeout
		if timeout == 0 {
			timeout = DefaultNodeTimeout(settings.Expiration)
		}
		var group []*Node
		for i := range nodes {
			n := &simNode{keys: make(map[string]simKey), latency: simLatency}
			s.nodes = append(s.nodes, n)
			group = append(group, s.engine.addNode(string(rune('A'+i)), n, 1, timeout, simReconnection))
		}
		m, err := s.engine.NewMutex(settings, [][]*Node{group})
		if err != nil {
			t.Fatal(err)
		}
		s.mutex = m
		defer s.engine.Close()
		test(t, s)
	})
}

// another is another process's engine on the same nodes.
func (s *sim) another() *sim { return s.distant(0) }

// distant is another process's engine from which it is further to the nodes, or to each of them.
func (s *sim) distant(away ...time.Duration) *sim {
	s.t.Helper()
	other := &sim{t: s.t, engine: New(Options{}), nodes: s.nodes}
	other.engine.clock.ahead = other.sleptFor
	var group []*Node
	for i, n := range s.nodes {
		group = append(group, other.engine.addNode(string(rune('A'+i)), &farNode{n, away[i%len(away)]}, 1, s.mutex.groups[0][i].lane.timeout, simReconnection))
	}
	m, err := other.engine.NewMutex(s.mutex.settings, [][]*Node{group})
	if err != nil {
		s.t.Fatal(err)
	}
	other.mutex = m
	s.t.Cleanup(func() { other.engine.Close() })
	return other
}

// subscriptions counts the connections for messages that were ever made to the node.
func (n *simNode) subscriptions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.subscribed
}

// renewed is a lock on "k" that is renewed.
func (s *sim) renewed() *Lock {
	s.t.Helper()
	lock, err := s.mutex.Acquire(s.t.Context(), "k", AcquireOptions{Renew: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return lock
}

// acquired is what came of an acquire, and when.
type acquired struct {
	lock *Lock
	err  error
	at   time.Time
}

// wait starts an acquire of "k" that waits until ctx ends.
func (s *sim) wait(ctx context.Context) <-chan acquired {
	forever := Forever
	return s.start(ctx, AcquireOptions{Wait: &forever})
}

// start starts an acquire of "k", and returns when nothing more happens at this moment.
func (s *sim) start(ctx context.Context, options AcquireOptions) <-chan acquired {
	c := make(chan acquired, 1)
	go func() {
		lock, err := s.mutex.Acquire(ctx, "k", options)
		c <- acquired{lock, err, time.Now()}
	}()
	synctest.Wait()
	return c
}

// lineUp has so many wait for "k", one after the other, and returns what comes of it and what ends each one's wait.
func (s *sim) lineUp(n int) (waiters []<-chan acquired, cancels []context.CancelFunc) {
	for range n {
		ctx, cancel := context.WithCancel(s.t.Context())
		waiters, cancels = append(waiters, s.wait(ctx)), append(cancels, cancel)
		s.settle()
	}
	return waiters, cancels
}

// got is the lock that a waiter got, or the end of the test.
func (s *sim) got(w <-chan acquired) *Lock {
	s.t.Helper()
	a := <-w
	if a.err != nil {
		s.t.Fatal(a.err)
	}
	return a.lock
}

// letGo releases a lock, or ends the test.
func (s *sim) letGo(l *Lock) {
	s.t.Helper()
	if err := l.Release(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// settle lets so much time pass that everything under way has arrived.
func (s *sim) settle() {
	time.Sleep(20 * simLatency)
	synctest.Wait()
}

// each changes switches of all nodes.
func (s *sim) each(change func(n *simNode)) {
	for _, n := range s.nodes {
		n.with(change)
	}
}

// asked counts the questions that all nodes carried out, notices included, and the messages they sent.
func (s *sim) asked() (questions, messages int) {
	for _, n := range s.nodes {
		n.with(func(n *simNode) { questions, messages = questions+len(n.log), messages+n.published })
	}
	return questions, messages
}

// wantNothingLeft checks that an engine has nothing under way, nobody in line and nothing listened to, after it was left
// alone for long enough.
func (s *sim) wantNothingLeft() {
	s.t.Helper()
	time.Sleep(3 * linger)
	synctest.Wait()
	e := s.engine
	if n := len(e.Held()); n > 0 {
		s.t.Errorf("%d locks are held", n)
	}
	if n := e.operations.Load() &^ closedBit; n != 0 {
		s.t.Errorf("%d operations are under way", n)
	}
	e.lines.mu.Lock()
	if len(e.lines.byKey) != 0 || e.lines.count.Load() != 0 {
		s.t.Errorf("%d lines are left, of %d keys", e.lines.count.Load(), len(e.lines.byKey))
	}
	for _, lines := range e.lines.byKey {
		for _, ln := range lines {
			s.t.Errorf("the line for %q has %d waiters; busy %v, ready %v, holder %v", ln.key, ln.length, ln.busy, ln.ready, ln.holder != nil)
		}
	}
	e.lines.mu.Unlock()
	e.renewals.mu.Lock()
	if n := len(e.renewals.queue); n > 0 {
		s.t.Errorf("%d renewals are planned", n)
	}
	e.renewals.mu.Unlock()
	e.vigils.mu.Lock()
	for _, q := range e.vigils.queues {
		if q.first != nil {
			s.t.Error("a round is watched that nobody waits for")
		}
	}
	e.vigils.mu.Unlock()
	for i, node := range s.mutex.groups[0] {
		node.lane.mu.Lock()
		for _, stream := range node.lane.streams {
			if stream.flushing || len(stream.queue) > 0 {
				s.t.Errorf("node %c: %d questions queue, flushing is %v", 'A'+i, len(stream.queue), stream.flushing)
			}
		}
		node.lane.mu.Unlock()
		node.listener.mu.Lock()
		if node.listener.changed != nil {
			s.t.Errorf("node %c is listened to: %v", 'A'+i, node.listener.channels)
		}
		node.listener.mu.Unlock()
	}
}

// acquire gets a lock on "k" or ends the test.
func (s *sim) acquire() *Lock {
	s.t.Helper()
	lock, err := s.mutex.Acquire(s.t.Context(), "k", AcquireOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return lock
}

// try tries to get a lock on "k".
func (s *sim) try() (*Lock, error) {
	return s.mutex.Acquire(s.t.Context(), "k", AcquireOptions{})
}

// delayOneQuestion has what is asked next arrive only a second later, by when it was given up.
func (s *sim) delayOneQuestion() {
	n := s.nodes[0]
	n.with(func(n *simNode) { n.latency = 2 * time.Second })
	time.AfterFunc(400*time.Millisecond, func() { n.with(func(n *simNode) { n.latency = simLatency }) })
}

// wantNoKey checks that nothing stands at "k" on any node.
func (s *sim) wantNoKey() {
	s.t.Helper()
	for i, n := range s.nodes {
		if owner := n.owner("k"); owner != "" {
			s.t.Errorf("node %c still holds %q", 'A'+i, owner)
		}
	}
}

// sleepAhead lets time pass on the wall clock only, as a suspended machine does.
func (s *sim) sleepAhead(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

func (s *sim) sleptFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead
}

// wantError checks that err is all the errors given.
func wantError(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error is %v; want %v", err, w)
		}
	}
}

// took checks how long ago since was.
func took(t *testing.T, since time.Time, least, most time.Duration) {
	t.Helper()
	if d := time.Since(since); d < least || d > most {
		t.Errorf("took %v; want %v to %v", d, least, most)
	}
}
