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
	{"machines suspended", 6, func(s *schedule, f *actor) func() {
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
		e := min(s.settings.Expiration, 3*time.Second)
		d := e*2/5 + f.below(e*3/5) // so that the lock is over, but would not be with the extension
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
