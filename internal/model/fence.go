package model

// fence is the machine of the fencing protocol and the restart guard.
type fence struct {
	bounds
	protocol
	quorum int
	width  widths
	// fired counts events.
	fired [events]int
	// after is the state that next passes on, so that none of them is left to the garbage collector.
	after state
	// remember has nothing forgotten, see tidy: that shows whether it is right to forget it.
	remember bool
}

func newFence(b bounds, p protocol) *fence {
	f := &fence{bounds: b, protocol: p, quorum: b.nodes/2 + 1, width: b.widths()}
	if p.halfQuorum {
		f.quorum--
	}
	return f
}

// begin has nobody hold the lock, and counters that earlier attempts left behind; and the last of them to get the lock
// reported the largest token that a quorum's counters allow. At least one counter is zero: with all of them, and the
// token, larger by the same, the same would happen.
func (f *fence) begin(emit func(*state)) {
	var s state
	s.doubles, s.losses = uint8(f.doubles), uint8(f.losses)
	if f.calm {
		emit(&s)
		return
	}
	var from func(i int)
	from = func(i int) {
		if i == f.nodes {
			s.last = s.nodes[f.nodes/2].counter
			emit(&s)
			return
		}
		for c := s.nodes[i-1].counter; int(c) <= f.counters; c++ {
			s.nodes[i].counter = c
			from(i + 1)
		}
	}
	from(1)
}

func (f *fence) broken(s *state) property {
	relying := 0
	for x := range f.attempts {
		a := &s.attempts[x]
		if a.relies() {
			relying++
		}
		if f.calm && a.phase == raising {
			return oneRound
		}
	}
	switch {
	case relying > 1:
		return exclusion
	case s.disordered:
		return order
	}
	return nothing
}

// next calls emit for each event. What changes nothing but that a message is used up is none: nobody acts on a refusal, as
// any attempt may give up at any time, and a message that is never used up may still be lost. So there are no events for
// requests that are refused, nor for messages that get lost, nor for answers that arrive: a client that goes on has heard
// what it goes on with.
func (f *fence) next(s *state, emit func(event, *state)) {
	do := func(e event, t state) {
		f.after = t
		if !f.remember {
			f.tidy(&f.after)
		}
		f.fired[e.what]++
		emit(e, &f.after)
	}
	begun := false
	for x := range uint8(f.attempts) {
		a := &s.attempts[x]
		if a.phase == idle {
			if !begun { // those that have not begun are all alike
				f.start(s, x, do)
			}
			begun = true
			continue
		}
		f.client(s, x, do)
		for i := range uint8(f.nodes) {
			f.acquireArrives(s, x, i, do)
			f.raiseArrives(s, x, i, do)
			f.extensionArrives(s, x, i, do)
		}
	}
	for i := range uint8(f.nodes) {
		f.keyGoes(s, i, do)
		f.failure(s, i, do)
	}
	if int(s.clock) < f.ticks {
		t := *s
		t.clock++
		do(event{what: ticks}, t)
	}
}
