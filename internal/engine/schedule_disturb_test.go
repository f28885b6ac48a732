package engine

import "time"

// disturb has one thing after the other go wrong, each for a while, until all is to be well.
func (s *schedule) disturb(f *actor) {
	sum := 0
	for _, fault := range faults {
		sum += fault.weight
	}
	for {
		s.sleep(f.below(s.pace.fault))
		if s.isOver() {
			return
		}
		at, i := f.random.IntN(sum), 0
		for ; at >= faults[i].weight; i++ {
			at -= faults[i].weight
		}
		if f.random.IntN(3) > 0 {
			s.strike(f, &faults[i])
			continue
		}
		s.mu.Lock()
		ambusher := s.newActor("ambush %d", len(s.actors))
		s.mu.Unlock()
		s.lieInWait(ambushed[f.random.IntN(len(ambushed))], func() { s.strike(ambusher, &faults[i]) })
	}
}

// lieInWait has f called when a node has just carried out a question of an op, unless all is to be well then.
func (s *schedule) lieInWait(o op, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ambushes[o] = func() {
		if !s.isOver() {
			f()
		}
	}
}

// ambushed are the ops that faults wait for at times, so as to strike while the answer is on its way.
var ambushed = [...]op{acquire, queue, handover, extend, extend, raise, raise, release}

// strike has something go wrong, for a while.
func (s *schedule) strike(f *actor, what *fault) {
	d := f.upTo(s.pace.outage)
	end := what.start(s, f)
	if end == nil {
		return
	}
	s.happened(what.name)
	s.log(f, what.name, int64(d))
	s.after(d, end)
}

// endFaults mends everything.
func (s *schedule) endFaults() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	for _, n := range s.nodes {
		n.with(func(n *simNode) {
			n.mute, n.silent, n.denied, n.lose, n.refuseOp, n.cut = false, false, false, nil, nil, false
		})
		s.resume(n)
		if n == s.wrong {
			n.with(func(n *simNode) { n.down = true })
			n.dropMessages()
		} else {
			n.with(s.up)
		}
	}
	for _, p := range s.everybody() {
		for _, l := range p.links {
			l.mend(func() { l.lostTo, l.lostFrom, l.flaky, l.slow, l.stopped = false, false, 0, 0, false })
		}
	}
	close(s.calm)
}

// isOver tells whether the faults are.
func (s *schedule) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func all(ends []func()) func() {
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

func (s *schedule) anyNode(f *actor) int { return f.random.IntN(len(s.nodes)) }

func (s *schedule) anyProcess(f *actor) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.processes[f.random.IntN(len(s.processes))]
}

func (s *schedule) anyLink(f *actor) *link { return s.anyProcess(f).links[s.anyNode(f)] }

func (s *schedule) everybody() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*process(nil), s.processes...)
}

func (s *schedule) timeout() time.Duration {
	if s.settings.NodeTimeout > 0 {
		return s.settings.NodeTimeout
	}
	return DefaultNodeTimeout(s.settings.Expiration)
}

func (s *schedule) cut(l *link, to, from bool) func() {
	return l.switched(func() { l.lostTo, l.lostFrom = l.lostTo || to, l.lostFrom || from }, func() { l.lostTo, l.lostFrom = false, false })
}

func (l *link) switched(on, off func()) func() {
	l.mend(on)
	return func() { l.mend(off) }
}

func (n *simNode) switched(on, off func(*simNode)) func() {
	n.with(on)
	return func() { n.with(off) }
}

// holdUp keeps what arrives at a node that is paused, and tells whether it is.
func (s *schedule) holdUp(n *simNode, f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hung == nil {
		return false
	}
	n.parked = append(n.parked, f)
	return true
}

// resume lets a node go on with what arrived meanwhile.
func (s *schedule) resume(n *simNode) {
	n.mu.Lock()
	parked := n.parked
	n.parked = nil
	if n.hung != nil {
		close(n.hung)
		n.hung = nil
	}
	n.mu.Unlock()
	s.inTurn(parked)
}

// restart ends a node, whose data fares as given, and starts it again a little later.
func (s *schedule) restart(n *simNode, lose func(*simNode)) func() {
	n.mu.Lock()
	if n.down {
		n.mu.Unlock()
		return nil
	}
	n.down = true
	n.lives++
	if n.hung != nil {
		close(n.hung)
		n.hung = nil
	}
	n.parked = nil
	lose(n)
	n.mu.Unlock()
	n.dropMessages()
	return func() { n.with(s.up) }
}

// up starts a node that is down, but one that was taken away. Its mu is held.
func (s *schedule) up(n *simNode) {
	if n.down && !(n == s.wrong && s.isOver()) {
		n.down = false
		n.started = n.now()
	}
}

// replace has another process take the place of one.
func (s *schedule) replace(p *process) *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes[p.place] = s.newProcess(p.place)
	s.left = append(s.left, p.engine.owners.suffix)
	return p
}

// crash ends a process: nothing of it is heard any more.
func (s *schedule) crash(p *process) {
	s.replace(p)
	for _, l := range p.links {
		l.mend(func() { l.dead = true })
	}
	p.engine.Close()
}

// mayForget tells whether a node can lose its data without anybody's quorum being lost with it. Under a guard that
// notices, it may always. Otherwise each owner value that stands there must stand at a quorum of the others too, and for as
// long as anybody relies on it. Counters must not be lost then: the others' may be as large because of an attempt that is
// under way, and has their votes already.
func (s *schedule) mayForget(n *simNode, noticed bool) bool {
	for _, other := range s.nodes {
		other.mu.Lock()
		defer other.mu.Unlock()
	}
	switch {
	case n.down:
		return false
	case s.settings.RestartGuard && noticed:
		return true
	case s.settings.Fencing:
		return false
	case n.hung != nil: // and what it carries out later it would forget too
		return false
	}
	for key := range n.keys {
		owner, elsewhere := n.look(key), 0
		relied := time.Duration(float64(n.left(key))*(1-s.settings.DriftFactor)) - driftFloor
		for _, other := range s.nodes {
			if other != n && other.look(key) == owner && time.Duration(float64(other.left(key))/(1+other.rate)) >= relied {
				elsewhere++
			}
		}
		if owner != "" && elsewhere <= len(s.nodes)/2 {
			return false
		}
	}
	return true
}
