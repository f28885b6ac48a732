package engine

import (
	"errors"
	"fmt"
	"time"
)

// fault is something that goes wrong, for some time.
type fault struct {
	name   string
	weight int
	// start brings it about and returns what ends it, or returns nil if it can't be now.
	start func(s *schedule, f *actor) (end func())
}

// faults are all that can go wrong.
var faults = []fault{
	{"partition, to the node", 2, func(s *schedule, f *actor) func() {
		return s.cut(s.anyLink(f), true, false)
	}},
	{"partition, from the node", 2, func(s *schedule, f *actor) func() {
		return s.cut(s.anyLink(f), false, true)
	}},
	{"partition, both ways", 2, func(s *schedule, f *actor) func() {
		return s.cut(s.anyLink(f), true, true)
	}},
	{"node cut off", 1, func(s *schedule, f *actor) func() {
		node := s.anyNode(f)
		var ends []func()
		for _, p := range s.everybody() {
			ends = append(ends, s.cut(p.links[node], true, true))
		}
		return all(ends)
	}},
	{"process cut off", 1, func(s *schedule, f *actor) func() {
		var ends []func()
		for _, l := range s.anyProcess(f).links {
			ends = append(ends, s.cut(l, true, true))
		}
		return all(ends)
	}},
	{"process cut off from most nodes", 2, func(s *schedule, f *actor) func() {
		var ends []func()
		links := s.anyProcess(f).links
		for _, i := range f.random.Perm(len(links))[:len(links)/2+1] {
			ends = append(ends, s.cut(links[i], true, true))
		}
		return all(ends)
	}},
	{"flaky link", 3, func(s *schedule, f *actor) func() {
		l, share := s.anyLink(f), f.random.Float64()/2
		return l.switched(func() { l.flaky = share }, func() { l.flaky = 0 })
	}},
	{"flaky network", 3, func(s *schedule, f *actor) func() {
		var ends []func()
		share := f.random.Float64() / 3
		for _, p := range s.everybody() {
			for _, l := range p.links {
				ends = append(ends, l.switched(func() { l.flaky = share }, func() { l.flaky = 0 }))
			}
		}
		return all(ends)
	}},
	{"slow network", 2, func(s *schedule, f *actor) func() {
		var ends []func()
		slow := f.upTo(2*s.timeout()) + 1
		for _, p := range s.everybody() {
			for _, l := range p.links {
				ends = append(ends, l.switched(func() { l.slow = slow }, func() { l.slow = 0 }))
			}
		}
		return all(ends)
	}},
	{"slow link", 2, func(s *schedule, f *actor) func() {
		l, slow := s.anyLink(f), f.upTo(200*time.Millisecond)
		return l.switched(func() { l.slow = slow }, func() { l.slow = 0 })
	}},
	{"paused process", 2, func(s *schedule, f *actor) func() {
		var ends []func()
		for _, l := range s.anyProcess(f).links {
			ends = append(ends, l.switched(func() { l.stopped = true }, func() { l.stopped = false }))
		}
		return all(ends)
	}},
	{"paused node", 2, func(s *schedule, f *actor) func() {
		n := s.nodes[s.anyNode(f)]
		n.with(func(n *simNode) {
			if n.hung == nil {
				n.hung = make(chan struct{})
			}
		})
		return func() { s.resume(n) }
	}},
	{"mute node", 1, func(s *schedule, f *actor) func() {
		return s.nodes[s.anyNode(f)].switched(func(n *simNode) { n.mute = true }, func(n *simNode) { n.mute = false })
	}},
	{"connections reset", 2, func(s *schedule, f *actor) func() {
		return s.nodes[s.anyNode(f)].switched(func(n *simNode) { n.cut = true }, func(*simNode) {})
	}},
	{"messages' connections reset", 1, func(s *schedule, f *actor) func() {
		s.nodes[s.anyNode(f)].dropMessages()
		return func() {}
	}},
	{"messages' connections half open", 1, func(s *schedule, f *actor) func() {
		s.nodes[s.anyNode(f)].halfOpen()
		return func() {}
	}},
	{"messages lost", 1, func(s *schedule, f *actor) func() {
		random := s.newRandom(fmt.Sprint("lose ", f.random.Uint64()))
		return s.nodes[s.anyNode(f)].switched(func(n *simNode) {
			n.lose = func(string) bool { return random.IntN(4) == 0 }
		}, func(n *simNode) { n.lose = nil })
	}},
	{"no messages", 1, func(s *schedule, f *actor) func() {
		return s.nodes[s.anyNode(f)].switched(func(n *simNode) { n.silent = true }, func(n *simNode) { n.silent = false })
	}},
	{"listening denied", 1, func(s *schedule, f *actor) func() {
		n := s.nodes[s.anyNode(f)]
		end := n.switched(func(n *simNode) { n.denied = true }, func(n *simNode) { n.denied = false })
		n.dropMessages()
		return end
	}},
	{"memory full", 1, func(s *schedule, f *actor) func() {
		return s.nodes[s.anyNode(f)].switched(func(n *simNode) {
			n.refuseOp = func(o op) error {
				if o.acquires() {
					return errors.New("OOM command not allowed when used memory > 'maxmemory'")
				}
				return nil
			}
		}, func(n *simNode) { n.refuseOp = nil })
	}},
	{"wall clock set", 3, func(s *schedule, f *actor) func() {
		if s.suspends { // a clock set back would hide for how long
			return nil
		}
		s.anyProcess(f).stepped.Store(int64(f.below(400*time.Millisecond) - 200*time.Millisecond))
		return func() {}
	}},
	{"machines suspended", 3, func(s *schedule, f *actor) func() {
		if !s.suspends {
			return nil
		}
		// For the nodes time goes on, for the processes only the wall clock does.
		suspend := func(d time.Duration) {
			s.asleep.Add(int64(d))
			s.awake()
		}
		if f.random.IntN(2) == 0 {
			suspend(f.upTo(min(s.settings.Expiration*3/2, time.Second)))
			return func() {}
		}
		d := min(s.settings.Expiration/2, 3*time.Second) + f.below(min(s.settings.Expiration, 3*time.Second))
		s.lieInWait(extend, func() { suspend(d) })
		return func() {}
	}},
	{"crashed process", 1, func(s *schedule, f *actor) func() {
		if s.immortal || f.random.IntN(2) == 0 {
			return nil
		}
		s.crash(s.anyProcess(f))
		return func() {}
	}},
	{"closed process", 1, func(s *schedule, f *actor) func() {
		if s.immortal || f.random.IntN(2) == 0 {
			return nil
		}
		s.replace(s.anyProcess(f)).engine.Close()
		return func() {}
	}},
	{"restart with all data", 2, func(s *schedule, f *actor) func() {
		return s.restart(s.nodes[s.anyNode(f)], func(*simNode) {})
	}},
	{"restart without the last second", 2, func(s *schedule, f *actor) func() {
		d := f.below(time.Second)
		n := s.nodes[s.anyNode(f)]
		if s.immortal || !s.mayForget(n, !n.blind) {
			return nil
		}
		return s.restart(n, func(n *simNode) {
			n.rollBack(d)
			n.lostData = time.Now()
		})
	}},
	{"restart without data", 3, func(s *schedule, f *actor) func() {
		n := s.nodes[s.anyNode(f)]
		if !s.mayForget(n, true) {
			return nil
		}
		return s.restart(n, func(n *simNode) {
			n.flush()
			n.lostData = time.Now()
		})
	}},
	{"power cut, without data", 1, func(s *schedule, f *actor) func() {
		if !s.settings.RestartGuard {
			return nil
		}
		var ends []func()
		for _, n := range s.nodes {
			if end := s.restart(n, func(n *simNode) {
				n.flush()
				n.lostData = time.Now()
			}); end != nil {
				ends = append(ends, end)
			}
		}
		return all(ends)
	}},
	{"flushed", 2, func(s *schedule, f *actor) func() {
		n := s.nodes[s.anyNode(f)]
		if !s.mayForget(n, true) {
			return nil
		}
		n.with(func(n *simNode) {
			n.flush()
			n.lostData = time.Now()
		})
		return func() {}
	}},
}

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
