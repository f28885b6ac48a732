package model

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// key is a state, packed.
type key [4]uint64

// tickBits is how many bits of a counter are below those of the tick in which it began: it stands for the twenty bits
// below the seconds.
const tickBits = 4

// widths are those of fields in a key.
type widths struct{ owner, generation, counter, answer, clock, doubles, losses, quarantine int }

func (b bounds) widths() widths {
	w := widths{
		owner:      bits.Len(uint(b.attempts)),
		generation: bits.Len(uint(b.extensions)),
		counter:    tickBits + bits.Len(uint(b.ticks)),
		clock:      bits.Len(uint(b.ticks)),
		doubles:    bits.Len(uint(b.doubles)),
		losses:     bits.Len(uint(b.losses)),
	}
	w.answer = w.counter + 1
	if b.losses > 0 {
		w.quarantine = 1
	}
	return w
}

// check tells whether states with these bounds fit.
func (b bounds) check() error {
	w := b.widths()
	column := w.owner + w.generation + w.counter + w.quarantine*(1+w.owner+w.generation+w.clock) + b.attempts*(w.answer+2)
	whole := b.nodes*column + b.attempts*(4+w.counter+2*w.generation+w.owner) + w.counter + w.clock + w.doubles + w.losses + 1
	switch {
	case b.nodes < 1 || b.nodes > maxNodes || b.nodes%2 == 0:
		return fmt.Errorf("%d nodes: want 1, 3 or 5", b.nodes)
	case b.attempts < 1 || b.attempts > maxAttempts:
		return fmt.Errorf("%d attempts: want 1 to %d", b.attempts, maxAttempts)
	case min(b.counters, b.doubles, b.extensions, b.losses, b.ticks) < 0:
		return errors.New("a bound is negative")
	case b.counters+b.attempts+b.doubles >= 1<<tickBits:
		return errors.New("counters may become too large: fewer counters, attempts or doubles")
	case w.answer > 8 || w.generation > 2 || column > 128 || whole > 256:
		return errors.New("a state is too large: fewer nodes, attempts, extensions, losses or ticks")
	}
	return nil
}

// writer writes fields one behind the other.
type writer struct {
	key key
	at  int
}

func (w *writer) put(value uint64, width int) {
	if value>>width != 0 {
		panic("the model's bounds are larger than its states")
	}
	word, bit := w.at>>6, w.at&63
	w.key[word] |= value << bit
	if bit+width > 64 {
		w.key[word+1] |= value >> (64 - bit)
	}
	w.at += width
}

// reader reads them.
type reader struct {
	key key
	at  int
}

func (r *reader) get(width int) uint8 {
	word, bit := r.at>>6, r.at&63
	value := r.key[word] >> bit
	if bit+width > 64 {
		value |= r.key[word+1] << (64 - bit)
	}
	r.at += width
	return uint8(value & (1<<width - 1))
}

func (r *reader) flag(width int) bool { return r.get(width) == 1 }

func number(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// key packs a state, with its attempts and nodes in an order of their own. Nodes do the same for everybody, wherever they
// stand in a list, and so do attempts: whatever can happen in a state can also happen in one in which two nodes, or two
// attempts, have changed places, with those names changed. So one of all these states is enough, and it need not be
// the same each time: where two attempts look alike but are not, more than one is explored, which costs only time.
func (f *fence) key(s *state) key {
	var order [maxAttempts]uint8
	var looks [maxAttempts]uint64
	for x := range f.attempts {
		at, look := x, f.look(s, uint8(x))
		for ; at > 0 && looks[at-1] > look; at-- {
			looks[at], order[at] = looks[at-1], order[at-1]
		}
		looks[at], order[at] = look, uint8(x)
	}
	return f.pack(s, order[:f.attempts], true)
}

// pack packs a state, with its attempts in that order, and its nodes in order if they are to be sorted.
func (f *fence) pack(s *state, order []uint8, sorted bool) key {
	var place [maxAttempts + 1]uint8 // of an attempt plus one, plus one
	for at, x := range order {
		place[x+1] = uint8(at) + 1
	}
	w := &f.width
	var columns [maxNodes]key // what goes with each node
	var size int
	for i := range f.nodes {
		n := &s.nodes[i]
		var c writer
		c.put(uint64(place[n.owner]), w.owner)
		c.put(uint64(n.generation), w.generation)
		c.put(uint64(n.counter), w.counter)
		if w.quarantine > 0 {
			c.put(number(n.quarantined), 1)
			c.put(uint64(place[n.lost]), w.owner)
			c.put(uint64(n.lostTime), w.generation)
			c.put(uint64(n.since), w.clock)
		}
		for _, x := range order {
			v := &s.attempts[x].votes[i]
			c.put(uint64(v.answer), w.answer)
			c.put(number(v.raised), 1)
			if w.generation > 0 {
				c.put(number(v.extended), 1)
			}
		}
		columns[i], size = c.key, c.at
		for at := i; sorted && at > 0 && slices.Compare(columns[at][:2], columns[at-1][:2]) < 0; at-- {
			columns[at], columns[at-1] = columns[at-1], columns[at]
		}
	}

	var k writer
	for i := range f.nodes {
		k.put(columns[i][0], min(size, 64))
		if size > 64 {
			k.put(columns[i][1], size-64)
		}
	}
	for _, x := range order {
		a := &s.attempts[x]
		k.put(uint64(a.phase), 3)
		k.put(uint64(a.token), w.counter)
		k.put(number(a.raised), 1)
		k.put(uint64(a.generation), w.generation)
		k.put(uint64(a.extended), w.generation)
		if f.handovers {
			k.put(uint64(place[a.from]), w.owner)
		}
	}
	k.put(uint64(s.last), w.counter)
	k.put(uint64(s.clock), w.clock)
	k.put(uint64(s.doubles), w.doubles)
	k.put(uint64(s.losses), w.losses)
	k.put(number(s.disordered), 1)
	return k.key
}

// look is the same for an attempt whatever the names of nodes and of other attempts are.
func (f *fence) look(s *state, x uint8) uint64 {
	a := &s.attempts[x]
	var votes uint64
	for i := range f.nodes {
		n, v := &s.nodes[i], &a.votes[i]
		one := uint64(v.answer)<<24 | number(v.raised)<<23 | number(v.extended)<<22 | number(n.owner == x+1)<<21 |
			number(n.lost == x+1)<<20 | uint64(n.generation)<<16 | uint64(n.counter)<<8
		one = (one + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
		votes += one ^ one>>29
	}
	return uint64(a.phase)<<61 | uint64(a.token)<<53 | number(a.raised)<<52 | uint64(a.generation)<<50 |
		uint64(a.extended)<<48 | number(a.from != 0)<<47 | votes>>17
}

// state unpacks a key.
func (f *fence) state(k key) state {
	var s state
	w := &f.width
	r := reader{key: k}
	for i := range f.nodes {
		n := &s.nodes[i]
		n.owner = r.get(w.owner)
		n.generation = r.get(w.generation)
		n.counter = r.get(w.counter)
		if w.quarantine > 0 {
			n.quarantined = r.flag(1)
			n.lost = r.get(w.owner)
			n.lostTime = r.get(w.generation)
			n.since = r.get(w.clock)
		}
		for x := range f.attempts {
			v := &s.attempts[x].votes[i]
			v.answer = r.get(w.answer)
			v.raised = r.flag(1)
			if w.generation > 0 {
				v.extended = r.flag(1)
			}
		}
	}
	for x := range f.attempts {
		a := &s.attempts[x]
		a.phase = phase(r.get(3))
		a.token = r.get(w.counter)
		a.raised = r.flag(1)
		a.generation = r.get(w.generation)
		a.extended = r.get(w.generation)
		if f.handovers {
			a.from = r.get(w.owner)
		}
	}
	s.last = r.get(w.counter)
	s.clock = r.get(w.clock)
	s.doubles = r.get(w.doubles)
	s.losses = r.get(w.losses)
	s.disordered = r.flag(1)
	return s
}
