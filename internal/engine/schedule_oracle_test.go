package engine

import (
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// history is what is known of the locks on one key.
type history struct {
	// valid are those that somebody may rely on, and over the last that ended: they must not come back to life.
	valid, over []*Lock
	// token is the last that was handed out.
	token int64
}

// obtained notes a lock that somebody has just got. Nobody else may rely on the key, and the lock must be good for
// something: valid, at a quorum of the nodes, and with a token beyond all before.
func (s *schedule) obtained(a *actor, p *process, lock *Lock) {
	s.record.Lock()
	defer s.record.Unlock()
	until := time.Until(lock.Until())
	s.mu.Lock()
	s.counts.Holds++
	s.note(a, "obtained", int64(s.name(lock.claim.owner)), lock.Token(), int64(until))
	s.mu.Unlock()
	if lock.Err() != nil {
		if !p.isClosing() {
			s.fail("%s got a lock that was over: %v", a.name, lock.Err())
		}
		return
	}
	h := s.histories[lock.Key()]
	h.valid = append(h.valid, lock)
	s.check(h, lock.Key())
	switch token := lock.Token(); {
	case !s.settings.Fencing:
		if token != 0 {
			s.fail("a lock has a token without fencing")
		}
	case token <= h.token:
		s.fail("%s got token %d on %q after %d", a.name, token, lock.Key(), h.token)
	case s.backing(lock, true) < len(s.nodes)/2+1:
		s.fail("%s got token %d on %q, and only %d nodes have its key and such a counter", a.name, token, lock.Key(), s.backing(lock, true))
	default:
		h.token = token
	}
	s.watch(lock)
}

// isClosing tells whether the process has been ended.
func (p *process) isClosing() bool { return p.engine.operations.Load()&closedBit != 0 }

// check forgets the locks on a key that ended, and complains if more than one is left. Of two that are found valid the
// second was found when it began, so at that moment both were. s.record is held.
func (s *schedule) check(h *history, key string) {
	ended := func(l *Lock) bool { return l.Err() != nil }
	if slices.ContainsFunc(h.over, func(l *Lock) bool { return !ended(l) }) {
		s.fail("a lock on %q came back to life", key)
	}
	for _, l := range h.valid {
		if ended(l) {
			h.over = append(h.over, l)
		}
	}
	h.over = h.over[max(0, len(h.over)-4):]
	h.valid = slices.DeleteFunc(h.valid, ended)
	if len(h.valid) > 1 {
		s.fail("%d rely on the lock on %q", len(h.valid), key)
		for _, l := range h.valid {
			s.t.Errorf("%s of %s: since %v, until %v, token %d", s.called(l.claim.owner), l.mutex.engine.owners.name, l.since.mono,
				l.Until().Sub(l.mutex.engine.clock.base), l.Token())
		}
	}
	for _, l := range h.valid {
		if n := s.backing(l, false); n <= len(s.nodes)/2 {
			s.fail("%s relies on the lock on %q, which only %d nodes hold", s.called(l.claim.owner), key, n)
			for i := range s.nodes {
				s.t.Errorf("at node %c stands %s", 'A'+i, s.called(s.nodes[i].owner(key)))
			}
		}
	}
}

// awake looks for locks that ended while all machines were suspended, without a word to the engine, which may not have
// noticed.
func (s *schedule) awake() {
	s.record.Lock()
	defer s.record.Unlock()
	for _, h := range s.histories {
		for _, l := range h.valid {
			l.mu.Lock()
			if l.mutex.engine.clock.since(l.deadline) >= 0 {
				h.over = append(h.over, l)
			}
			l.mu.Unlock()
		}
	}
}

// watch looks at a lock at the last moment of its validity. s.record is held.
func (s *schedule) watch(lock *Lock) {
	until := time.Until(lock.Until())
	if until > time.Minute || until <= 1 {
		return
	}
	time.AfterFunc(until-1, func() {
		if lock.Err() != nil {
			return
		}
		s.record.Lock()
		defer s.record.Unlock()
		s.check(s.histories[lock.Key()], lock.Key())
		if time.Until(lock.Until()) > 1 { // it has been lengthened
			s.watch(lock)
		}
	})
}

// backing counts the nodes that keep others from a valid lock: those that hold its key (and, if asked for, whose counter is
// its token at least), and those that lost that, and are in quarantine for it. Without a guard data is lost only where
// enough others remember it.
func (s *schedule) backing(lock *Lock, counters bool) int {
	count := 0
	since := lock.mutex.engine.clock.base.Add(lock.since.mono)
	for _, n := range s.nodes {
		n.mu.Lock()
		holds := n.look(lock.Key()) == lock.claim.owner
		if counters {
			value, ok := n.counter(counterKey(lock.Key()))
			// Or it has been forgotten, and the next one begins beyond the token.
			holds = holds && ok && max(value, n.beginning()-1) >= lock.Token()
		}
		lost := s.settings.RestartGuard && n.lostData.After(since)
		n.mu.Unlock()
		if holds || lost {
			count++
		}
	}
	return count
}

// bound is within what everybody who waits at the end of the faults must have had the lock: the quarantine, the rest of
// the last expiration, a retry, and what it takes to find out that nodes and connections are back. A quarantine that nobody
// noticed before the end of another begins only with the next question.
func (s *schedule) bound() time.Duration {
	const toFindOut = simReconnection + 2*checkInterval + 2*time.Second
	var left time.Duration
	quarantines := s.quarantine()
	for _, n := range s.nodes {
		n.mu.Lock()
		if n.birth == 0 {
			quarantines = 2 * s.quarantine()
		}
		for key := range n.keys {
			if n.look(key) != "" && !s.immortal {
				left = max(left, n.left(key))
			}
		}
		n.mu.Unlock()
	}
	retry := s.settings.RetryInterval + s.settings.RetryJitter
	return quarantines + left + left/10 + min(retry, unsure) + toFindOut
}

// wantOnlyLeft checks that no keys stand but those of who crashed or forgot them, and those not beyond their time.
func (s *schedule) wantOnlyLeft() {
	for i, n := range s.nodes {
		for _, key := range s.keys {
			owner := n.owner(key)
			mayStay := owner == "" || s.immortal && slices.ContainsFunc(s.left, func(left string) bool { return strings.HasSuffix(owner, left) })
			if !mayStay {
				s.fail("node %c still holds %s at %q", 'A'+i, s.called(owner), key)
			}
		}
	}
	synctest.Wait()
}
