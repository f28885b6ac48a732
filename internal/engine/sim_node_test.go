package engine

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
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

	published int   // messages
	batches   []int // sizes of those received
	pings     int
	log       []string // op and owner of each question carried out
}

type simKey struct {
	owner string
	ends  time.Time
}

// otherType is the owner of a key that is not a string.
const otherType = "\x00other type"

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
		copies[i] = &call{question: &q}
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
	questions := make([]question, len(batch)) // copies: who gave up may use the question again
	for i, c := range batch {
		questions[i] = *c.question
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
			for i := range questions {
				n.answer(&questions[i])
			}
		}()
		fail(reply{answer: Timeout, unknown: true})
		return
	}
	if time.Until(deadline) <= latency {
		// The question is on its way and will be carried out; nobody hears the answer.
		go func() {
			time.Sleep(latency / 2)
			for i := range questions {
				n.answer(&questions[i])
			}
		}()
		fail(reply{answer: Timeout, unknown: true})
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

// answer carries a question out, as the commands and scripts of the wire do.
func (n *simNode) answer(q *question) reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, [...]string{
		acquire: "acquire ", queue: "queue ", release: "release ", handover: "handover ", extend: "extend ", read: "read ", notice: "notice ",
	}[q.op]+q.owner)
	if n.refuse != nil {
		return reply{answer: Refused, err: n.refuse}
	}
	if n.refuseOp != nil {
		if err := n.refuseOp(q.op); err != nil {
			return reply{answer: Refused, err: err}
		}
	}
	stands := n.look(q.key)
	if stands == otherType && q.op != acquire && q.op != queue && q.op != notice {
		return reply{answer: WrongType}
	}
	switch q.op {
	case acquire:
		if stands != "" {
			return reply{answer: Taken}
		}
		n.set(q.key, q.owner, q.milliseconds)
	case queue:
		if stands != "" {
			if engine := engineOf(stands); engine != "" && q.message != "" {
				n.publish(engineChannel(engine), q.message)
			}
			if stands == otherType {
				stands = ""
			}
			return reply{answer: Taken, owner: stands, left: time.Until(n.keys[q.key].ends).Truncate(time.Millisecond)}
		}
		n.set(q.key, q.owner, q.milliseconds)
	case handover:
		if stands != "" && stands != q.owner {
			return reply{answer: Taken}
		}
		n.set(q.key, q.next, q.milliseconds)
		if stands == "" {
			return reply{answer: Gone}
		}
	case notice:
		n.publish(q.channel, q.message)
	case extend:
		if stands != "" && stands != q.owner {
			return reply{answer: Taken}
		}
		if ends := time.Now().Add(time.Duration(q.milliseconds) * time.Millisecond); n.keys[q.key].ends.Before(ends) {
			n.set(q.key, q.owner, q.milliseconds)
		}
	case release:
		if stands == "" {
			return reply{answer: Gone}
		}
		if stands != q.owner {
			return reply{answer: Taken}
		}
		delete(n.keys, q.key)
		if q.channel == "" || n.publish(q.channel, q.message) == 0 {
			heard := n.publish(keyChannel(q.key), q.owner[:min(len(q.owner), idLength)])
			return reply{answer: Granted, awaited: heard > 0}
		}
	case read:
		if stands == "" {
			return reply{answer: Gone}
		}
		return reply{answer: Granted, owner: stands}
	}
	return reply{answer: Granted}
}

func (n *simNode) set(key, owner string, milliseconds int64) {
	n.keys[key] = simKey{owner: owner, ends: time.Now().Add(time.Duration(milliseconds) * time.Millisecond)}
}

// publish sends a message to whoever listens, and returns how many those are. n.mu is held.
func (n *simNode) publish(channel, message string) int {
	listening := 0
	lost := n.silent || n.lose != nil && n.lose(message)
	if !lost {
		n.published++
	}
	for _, s := range n.subs {
		if !s.channels[channel] || s.closed() {
			continue
		}
		listening++
		if !lost && !s.dead {
			s.send(event{channel: channel, message: message}, n.latency/2)
		}
	}
	return listening
}

// farNode is a node as one sees it who is further away.
type farNode struct {
	*simNode
	away time.Duration // to and fro
}

func (n *farNode) sender() sender { return &simSender{simNode: n.simNode, away: n.away} }

func (n *farNode) subscribe(timeout time.Duration) subscription {
	s := n.simNode.subscribe(timeout).(*simSubscription)
	n.with(func(*simNode) { s.away = n.away })
	return s
}

// simSubscription is a connection to a simNode on which messages arrive.
type simSubscription struct {
	node     *simNode
	channels map[string]bool // guarded by the node's mu
	// dead is a connection of which neither side has noticed that it broke; guarded by the node's mu.
	dead   bool
	away   time.Duration // see farNode
	events chan event
	broken chan struct{}
	once   sync.Once
}

func (n *simNode) subscribe(time.Duration) subscription {
	s := &simSubscription{node: n, channels: make(map[string]bool), events: make(chan event, 1000), broken: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subscribed++
	if n.down {
		s.close()
	} else {
		n.subs = append(n.subs, s)
	}
	return s
}

// send has an event arrive after a delay.
func (s *simSubscription) send(e event, delay time.Duration) {
	time.AfterFunc(delay+s.away/2, func() {
		select {
		case s.events <- e:
		case <-s.broken:
		}
	})
}

func (s *simSubscription) listen(channels []string) error {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return errors.New("connection refused")
	}
	if n.denied {
		s.close() // the error arrives as an event
		return nil
	}
	for _, c := range channels {
		s.channels[c] = true
		if n.hung == nil && !s.dead {
			s.send(event{channel: c, isNew: true}, n.latency)
		}
	}
	return nil
}

func (s *simSubscription) ignore(channels []string) error {
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	for _, c := range channels {
		delete(s.channels, c)
	}
	return nil
}

func (s *simSubscription) ping() error {
	n := s.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hung == nil && !n.mute && !s.dead {
		s.send(event{}, n.latency)
	}
	return nil
}

func (s *simSubscription) receive() (event, error) {
	select {
	case e := <-s.events:
		return e, nil
	case <-s.broken:
		return event{}, io.EOF
	}
}

func (s *simSubscription) closed() bool {
	select {
	case <-s.broken:
		return true
	default:
		return false
	}
}

func (s *simSubscription) close() {
	s.once.Do(func() { close(s.broken) })
}

// dropMessages breaks every connection on which messages arrive.
func (n *simNode) dropMessages() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.subs {
		s.close()
	}
	n.subs = nil
}

// halfOpen breaks every connection on which messages arrive without anybody noticing.
func (n *simNode) halfOpen() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.subs {
		s.dead = true
	}
}

// restart ends the node and starts it again without its data.
func (n *simNode) restart() {
	n.dropMessages()
	n.with(func(n *simNode) {
		clear(n.keys)
		n.cut = true
	})
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

// engineOf is the name of the engine that an owner value tells of, "" if it tells of none.
func engineOf(owner string) string {
	at := strings.LastIndex(owner, " @")
	if at < 0 || len(owner) > 200 {
		return ""
	}
	return owner[at+2:]
}
