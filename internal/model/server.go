package model

// acquireArrives has a node carry out the acquire of an attempt, or the handover to it.
func (f *fence) acquireArrives(s *state, x, i uint8, do emitter) {
	n, a := &s.nodes[i], &s.attempts[x]
	again := a.votes[i].answer != underWay
	if n.quarantined || again && s.doubles == 0 {
		return
	}
	e := event{what: grants, attempt: x, node: i}
	t := *s
	if again {
		t.doubles--
		e.what = grantsAgain
	}
	m := &t.nodes[i]
	stands := n.owner == x+1 || f.reuseOwner && n.owner != 0 && s.attempts[n.owner-1].phase == ended
	switch {
	case stands && n.counter > 0: // the request is repeated
		m.owner = x + 1
		if f.repeatIncrements {
			m.counter++
		} else if a.phase != asking || again && a.votes[i].answer == n.counter+1 {
			return
		}
		f.answer(&t, x, i, e, do)
		return
	case stands: // and the counter is lost
	case n.owner == 0:
		m.owner, m.generation = x+1, 0
	case a.from != 0 && n.owner == a.from:
		m.owner, m.generation = x+1, 0
	default:
		return
	}
	for _, m.counter = range f.counts(s, n.counter) {
		f.answer(&t, x, i, e, do)
	}
}

// counts are the counters that may follow one: it plus one, or where the node's clock begins if that is beyond.
func (f *fence) counts(s *state, old uint8) []uint8 {
	begin := s.clock << tickBits
	if f.fromZero || f.forget {
		begin = 0
	}
	if f.skewed && begin > 0 {
		early := max(old+1, begin-1<<tickBits)
		if exact := max(old+1, begin); exact != early {
			return []uint8{early, exact}
		}
	}
	return []uint8{max(old+1, begin)}
}

// answer has a node say what its counter is. Of two answers either may be the one that is heard.
func (f *fence) answer(s *state, x, i uint8, e event, do emitter) {
	e.counter = s.nodes[i].counter
	answer := s.nodes[i].counter + 1
	if s.attempts[x].phase != asking {
		answer = settled
	}
	t := *s
	old := t.attempts[x].votes[i].answer
	t.attempts[x].votes[i].answer = answer
	do(e, t)
	if old != underWay && old != answer {
		u := *s
		do(e, u)
	}
}

// raiseArrives has a node carry out the raise of an attempt.
func (f *fence) raiseArrives(s *state, x, i uint8, do emitter) {
	n, a := &s.nodes[i], &s.attempts[x]
	if !a.raised || n.owner != x+1 && !f.raiseAny {
		return
	}
	counter := max(n.counter, a.token)
	votes := a.phase == raising && !a.votes[i].raised && (counter == a.token || f.largerIsEqual || f.raiseAny)
	if counter == n.counter && !votes {
		return
	}
	t := *s
	t.nodes[i].counter = counter
	t.attempts[x].votes[i].raised = a.votes[i].raised || votes
	do(event{what: raised, attempt: x, node: i, counter: counter}, t)
}

// extensionArrives has a node carry out an extension, which sets a missing key again.
func (f *fence) extensionArrives(s *state, x, i uint8, do emitter) {
	n, a := &s.nodes[i], &s.attempts[x]
	for generation := uint8(1); generation <= a.extended; generation++ {
		t := *s
		m, v := &t.nodes[i], &t.attempts[x].votes[i]
		switch {
		case n.owner == x+1:
			m.generation = max(m.generation, generation)
		case n.owner == 0 && (!n.quarantined || f.extendQuarantined):
			m.owner, m.generation = x+1, generation
		default:
			continue
		}
		m.counter = max(m.counter, a.token)
		v.extended = v.extended || generation == a.extended
		f.tidy(&t)
		if t != *s {
			do(event{what: lengthens, attempt: x, node: i}, t)
		}
	}
}

// keyGoes has a key expire, or the release of its owner arrive, which makes no difference; and a quarantine end.
func (f *fence) keyGoes(s *state, i uint8, do emitter) {
	n := &s.nodes[i]
	if n.owner != 0 {
		if f.mayGo(s, n.owner, n.generation) {
			t := *s
			t.nodes[i].owner = 0
			do(event{what: keyGoes, attempt: n.owner - 1, node: i}, t)
		}
		if f.plainDelete {
			for x := range uint8(f.attempts) {
				if s.attempts[x].phase == ended && n.owner != x+1 {
					t := *s
					t.nodes[i].owner = 0
					do(event{what: deletes, attempt: x, other: n.owner - 1, node: i}, t)
				}
			}
		}
	}
	over := n.lost == 0 || f.mayGo(s, n.lost, n.lostTime)
	if n.quarantined && over && s.clock >= n.since+f.apart() {
		t := *s
		t.nodes[i].quarantined, t.nodes[i].since, t.nodes[i].lost, t.nodes[i].lostTime = false, 0, 0, 0
		do(event{what: quarantineEnds, node: i}, t)
	}
	if n.counter > 0 && f.mayExpire(s, n.counter) {
		t := *s
		t.nodes[i].counter = 0
		do(event{what: counterGoes, node: i}, t)
	}
}

// failure has a node lose its data, all of it by a FLUSHALL, or the latest of it by a restart.
func (f *fence) failure(s *state, i uint8, do emitter) {
	if s.losses == 0 {
		return
	}
	n := &s.nodes[i]
	t := *s
	t.losses--
	m := &t.nodes[i]
	m.owner, m.generation, m.counter = 0, 0, 0
	if f.guard == uptimeAndBirth || f.guard == onlyBirth {
		f.enter(m, n, s.clock)
	}
	do(event{what: flushed, node: i}, t)

	*m = *n
	if f.guard == uptimeAndBirth || f.guard == onlyUptime {
		f.enter(m, n, s.clock)
	}
	// What was not on its disk yet: counts, keys, and that they were extended. Of older counters than the tick's any is as
	// good as zero, for new ones begin beyond both.
	for counter := n.counter; ; counter-- {
		m.counter = counter
		if counter>>tickBits != n.counter>>tickBits {
			m.counter = 0
		}
		for kept := int(n.generation); n.owner != 0 && kept >= 0; kept-- {
			m.owner, m.generation = n.owner, uint8(kept)
			f.restart(s, &t, i, do)
		}
		m.owner, m.generation = 0, 0
		f.restart(s, &t, i, do)
		if m.counter == 0 {
			break
		}
	}
}

func (f *fence) restart(s, t *state, i uint8, do emitter) {
	kept := uint8(0)
	if t.nodes[i].owner != 0 {
		kept = 1
	}
	u := *t
	do(event{what: restarts, node: i, detail: kept, counter: u.nodes[i].counter}, u)
}

// enter has a node be in quarantine.
func (f *fence) enter(m, n *node, clock uint8) {
	m.quarantined, m.since = true, clock
	if n.owner != 0 {
		m.lost, m.lostTime = n.owner, n.generation
		if n.lost == n.owner {
			m.lostTime = max(n.lostTime, n.generation)
		}
	}
}
