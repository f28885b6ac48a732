package model

import (
	"fmt"
	"strings"
)

// clockBounds are those of the machine of clocks.
type clockBounds struct {
	// spread is how many seconds the clocks of two nodes may differ by: twice what each may be wrong by.
	spread int
	// memory is for how many seconds a counter outlives its last use, and quarantine for how many a node that lost its
	// counter does not vote. Zero stands for less than a second.
	memory, quarantine int
	// life is the rule that a counter which is ahead of its node's clock lives longer by as much.
	life bool
	// attempts is how many may get the lock, or some node and fail, one after the other.
	attempts int
	// losses is how often a node may lose its counter, and steps how often one's clock may be set, within the spread.
	losses, steps int
	horizon       int // in seconds
}

const clockNodes = 3

// countBits are those of a counter that are below its seconds.
const countBits = 3

// clockState is the machine of clocks: the counters of three nodes, which expire, and of which each begins with its
// node's clock in whole seconds. Who holds the lock when is left to the other machine: here one attempt comes after the
// other, and takes no time.
type clockState struct {
	now        uint8
	nodes      [clockNodes]clockNode
	last       uint8
	attempts   uint8 // that are left, as are
	losses     uint8
	steps      uint8
	disordered bool
}

// clockNode is a node. Its own clock is by which its counter and its quarantine end.
type clockNode struct {
	ahead   uint8 // its clock is ahead of the one that is furthest behind
	counter uint8 // 0 if there is none
	ends    uint8
	votes   uint8 // from when on
}

type clockEvent struct {
	what          string
	nodes, number uint8
}

func (e clockEvent) String() string {
	return strings.NewReplacer("{nodes}", list(e.nodes), "{number}", fmt.Sprint(e.number)).Replace(e.what)
}

func (b clockBounds) begin(emit func(*clockState)) {
	s := clockState{now: 1, attempts: uint8(b.attempts), losses: uint8(b.losses), steps: uint8(b.steps)}
	n := &s.nodes
	for n[0].ahead = 0; int(n[0].ahead) <= b.spread; n[0].ahead++ {
		for n[1].ahead = n[0].ahead; int(n[1].ahead) <= b.spread; n[1].ahead++ {
			for n[2].ahead = n[1].ahead; int(n[2].ahead) <= b.spread; n[2].ahead++ {
				emit(&s)
			}
		}
	}
}

func (b clockBounds) key(s *clockState) clockState { return *s }

func (b clockBounds) state(k clockState) clockState { return k }

func (b clockBounds) broken(s *clockState) property {
	if s.disordered {
		return order
	}
	return nothing
}

func (b clockBounds) show(s *clockState) string {
	var w strings.Builder
	for i, n := range s.nodes {
		fmt.Fprintf(&w, "%ds", s.clock(i))
		if n.counter > 0 {
			fmt.Fprintf(&w, ":%d until %ds", n.counter, n.ends)
		}
		w.WriteString("  ")
	}
	return strings.TrimRight(w.String(), " ")
}

// clock is a node's.
func (s *clockState) clock(i int) uint8 { return s.now + s.nodes[i].ahead }

func (b clockBounds) next(s *clockState, emit func(clockEvent, *clockState)) {
	if int(s.now) < b.horizon {
		t := *s
		t.now++
		t.expire()
		emit(clockEvent{what: "a second passes"}, &t)
	}
	if b.memory == 0 {
		t := *s
		t.expire()
		emit(clockEvent{what: "part of a second passes"}, &t)
	}
	for i := range s.nodes {
		if s.losses > 0 {
			t := *s
			t.losses--
			t.nodes[i].counter, t.nodes[i].ends = 0, 0
			t.nodes[i].votes = s.clock(i) + uint8(b.quarantine)
			emit(clockEvent{what: "{nodes} loses its counter", nodes: 1 << i}, &t)
		}
		for ahead := 0; s.steps > 0 && ahead <= b.spread; ahead++ {
			t := *s
			t.steps--
			t.nodes[i].ahead = uint8(ahead)
			t.expire()
			emit(clockEvent{what: "the clock of {nodes} is set: {number}", nodes: 1 << i, number: t.clock(i)}, &t)
		}
		if s.attempts == 0 {
			continue
		}
		if t := *s; b.grant(&t, i) {
			t.attempts--
			counter := t.nodes[i].counter
			emit(clockEvent{what: "an attempt gets {nodes}, counter {number}, and fails", nodes: 1 << i, number: counter}, &t)
		}
		for j := range i {
			t := *s
			if !b.grant(&t, i) || !b.grant(&t, j) {
				continue
			}
			t.attempts--
			token := max(t.nodes[i].counter, t.nodes[j].counter)
			for _, k := range []int{i, j} {
				if t.nodes[k].counter < token {
					b.keep(&t, k, token)
				}
			}
			t.disordered = token <= s.last
			t.last = max(s.last, token)
			emit(clockEvent{what: "an attempt gets {nodes}, and reports token {number}", nodes: 1<<i | 1<<j, number: token}, &t)
		}
	}
}

// expire has counters go whose time is over.
func (s *clockState) expire() {
	for i := range s.nodes {
		if n := &s.nodes[i]; n.counter > 0 && s.clock(i) >= n.ends {
			n.counter, n.ends = 0, 0
		}
	}
}

// grant is what a node does for an acquire. It returns false in quarantine.
func (b clockBounds) grant(s *clockState, i int) bool {
	if s.clock(i) < s.nodes[i].votes {
		return false
	}
	b.keep(s, i, max(s.nodes[i].counter+1, s.clock(i)<<countBits))
	return true
}

// keep sets a counter and when it ends.
func (b clockBounds) keep(s *clockState, i int, counter uint8) {
	n := &s.nodes[i]
	n.counter, n.ends = counter, s.clock(i)+uint8(b.memory)
	if b.life {
		n.ends = max(s.clock(i), counter>>countBits) + uint8(b.memory)
	}
}
