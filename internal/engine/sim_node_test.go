package engine

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing/synctest"
	"time"
)

// simNode is a Redis node in memory and in virtual time. It understands the engine's questions, and its switches do to
// them what networks and machines do.
type simNode struct {
	mu sync.Mutex // guards what follows
	simClock
	keys     map[string]simKey
	counters map[string]simCounter // of fencing, by their keys
	// birth is what stands at the birth key, by the node's clock in milliseconds; 0: nothing.
	birth int64
	// started is when the server started, by its clock; blind has it keep that to itself.
	started time.Time
	blind   bool
	// journal is the changes of its data, the latest last, if it keeps one.
	journal      []change
	keepsJournal bool

	latency time.Duration // between question and answer
	// refuse is the error of a server that answers every question with it.
	refuse error
	// down refuses connections.
	down bool
	// mute carries questions out, but their answers never arrive.
	mute bool
	// cut breaks the connection after carrying the next batch out.
	cut bool
	// silent drops messages: they are published, and nobody hears them. Lose, unless nil, picks those that are dropped.
	silent bool
	lose   func(message string) bool
	// refuseOp, unless nil, picks the questions that the server answers with an error.
	refuseOp func(op) error
	// denied lets nobody listen: the server refuses that.
	denied bool
	subs   []*simSubscription
	// subscribed counts the connections for messages that were ever made.
	subscribed int
	// hung is not nil while nothing moves: batches in the meantime are carried out when it is closed.
	hung chan struct{}
	// parked is what schedules have arrive when it is resumed.
	parked []func()
	// lives counts the starts of the server.
	lives int
	// lostData is when it last lost some.
	lostData time.Time

	published int   // messages
	batches   []int // sizes of those received
	pings     int
	log       []string // op and owner of each question carried out
	// heard, unless nil, is told of each question carried out, instead of the log.
	heard func(*question, reply)
	// cluster is the one that it is a member of, nil if it is none's.
	cluster *simCluster
}

// simSender is a connection to a simNode on which questions are asked.
type simSender struct {
	*simNode
	away   time.Duration // see farNode
	cutOff chan struct{} // guarded by the node's mu; closed by an interruption of the batch under way
}

func (n *simNode) sender() sender { return &simSender{simNode: n} }

func (s *simSender) connected() bool { return true }
func (s *simSender) reset()          {}

func (s *simSender) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.cutOff:
	default:
		close(s.cutOff)
	}
}

// exec carries a batch out. An interruption cuts short what the caller waits for, not what the node does.
func (s *simSender) exec(deadline time.Time, batch []*call) {
	cutOff := make(chan struct{})
	copies := make([]*call, len(batch))
	for i, c := range batch {
		q := *c.question
		copies[i] = &call{question: &q, way: c.way}
	}
	s.mu.Lock()
	s.cutOff = cutOff
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(s.away / 2)
		s.simNode.exec(deadline, copies)
		time.Sleep(s.away - s.away/2)
	}()
	select {
	case <-done:
		for i, c := range batch {
			c.reply = copies[i].reply
		}
	case <-cutOff:
		for _, c := range batch {
			c.reply = reply{answer: Timeout, err: errors.New("interrupted"), broken: true, unknown: true}
		}
	}
}

func (n *simNode) exec(deadline time.Time, batch []*call) {
	n.mu.Lock()
	n.batches = append(n.batches, len(batch))
	down, hung, latency := n.down, n.hung, n.latency
	copies := make([]call, len(batch)) // who gave up may use the question again
	for i, c := range batch {
		q := *c.question
		copies[i] = call{question: &q, way: c.way}
	}
	n.mu.Unlock()
	fail := func(r reply) {
		if r.answer == Timeout {
			time.Sleep(time.Until(deadline))
			r.err = context.DeadlineExceeded
		}
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
			for i := range copies {
				n.answerCall(&copies[i])
			}
		}()
		fail(reply{answer: Timeout, unknown: true})
		return
	}
	if time.Until(deadline) <= latency {
		// The question is on its way and will be carried out; nobody hears the answer.
		go func() {
			time.Sleep(latency / 2)
			for i := range copies {
				n.answerCall(&copies[i])
			}
		}()
		fail(reply{answer: Timeout, unknown: true})
		return
	}
	time.Sleep(latency / 2)
	for _, c := range batch {
		c.reply = n.answerCall(c)
	}
	n.mu.Lock()
	mute, cut := n.mute, n.cut
	n.cut = false
	n.mu.Unlock()
	switch {
	case mute:
		fail(reply{answer: Timeout, unknown: true})
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

// restart ends the node and starts it again without its data.
func (n *simNode) restart() {
	n.dropMessages()
	n.with(func(n *simNode) {
		n.flush()
		n.started = n.now()
		n.cut = true
	})
}

// flush deletes all data, as FLUSHALL does. n.mu is held.
func (n *simNode) flush() {
	clear(n.keys)
	clear(n.counters)
	n.birth = 0
	n.journal = nil
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
	n.set(key, owner, expiration.Milliseconds())
}

func (n *simNode) remove(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deleteKey(key)
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

// serverError is an error reply.
type serverError string

func (e serverError) Error() string { return string(e) }

func (serverError) RedisError() {}
