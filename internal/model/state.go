package model

import (
	"fmt"
	"strings"
)

const (
	maxNodes    = 5
	maxAttempts = 4
)

// state is all there is at a moment. Requests under way need no place in it: whatever an attempt has sent can arrive at
// any time from then on, and as often as it likes, which is what delay, reordering and doubling are; and what never
// arrives is lost. Only of acquires it is noted whether they have arrived, and how many more may do so twice: each that
// finds no key counts, so there would be no end of states.
type state struct {
	nodes    [maxNodes]node
	attempts [maxAttempts]attempt
	last     uint8 // the largest token that was reported
	clock    uint8 // in ticks
	doubles  uint8 // how many acquires may yet arrive once more
	losses   uint8 // how often a node may yet lose data
	// disordered is set when a token was reported, or relied on, after a larger one or the same.
	disordered bool
}

// node is what stands on one.
type node struct {
	owner      uint8 // the attempt whose key stands there, plus one; 0: none
	generation uint8 // of the key: which request of its owner gave it its time: 0 the acquire, 1 the first extension
	counter    uint8
	// quarantined nodes do not vote until the lock that they may have lost has ended, and, since their counters are lost,
	// until the clock has gone on.
	quarantined    bool
	lost, lostTime uint8 // whose key it was, plus one, and the key's generation
	since          uint8
}

// attempt is one of getting the lock, and what comes of it.
type attempt struct {
	phase      phase
	token      uint8 // that it raises to or relies on
	raised     bool  // it has sent raises
	generation uint8 // of the deadline that it goes by
	extended   uint8 // the newest generation that it asked for
	from       uint8 // the attempt that handed over to it, plus one
	votes      [maxNodes]vote
}

// vote is what one node has said to one attempt.
type vote struct {
	// answer is that to the acquire: underWay, settled (nobody cares for it any more), or a counter plus one.
	answer   uint8
	raised   bool // its counter is the token
	extended bool // it agreed to the newest extension
}

const (
	underWay uint8 = iota
	settled
)

type phase uint8

const (
	idle phase = iota
	asking
	raising
	holding
	// late is a lock past its deadline, which a wrong client revives.
	late
	// ended is an attempt that failed, released its lock or lost it, or whose process died: nobody relies on it. Its keys
	// go at any time, and do not come back but through what it sent before.
	ended
)

// relies tells whether an attempt's client works under its lock.
func (a *attempt) relies() bool { return a.phase == holding }

// mayGo tells whether a key of that generation of an attempt may expire or be deleted: that is when the deadline has
// passed that goes with it. Nothing but this connects the clients' clocks and the nodes'.
func (f *fence) mayGo(s *state, owner, generation uint8) bool {
	a := &s.attempts[owner-1]
	switch a.phase {
	case ended:
		return true
	case holding:
		return generation < a.generation || f.holdOn
	case late:
		return generation <= a.generation
	}
	return f.lateVotes
}

// tidy forgets what can make no difference any more.
func (f *fence) tidy(s *state) {
	for x := range f.attempts {
		a := &s.attempts[x]
		if a.phase < holding {
			continue
		}
		standing, coming := false, s.doubles > 0
		for i := range f.nodes {
			v := &a.votes[i]
			if v.answer != underWay {
				v.answer = settled
			} else {
				coming = true
			}
			v.raised = false
			v.extended = v.extended && a.extended > a.generation && a.phase != ended
			standing = standing || s.nodes[i].owner == uint8(x)+1
		}
		if !coming {
			a.from = 0
		}
		if a.phase != ended {
			continue
		}
		a.generation = 0
		if a.extended == 0 && (!a.raised || !standing && !coming && !f.raiseAny) {
			a.token, a.raised = 0, false
		}
	}
	for i := range f.nodes {
		n := &s.nodes[i]
		if n.owner == 0 || s.attempts[n.owner-1].phase == ended {
			n.generation = 0
		}
		if n.lost != 0 && f.mayGo(s, n.lost, n.lostTime) {
			n.lost = 0
		}
		if n.lost == 0 {
			n.lostTime = 0
		}
		if s.clock >= n.since+f.apart() {
			n.since = 0
		}
		if n.owner == 0 && f.extensions == 0 && !f.forget && f.mayExpire(s, n.counter) {
			n.counter = 0 // the next to see it is a grant, which begins with the clock in any case
		}
	}
}

// mayExpire tells whether a counter's life is over: every node's clock says more than it.
func (f *fence) mayExpire(s *state, counter uint8) bool {
	return f.forget || !f.fromZero && s.clock >= counter>>tickBits+f.apart()
}

// apart is how many ticks it takes for all nodes' counters to begin beyond what any node's clock said before. Clocks are
// exact, or up to one tick late.
func (f *fence) apart() uint8 {
	switch {
	case f.fromZero:
		return 0
	case f.skewed:
		return 2
	}
	return 1
}

// show writes each node as owner:counter, with ? for quarantine; and who relies on which token, or which was the last.
func (f *fence) show(s *state) string {
	var b strings.Builder
	for i := range f.nodes {
		n := &s.nodes[i]
		owner := "-"
		if n.owner != 0 {
			owner = name(n.owner - 1)
		}
		fmt.Fprintf(&b, "%s:%d", owner, n.counter)
		if n.quarantined {
			b.WriteByte('?')
		}
		b.WriteByte(' ')
	}
	relying := false
	for x := range f.attempts {
		if a := &s.attempts[x]; a.relies() {
			fmt.Fprintf(&b, " %s relies on token %d", name(uint8(x)), a.token)
			relying = true
		}
	}
	if !relying && s.last > 0 {
		fmt.Fprintf(&b, " the last token was %d", s.last)
	}
	return strings.TrimRight(b.String(), " ")
}

// name is that of an attempt.
func name(attempt uint8) string { return string('A' + rune(attempt)) }
