package engine

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long a line is kept that nobody needs: whoever comes back by then knows where the lock went, and doesn't
// have to listen anew.
const linger = 5 * time.Second

// lines are the lines of an engine. There is one for each key that somebody waits for, or waited for a moment ago.
type lines struct {
	engine *Engine
	// count is how many there are: mostly none, and then nobody needs the mutex.
	count atomic.Int32
	// announcements counts those that this engine has made.
	announcements atomic.Uint64

	mu    sync.Mutex // guards what follows; comes before the mutex of a line
	byKey map[string][]*line
	sweep *time.Timer
	// closed keeps new lines from being made known.
	closed bool
}

// find is the line for a key of a mutex, nil if there is none. s.mu is held.
func (s *lines) find(m *Mutex, key string) *line {
	for _, ln := range s.byKey[key] {
		if ln.mutex == m {
			return ln
		}
	}
	return nil
}

// occupied tells whether there is a line for the key to stand in without asking Redis first: somebody waits in it, this
// process holds the lock, or has just passed it on to another.
func (s *lines) occupied(m *Mutex, key string, now moment) bool {
	if s.count.Load() == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.find(m, key)
	if ln == nil {
		return false
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	switch {
	case ln.outage:
		return false
	case ln.first != nil, ln.holder != nil:
		return true
	default:
		return ln.next != "" && ln.hears() && now.since(ln.passed) < m.settings.RetryInterval
	}
}

// adopt makes the line of a lock that was got outside of it, if there is one, know of it.
func (s *lines) adopt(l *Lock) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ln := s.find(l.mutex, l.claim.key); ln != nil {
		ln.mu.Lock()
		ln.adopt(l)
		ln.mu.Unlock()
	}
}

// join puts w in the line for the key, which is made if it doesn't exist.
func (s *lines) join(m *Mutex, key string, w *waiter, failed *failure) *line {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.find(m, key)
	if ln == nil {
		ln = s.add(m, key)
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.used = s.engine.clock.now()
	if !s.closed {
		ln.listen()
	}
	ln.join(w, failed)
	return ln
}

// attend makes a line in which nobody stands, for this process released a lock for which others wait elsewhere: should it
// get the lock again, those must be able to tell. Otherwise somebody who is nearer to the nodes than others could get it
// again and again before any of them comes.
func (s *lines) attend(m *Mutex, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := s.find(m, key)
	if ln == nil {
		ln = s.add(m, key)
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if !ln.listens {
		ln.used = s.engine.clock.now()
	}
}

// add makes a line. If this process holds the lock already, the line knows. For a start its engine can be told of who
// waits, no more. s.mu is held.
func (s *lines) add(m *Mutex, key string) *line {
	ln := &line{engine: s.engine, mutex: m, key: key, nodes: m.group(key), used: s.engine.clock.now()}
	if s.closed {
		return ln
	}
	if s.byKey == nil {
		s.byKey = make(map[string][]*line)
	}
	s.byKey[key] = append(s.byKey[key], ln)
	if s.count.Add(1) == 1 {
		s.sweepLater()
	}
	// From here on whoever gets the lock finds the line; who has got it before is among those that are held.
	l := s.engine.held.find(m, key)
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if l != nil {
		ln.adopt(l)
	}
	for _, node := range ln.nodes {
		node.listener.open()
	}
	return ln
}

// listen has the nodes tell of the key's releases. ln.mu is held.
func (ln *line) listen() {
	if ln.listens {
		return
	}
	ln.listens = true
	for i, node := range ln.nodes {
		if node.listener.listen(keyChannel(ln.key)) {
			ln.listening |= 1 << i
			ln.reconnected |= 1 << i
		}
	}
}

func (s *lines) sweepLater() {
	if s.sweep == nil {
		s.sweep = time.AfterFunc(linger, s.clean)
	} else {
		s.sweep.Reset(linger)
	}
}

// clean removes the lines that nobody needs.
func (s *lines) clean() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.engine.clock.now()
	for key, all := range s.byKey {
		var kept, unused []*line
		for _, ln := range all {
			if ln.isNeeded(now) {
				kept = append(kept, ln)
			} else {
				unused = append(unused, ln)
			}
		}
		if len(kept) > 0 {
			s.byKey[key] = kept
		} else {
			delete(s.byKey, key)
		}
		for _, ln := range unused {
			s.forget(ln)
		}
	}
	if s.count.Load() > 0 && !s.closed {
		s.sweepLater()
	}
}

// isNeeded tells whether somebody waits, or did a moment ago. Who holds the lock does without a line until then.
func (ln *line) isNeeded(now moment) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.first != nil || len(ln.others) > 0 || now.since(ln.used) < linger
}

// forget ends what a line that was removed listened to, unless another line for the key listens there. s.mu is held.
func (s *lines) forget(ln *line) {
	s.count.Add(-1)
	for _, node := range ln.nodes {
		if ln.isListening() && !slices.ContainsFunc(s.byKey[ln.key], func(other *line) bool {
			return slices.Contains(other.nodes, node) && other.isListening()
		}) {
			node.listener.ignore(keyChannel(ln.key))
		}
		node.listener.shut()
	}
}

func (ln *line) isListening() bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.listens
}

// at calls f for each line for the key that stands at the node, with the node's place in it, and returns false if there is
// none.
func (s *lines) at(node *Node, key string, f func(ln *line, index int)) bool {
	s.mu.Lock()
	all := slices.Clone(s.byKey[key])
	s.mu.Unlock()
	found := false
	for _, ln := range all {
		if i := slices.Index(ln.nodes, node); i >= 0 {
			found = true
			f(ln, i)
		}
	}
	return found
}

func (s *lines) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.sweep != nil {
		s.sweep.Stop()
	}
}

// count is how many bits are set.
func count(nodes uint64) int { return bits.OnesCount64(nodes) }
