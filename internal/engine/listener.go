package engine

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checkInterval is how often a connection for messages is asked for a sign of life. One that gave none by the next time
// is made again: a connection can break without either side noticing.
const checkInterval = time.Second

// listener is the one connection of an engine on which a node's messages arrive. It exists as long as somebody listens.
// One goroutine keeps it, another one reads.
type listener struct {
	engine *Engine
	node   *Node
	// pause is how long the node is left alone after the connection broke.
	pause time.Duration
	// reached says that the server has confirmed the engine's own channel.
	reached atomic.Bool

	mu sync.Mutex // guards what follows
	// channels are those that somebody listens to, and whether the server has confirmed that.
	channels map[string]bool
	// leaving are those that nobody listens to any more, of which the server doesn't know yet, and whether it had confirmed
	// them.
	leaving map[string]bool
	// users counts the lines that need the engine's own channel.
	users int
	// changed tells the keeper that something is new; nil if no keeper runs.
	changed chan struct{}
	keepers sync.WaitGroup
}

// open has the messages to this engine arrive; shut says that one of those who opened no longer needs them.
func (l *listener) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
	if l.changed == nil && !l.isClosing() {
		l.changed = make(chan struct{}, 1)
		l.channels = map[string]bool{engineChannel(l.engine.owners.name): false}
		l.keepers.Go(l.keep)
	}
}

func (l *listener) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users--
	l.tellKeeper()
}

// listen has a channel's messages arrive too, until who opened the listener shuts it or ignores the channel. It returns
// true if the server has confirmed that they do already.
func (l *listener) listen(channel string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosing() {
		return false
	}
	if confirmed, ok := l.channels[channel]; ok {
		return confirmed
	}
	confirmed := l.leaving[channel] // then the server was not asked to stop, and will not confirm it again
	l.channels[channel] = confirmed
	delete(l.leaving, channel)
	l.tellKeeper()
	return confirmed
}

// ignore ends that.
func (l *listener) ignore(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if confirmed, ok := l.channels[channel]; ok {
		delete(l.channels, channel)
		if l.leaving == nil {
			l.leaving = make(map[string]bool)
		}
		l.leaving[channel] = confirmed
		l.tellKeeper()
	}
}

// tellKeeper wakes the keeper. l.mu is held.
func (l *listener) tellKeeper() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// keep makes connection after connection until nobody listens.
func (l *listener) keep() {
	for {
		if !l.attend() {
			return
		}
		l.engine.lines.deaf(l.node)
		select {
		case <-time.After(l.pause):
		case <-l.engine.closing:
			l.idle()
			return
		}
	}
}

// attend keeps one connection until it breaks, and returns true, or until nobody listens any more.
func (l *listener) attend() bool {
	// Nobody waits for it, so it may take the time that a slow handshake needs.
	sub := l.node.subscribe(max(l.node.timeout(), handshakeTimeout))
	told := make(map[string]bool) // channels that the server was asked for on this connection
	if l.update(sub, told) != nil {
		sub.close()
		return !l.idle()
	}
	broken := make(chan struct{})
	answered := make(chan struct{}, 1)
	go func() {
		defer close(broken)
		l.read(sub, answered)
	}()
	defer func() {
		sub.close()
		<-broken
	}()
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	waiting := false // for a sign of life
	for {
		select {
		case <-l.changed:
			if l.idle() {
				return false
			}
			if l.update(sub, told) != nil {
				return true
			}
		case <-answered:
			waiting = false
		case <-check.C:
			if waiting || sub.ping() != nil {
				return true
			}
			waiting = true
		case <-broken:
			return true
		case <-l.engine.closing:
			return !l.idle()
		}
	}
}

// update tells the server what is new.
func (l *listener) update(sub subscription, told map[string]bool) error {
	l.mu.Lock()
	var more, less []string
	for channel := range l.channels {
		if !told[channel] {
			more = append(more, channel)
		}
	}
	for channel := range l.leaving {
		if told[channel] {
			less = append(less, channel)
		}
	}
	l.leaving = nil
	l.mu.Unlock()
	slices.SortFunc(more, func(a, b string) int { // the engine's own first: a key's confirmation is good for both
		own := engineChannel(l.engine.owners.name)
		switch {
		case a == own:
			return -1
		case b == own:
			return 1
		}
		return 0
	})
	for _, channel := range more {
		told[channel] = true
	}
	for _, channel := range less {
		delete(told, channel)
	}
	if len(more) > 0 {
		if err := sub.listen(more); err != nil {
			return err
		}
	}
	if len(less) > 0 {
		return sub.ignore(less)
	}
	return nil
}

// read hands on what arrives until the connection breaks.
func (l *listener) read(sub subscription, answered chan<- struct{}) {
	for {
		e, err := sub.receive()
		if err != nil {
			return
		}
		select {
		case answered <- struct{}{}: // whatever it is, it is a sign of life
		default:
		}
		switch {
		case e.isNew:
			l.mu.Lock()
			_, wanted := l.channels[e.channel]
			if wanted {
				l.channels[e.channel] = true
				if e.channel == engineChannel(l.engine.owners.name) {
					l.reached.Store(true)
				}
			}
			l.mu.Unlock()
			if wanted {
				l.engine.lines.confirmed(l.node, e.channel)
			}
		case e.channel != "":
			l.engine.lines.hear(l.node, e.channel, e.message)
		}
	}
}

// idle ends the keeper's work if nobody listens, or the engine closes.
func (l *listener) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users > 0 && !l.isClosing() {
		return false
	}
	l.channels, l.leaving, l.changed = nil, nil, nil
	l.reached.Store(false)
	return true
}

// isClosing tells whether the engine does: then nobody needs to hear anything any more.
func (l *listener) isClosing() bool {
	select {
	case <-l.engine.closing:
		return true
	default:
		return false
	}
}

// deafen marks every channel as unconfirmed: the connection broke.
func (l *listener) deafen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for channel := range l.channels {
		l.channels[channel] = false
	}
	clear(l.leaving)
	l.reached.Store(false)
}

// close waits for the keeper's end, which the engine's closing brings about.
func (l *listener) close() {
	l.mu.Lock()
	if l.changed != nil {
		l.tellKeeper()
	}
	l.mu.Unlock()
	l.keepers.Wait()
}

// deaf says that a node tells of no releases until further notice.
func (s *lines) deaf(node *Node) {
	node.listener.deafen()
	s.each(node, "", func(ln *line, index int) { ln.listening &^= 1 << index })
}

// confirmed says that a node tells of what happens on channel from now on. Something may have happened before that, so
// the first in line tries.
func (s *lines) confirmed(node *Node, channel string) {
	if len(channel) <= len(keyChannel("")) || channel[:len(keyChannel(""))] != keyChannel("") {
		return
	}
	s.each(node, channel[len(keyChannel("")):], func(ln *line, index int) {
		heard := ln.hears()
		ln.listening |= 1 << index
		if ln.hears() && (!heard || ln.reconnected&(1<<index) != 0) {
			ln.ready = true
			ln.poke()
		}
		ln.reconnected |= 1 << index // should it be confirmed again, that was a new connection
	})
}

// each calls f, with the line's mutex held, for the lines for key that stand at the node, or for all if key is empty.
func (s *lines) each(node *Node, key string, f func(ln *line, index int)) {
	s.mu.Lock()
	all := slices.Clone(s.byKey[key])
	if key == "" {
		for _, lines := range s.byKey {
			all = append(all, lines...)
		}
	}
	s.mu.Unlock()
	for _, ln := range all {
		if i := slices.Index(ln.nodes, node); i >= 0 {
			ln.mu.Lock()
			f(ln, i)
			ln.mu.Unlock()
		}
	}
}
