package engine

import (
	"errors"
	"io"
	"slices"
	"sync"
	"time"
)

// publish sends a message to whoever listens, and returns how many those are. n.mu is held.
func (n *simNode) publish(channel, message string) int {
	if n.cluster != nil {
		n.cluster.pass(n, channel, message)
	}
	return n.deliver(channel, message)
}

// deliver sends a message to whoever listens here, and returns how many those are. n.mu is held.
func (n *simNode) deliver(channel, message string) int {
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
	dead bool
	away time.Duration // see farNode
	// post, unless nil, has an event arrive in a way of its own.
	post   func(event)
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
		n.subs = append(slices.DeleteFunc(n.subs, (*simSubscription).closed), s)
	}
	return s
}

// send has an event arrive after a delay.
func (s *simSubscription) send(e event, delay time.Duration) {
	if s.post != nil {
		s.post(e)
		return
	}
	time.AfterFunc(delay+s.away/2, func() { s.arrive(e) })
}

func (s *simSubscription) arrive(e event) {
	select {
	case s.events <- e:
	case <-s.broken:
	}
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
	for _, c := range slices.Sorted(slices.Values(channels)) { // an engine's before a key's
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
