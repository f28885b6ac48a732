package model

import "math/bits"

// emitter takes an event, and the state after it.
type emitter func(event, state)

// start begins an attempt, on its own or by a handover.
func (f *fence) start(s *state, x uint8, do emitter) {
	t := *s
	t.attempts[x].phase = asking
	do(event{what: begins, attempt: x}, t)
	if !f.handovers {
		return
	}
	for y := range uint8(f.attempts) {
		if s.attempts[y].relies() { // until it sends that
			t := *s
			t.attempts[y].phase = ended
			t.attempts[x].phase = asking
			t.attempts[x].from = y + 1
			do(event{what: handsOver, attempt: y, other: x}, t)
		}
	}
}

// client does what the client of an attempt can do by itself.
func (f *fence) client(s *state, x uint8, do emitter) {
	a := &s.attempts[x]
	if a.phase != ended {
		t := *s
		t.attempts[x].phase = ended
		do(event{what: ends, attempt: x, detail: uint8(a.phase)}, t)
	}
	switch a.phase {
	case asking:
		f.decide(s, x, do)
	case raising:
		heard, many := uint8(0), 0
		for i := range f.nodes {
			if a.votes[i].raised {
				heard |= 1 << i
				many++
			}
		}
		if many >= f.quorum {
			f.hold(s, x, a.token, event{what: wins, attempt: x, nodes: heard}, do)
		}
	case holding, late:
		if f.revive && a.phase == holding {
			t := *s
			t.attempts[x].phase = late
			do(event{what: expires, attempt: x}, t)
		}
		f.extend(s, x, do)
	}
}

// decide has an attempt act on what it has heard, which is any quorum or more of the answers that it was given.
func (f *fence) decide(s *state, x uint8, do emitter) {
	a := &s.attempts[x]
	var answered uint8
	for i := range f.nodes {
		if a.votes[i].answer > settled {
			answered |= 1 << i
		}
	}
	enough := f.quorum
	if f.raiseAsVote {
		enough = 1
	}
	for heard := answered; heard != 0; heard = (heard - 1) & answered {
		if bits.OnesCount8(heard) < enough {
			continue
		}
		largest, agreed := uint8(0), uint8(0)
		for i := range f.nodes {
			if heard>>i&1 == 0 {
				continue
			}
			counter, same := a.votes[i].answer-1, 0
			for j := range f.nodes {
				if heard>>j&1 == 1 && a.votes[j].answer-1 == counter {
					same++
				}
			}
			if same >= f.quorum || f.oneCounter {
				agreed = counter
			}
			largest = max(largest, counter)
			if f.oneCounter {
				f.hold(s, x, counter, event{what: agrees, attempt: x, nodes: heard}, do)
			}
		}
		switch {
		case f.oneCounter:
		case agreed > 0:
			f.hold(s, x, agreed, event{what: agrees, attempt: x, nodes: heard}, do)
		case f.noWriteBack:
			f.hold(s, x, largest, event{what: agrees, attempt: x, nodes: heard}, do)
		default:
			t := *s
			b := &t.attempts[x]
			b.phase, b.token, b.raised = raising, largest, true
			for i := range f.nodes {
				v := &b.votes[i]
				v.raised = heard>>i&1 == 1 && v.answer-1 == largest
				if v.answer != underWay {
					v.answer = settled
				}
			}
			do(event{what: raises, attempt: x, nodes: heard, counter: largest}, t)
		}
	}
}

// hold has an attempt rely on the lock, and report its token.
func (f *fence) hold(s *state, x, token uint8, e event, do emitter) {
	t := *s
	a := &t.attempts[x]
	a.phase, a.token = holding, token
	t.disordered = token <= t.last
	t.last = max(t.last, token)
	e.counter = token
	do(e, t)
}

// extend asks for a new deadline, or goes by it once a quorum agreed. The old one has not passed then.
func (f *fence) extend(s *state, x uint8, do emitter) {
	a := &s.attempts[x]
	if a.extended == a.generation {
		if int(a.extended) < f.extensions {
			t := *s
			t.attempts[x].extended++
			do(event{what: extends, attempt: x}, t)
		}
		return
	}
	heard, many := uint8(0), 0
	for i := range f.nodes {
		if a.votes[i].extended {
			heard |= 1 << i
			many++
		}
	}
	if many < f.quorum {
		return
	}
	t := *s
	b := &t.attempts[x]
	b.generation = b.extended
	if b.phase == late {
		b.phase = holding
		t.disordered = b.token < t.last
	}
	do(event{what: extended, attempt: x, nodes: heard, counter: b.token}, t)
}
