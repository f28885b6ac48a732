package storm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
)

// event is something planned: a fault of some nodes, or of a process.
type event struct {
	// at is when it begins, until when it ends, from the beginning of the storm.
	at, until time.Duration
	fault     *fleet.Fault // nil: it befalls a process
	nodes     []int
	process   int
	kill      bool // SIGKILL and another process in its place; else SIGSTOP
}

const (
	stopsWorker = "SIGSTOP of a process with workers"
	killsWorker = "kill -9 of a process with workers"
)

// name is what tables call the event.
func (e event) name() string {
	switch {
	case e.fault != nil:
		return e.fault.Name
	case e.kill:
		return killsWorker
	default:
		return stopsWorker
	}
}

func (e event) String() string {
	where := fmt.Sprint("process ", e.process)
	if e.fault != nil {
		where = strings.Trim(fmt.Sprint("nodes ", e.nodes), "[]")
	}
	return fmt.Sprintf("%6.2f s to %6.2f s  %s  %s", e.at.Seconds(), e.until.Seconds(), e.name(), where)
}

// rest is how long a node or a process is left alone after a fault.
const rest = 100 * time.Millisecond

// plan draws the faults: the same for the same settings and random numbers. Each kind that may occur comes before any comes
// again, and each at least once, however short the storm.
func (s Settings) plan(random *rand.Rand) []event {
	p := planner{Settings: s, random: random, free: make(map[place]time.Duration), young: make([]time.Duration, len(s.Nodes))}
	for _, f := range fleet.Faults(s.Expiration) {
		if s.possible(f) {
			p.kinds = append(p.kinds, f)
		}
	}
	unseen := len(p.kinds)
	seen := make(map[*fleet.Fault]bool)
	for at := time.Duration(0); at < s.Length || unseen > 0; {
		e, ok := p.draw(at)
		if !ok {
			at += rest
			continue
		}
		p.events = append(p.events, e)
		if !seen[e.fault] {
			seen[e.fault] = true
			unseen--
		}
		at += p.between(s.Gap/4, s.Gap*7/4)
	}
	p.drawProcesses()
	slices.SortStableFunc(p.events, func(a, b event) int { return int(a.at - b.at) })
	return p.events
}

func (s Settings) possible(f *fleet.Fault) bool {
	if len(s.Only) > 0 && !slices.Contains(s.Only, f.Name) {
		return false
	}
	return (s.Lossy || !f.Loses) && (f.Needs == "" || slices.Contains(s.Nodes, f.Needs))
}

// planner is a plan in the making.
type planner struct {
	Settings
	random *rand.Rand
	events []event
	kinds  []*fleet.Fault
	bag    []*fleet.Fault // kinds that are still to come in this turn
	// free is when nothing is planned any more, young when each node's quarantine is over.
	free  map[place]time.Duration
	young []time.Duration
}

// place is where one fault is at a time: a server, or the network before it.
type place struct {
	node    int
	network bool
}

// draw is an event that begins at the time given; none if no kind left in the bag is possible then.
func (p *planner) draw(at time.Duration) (event, bool) {
	if len(p.bag) == 0 {
		p.bag = slices.Clone(p.kinds)
		p.random.Shuffle(len(p.bag), func(i, j int) { p.bag[i], p.bag[j] = p.bag[j], p.bag[i] })
	}
	for i, f := range p.bag {
		nodes := p.nodes(f, at)
		if len(nodes) == 0 {
			continue
		}
		p.bag = slices.Delete(p.bag, i, i+1)
		until := at + p.between(f.Least, f.Most)
		for _, n := range nodes {
			p.free[place{n, f.Network}] = until + rest
			if f.Loses || f.Restarts {
				p.young[n] = until + p.Quarantine
			}
		}
		return event{at: at, until: until, fault: f, nodes: nodes}, true
	}
	return event{}, false
}

// nodes are those that a fault may befall at that time: one, a minority, a majority or all.
func (p *planner) nodes(f *fleet.Fault, at time.Duration) []int {
	n := len(p.Nodes)
	var able []int
	for i, persistence := range p.Nodes {
		if p.free[place{i, f.Network}] <= at && (f.Needs == "" || f.Needs == persistence) {
			able = append(able, i)
		}
	}
	p.random.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
	want := 1
	switch roll := p.random.IntN(100); {
	case roll < 60:
	case roll < 80:
		want = n / 2
	case roll < 93:
		want = n/2 + 1
	default:
		want = n
	}
	if f.Loses && p.Bursts {
		if slices.ContainsFunc(p.young, func(until time.Duration) bool { return until > at }) {
			return nil
		}
		want = max(want, n/2+1)
		return able[:min(want, len(able))]
	}
	able = able[:min(want, len(able))]
	if !f.Loses && !f.Restarts || p.Quarantine == 0 || p.random.IntN(100) < 10 {
		return able
	}
	// If there is no quorum most of the time, there is nothing to see.
	young := 0
	for i := range n {
		if p.young[i] > at && !slices.Contains(able, i) {
			young++
		}
	}
	return able[:max(min(len(able), n/2-young), 0)]
}

// drawProcesses adds what befalls the processes.
func (p *planner) drawProcesses() {
	if p.ProcessGap == 0 {
		return
	}
	free := make([]time.Duration, p.Processes)
	for i, at := 0, p.between(0, p.ProcessGap); at < p.Length || i < 2; i++ {
		process := p.random.IntN(p.Processes)
		for free[process] > at {
			at += rest
		}
		e := event{at: at, process: process, kill: i%2 == 1}
		if e.kill {
			e.until = at + p.between(0, p.Expiration)
		} else {
			e.until = at + p.between(p.Expiration/20, 2*p.Expiration)
		}
		free[process] = e.until + rest
		p.events = append(p.events, e)
		at += p.between(p.ProcessGap/4, p.ProcessGap*7/4)
	}
}

func (p *planner) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.random.Int64N(int64(most-least)+1))
}
