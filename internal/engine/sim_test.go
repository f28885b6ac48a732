package engine

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// simNode is a Redis node in memory and in virtual time. It understands the engine's four questions, and its switches do
// to them what networks and machines do.
type simNode struct {
	mu      sync.Mutex // guards what follows
	keys    map[string]simKey
	latency time.Duration // between question and answer
	// refuse is the error of a server that answers every question with it.
	refuse error
	// down refuses connections.
	down bool
	// mute carries questions out, but their answers never arrive.
	mute bool
	// cut breaks the connection after carrying the next batch out.
	cut bool
	// hung is not nil while nothing moves: batches in the meantime are carried out when it is closed.
	hung chan struct{}

	batches []int // sizes of those received
	pings   int
	log     []string // op and owner of each question carried out
}

type simKey struct {
	owner string
	ends  time.Time
}

// otherType is the owner of a key that is not a string.
const otherType = "\x00other type"

func (n *simNode) exec(ctx context.Context, batch []*call) {
	n.mu.Lock()
	n.batches = append(n.batches, len(batch))
	down, hung, latency := n.down, n.hung, n.latency
	questions := make([]*question, len(batch))
	for i, c := range batch {
		questions[i] = c.question
	}
	n.mu.Unlock()
	fail := func(r reply) {
		r.broken = true
		for _, c := range batch {
			c.reply = r
		}
	}
	switch {
	case down:
		fail(reply{answer: Down, err: errors.New("connection refused")})
		return
	case hung != nil:
		go func() {
			<-hung
			for i := range questions {
				n.answer(questions[i])
			}
		}()
		<-ctx.Done()
		fail(reply{answer: Timeout, err: ctx.Err(), unknown: true})
		return
	}
	deadline, _ := ctx.Deadline()
	if time.Until(deadline) <= latency {
		// The question is on its way and will be carried out; nobody hears the answer.
		go func() {
			time.Sleep(latency / 2)
			for i := range questions {
				n.answer(questions[i])
			}
		}()
		<-ctx.Done()
		fail(reply{answer: Timeout, err: ctx.Err(), unknown: true})
		return
	}
	time.Sleep(latency / 2)
	for _, c := range batch {
		c.reply = n.answer(c.question)
	}
	n.mu.Lock()
	mute, cut := n.mute, n.cut
	n.cut = false
	n.mu.Unlock()
	switch {
	case mute:
		<-ctx.Done()
		fail(reply{answer: Timeout, err: ctx.Err(), unknown: true})
	case cut:
		fail(reply{answer: Down, err: io.EOF, unknown: true})
	default:
		time.Sleep(latency - latency/2)
	}
}

func (n *simNode) ping(ctx context.Context) error {
	n.mu.Lock()
	n.pings++
	down, stuck, latency := n.down, n.hung != nil || n.mute, n.latency
	n.mu.Unlock()
	switch {
	case down:
		return errors.New("connection refused")
	case stuck:
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *simNode) close() error { return nil }

// answer carries a question out, as the commands and scripts of the wire do.
func (n *simNode) answer(q *question) reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, []string{"acquire ", "release ", "extend ", "read "}[q.op]+q.owner)
	if n.refuse != nil {
		return reply{answer: Refused, err: n.refuse}
	}
	stands := n.look(q.key)
	if stands == otherType && q.op != acquire {
		return reply{answer: WrongType}
	}
	switch q.op {
	case acquire:
		if stands != "" {
			return reply{answer: Taken}
		}
		n.set(q)
	case extend:
		if stands != "" && stands != q.owner {
			return reply{answer: Taken}
		}
		if ends := time.Now().Add(time.Duration(q.milliseconds) * time.Millisecond); n.keys[q.key].ends.Before(ends) {
			n.set(q)
		}
	case release:
		if stands == "" {
			return reply{answer: Gone}
		}
		if stands != q.owner {
			return reply{answer: Taken}
		}
		delete(n.keys, q.key)
	case read:
		if stands == "" {
			return reply{answer: Gone}
		}
		return reply{answer: Granted, owner: stands}
	}
	return reply{answer: Granted}
}

func (n *simNode) set(q *question) {
	n.keys[q.key] = simKey{owner: q.owner, ends: time.Now().Add(time.Duration(q.milliseconds) * time.Millisecond)}
}

// look is the owner at a key; the key's expiration counts. n.mu is held.
func (n *simNode) look(key string) string {
	k, ok := n.keys[key]
	if ok && !time.Now().Before(k.ends) {
		delete(n.keys, key)
		return ""
	}
	return k.owner
}

// owner is the owner at a key, "" if none.
func (n *simNode) owner(key string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.look(key)
}

// put sets a key as another client would.
func (n *simNode) put(key, owner string, expiration time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keys[key] = simKey{owner: owner, ends: time.Now().Add(expiration)}
}

func (n *simNode) remove(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.keys, key)
}

// with changes switches.
func (n *simNode) with(change func(n *simNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// hang stops the node as SIGSTOP would; resume lets it go on with what it received meanwhile.
func (n *simNode) hang() {
	n.with(func(n *simNode) { n.hung = make(chan struct{}) })
}

func (n *simNode) resume() {
	n.with(func(n *simNode) {
		close(n.hung)
		n.hung = nil
	})
	synctest.Wait()
}

// questions counts those received so far.
func (n *simNode) questions() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for _, size := range n.batches {
		sum += size
	}
	return sum
}

// received counts the batches and the pings received so far.
func (n *simNode) received() (batches, pings int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.batches), n.pings
}

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
	synctest.Test(t, func(t *testing.T) {
		s := &sim{t: t}
		s.engine = New(Options{})
		s.engine.clock.ahead = func() time.Duration {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.ahead
		}
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
			group = append(group, s.engine.addNode(string(rune('A'+i)), n, timeout, simReconnection))
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
