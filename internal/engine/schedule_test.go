package engine

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A schedule is several processes with the real engine in each, whose goroutines get, hold, lengthen, pass on, release and
// abandon locks on a few keys, give up at any moment, crash and come back, while the network, the nodes, their data and
// everybody's clocks fail in every way they know; then all is well again. What happens follows from the seed alone, so a
// schedule can be run again and comes out the same:
//
//   - whoever acts (a goroutine, a link, the faults) has random numbers of its own, so nothing depends on who of two draws
//     first;
//   - no two of them act in the same nanosecond, so there is nothing for the scheduler to decide, but for what follows
//     from one event within one engine.
type schedule struct {
	t        *testing.T
	seed     uint64
	settings Settings
	nodes    []*simNode
	wrong    *simNode // whose clock is, or nil
	keys     []string
	// immortal says that nothing expires while it lasts, so whatever stays behind is seen; mayDouble that questions may
	// arrive twice: a late duplicate of an acquire leaves a key until that expires.
	immortal, mayDouble bool
	// suspends says that the clients' machines are suspended at times; otherwise their wall clocks are set at times.
	suspends bool
	pace     pace
	late     time.Duration // how late something comes at most

	asleep atomic.Int64 // for how long the clients' machines were suspended, in all
	calm   chan struct{}

	times struct {
		sync.Mutex
		taken map[int64]bool
	}

	record    sync.Mutex // guards what follows; comes before the nodes' and the engines'
	histories map[string]*history

	mu        sync.Mutex // guards what follows; comes after all others
	counts    *counts
	processes []*process
	started   int // processes, in all
	workers   []*worker
	ended     bool
	names     map[string]int // of owner values, in the order in which they came to the nodes
	raised    map[string]bool
	// ambushes are the faults that come when a node has just carried out a question of an op.
	ambushes map[op]func()
	// left are the owner values, or the engines at their ends, of keys that stay until they expire.
	left   []string
	actors []*actor
	mu2    sync.Mutex
	lines  []string // of the log, if it is wanted
}

// pace is how long things take in a schedule, so that as much happens in a long one as in a short one.
type pace struct {
	lasts  time.Duration // until the faults end
	think  time.Duration // between a worker's locks, at most; mostly a fiftieth
	fault  time.Duration // between two faults, at most
	outage time.Duration // of a fault, at most; mostly a fiftieth
}

// immortal is an expiration by which nothing is cleared up while a schedule runs.
const immortal = 30 * time.Minute

// actor is whoever acts, with its part of the log and its random numbers.
type actor struct {
	name   string
	random *rand.Rand
	digest uint64
}

// newActor is one whose random numbers follow from the seed and its name. s.mu is held, or nobody else is there yet.
func (s *schedule) newActor(format string, args ...any) *actor {
	a := &actor{name: fmt.Sprintf(format, args...), digest: 14695981039346656037}
	a.random = s.newRandom(a.name)
	s.actors = append(s.actors, a)
	return a
}

func (s *schedule) newRandom(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// log notes what an actor did, or what befell it.
func (s *schedule) log(a *actor, what string, args ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(a, what, args...)
}

// note does. s.mu is held.
func (s *schedule) note(a *actor, what string, args ...int64) {
	now := time.Now().UnixNano()
	a.add(uint64(now))
	for i := range len(what) {
		a.add(uint64(what[i]))
	}
	for _, n := range args {
		a.add(uint64(n))
	}
	if *showLog {
		s.mu2.Lock()
		defer s.mu2.Unlock()
		s.lines = append(s.lines, fmt.Sprintf("%12d %-12s %s %v", now-epoch, a.name, what, args))
	}
}

// epoch is when every schedule begins: midnight of January 1, 2000, as every bubble of testing/synctest does.
const epoch = 946684800 * int64(time.Second)

func (a *actor) add(n uint64) {
	a.digest = (a.digest ^ n) * 1099511628211
}

// digest is one number for all that happened.
func (s *schedule) digest() uint64 {
	all := actor{digest: 14695981039346656037}
	for _, a := range s.actors {
		all.add(a.digest)
	}
	return all.digest
}

// below is a random time below d.
func (a *actor) below(d time.Duration) time.Duration {
	return time.Duration(a.random.Int64N(int64(max(d, 1))))
}

// upTo is a random time, mostly a short one.
func (a *actor) upTo(most time.Duration) time.Duration {
	d := a.below(most) + 1
	if a.random.IntN(3) > 0 {
		d = d/50 + 1
	}
	return d
}

// unique is a duration of at least d that ends at an instant at which nothing else is planned.
func (s *schedule) unique(d time.Duration) time.Duration {
	s.times.Lock()
	defer s.times.Unlock()
	now := time.Now().UnixNano()
	at := now + int64(max(d, 1))
	for s.times.taken[at] {
		at += 101 // not the next nanosecond: lanes yield for that long
	}
	s.times.taken[at] = true
	return time.Duration(at - now)
}

func (s *schedule) sleep(d time.Duration) { time.Sleep(s.unique(d)) }
func (s *schedule) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(s.unique(d), f)
}

// inTurn calls the functions one after the other.
func (s *schedule) inTurn(fs []func()) {
	for i, f := range fs {
		s.after(time.Duration(i+1)*time.Microsecond, f)
	}
}

// happened counts something by its name.
func (s *schedule) happened(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Faults[what]++
}

func (s *schedule) count(f func(*counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.counts)
}

// fail reports a violation.
func (s *schedule) fail(format string, args ...any) {
	s.t.Errorf("after %v: "+format, append([]any{time.Duration(time.Now().UnixNano() - epoch)}, args...)...)
}

// runSchedule runs the schedule of a seed, and returns the digest of all that happened.
func runSchedule(t *testing.T, seed uint64, sum *counts) (digest uint64) {
	watchdog := time.AfterFunc(time.Minute, func() { panic(fmt.Sprintf("schedule %d: time stands still", seed)) })
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		s := newSchedule(t, seed, sum)
		s.run()
		sum.Schedules++
		sum.Virtual += time.Duration(time.Now().UnixNano() - epoch)
		digest = s.digest()
		if *showLog {
			t.Logf("settings %+v, %d nodes, pace %+v\n%s", s.settings, len(s.nodes), s.pace, strings.Join(s.lines, "\n"))
		}
	})
	return digest
}

func (s *schedule) run() {
	s.begin()
	time.Sleep(s.pace.lasts)
	s.endFaults()
	bound := s.bound()

	done := make(chan struct{})
	go func() {
		for _, w := range s.workers {
			<-w.done
		}
		close(done)
	}()
	calm := time.Now()
	select {
	case <-done:
	case <-time.After(bound):
		s.complain(bound)
		for _, p := range s.processes {
			p.engine.Close()
		}
		<-done
	}
	s.waited(calm, bound)
	if !s.t.Failed() {
		s.everybodyOnce(bound)
	}
	s.cleanUp()
}

// waited notes how long somebody waited for the lock, with all nodes well.
func (s *schedule) waited(since time.Time, bound time.Duration) {
	s.count(func(n *counts) { n.Recovery = max(n.Recovery, float64(time.Since(since))/float64(bound)) })
}

// cleanUp waits until what nodes owe is paid, and the last key has expired, and checks that nothing is left.
func (s *schedule) cleanUp() {
	if s.wrong != nil {
		s.wrong.with(func(n *simNode) { n.down = false })
	}
	longest := 2*s.settings.Expiration + s.settings.Expiration/10
	if s.immortal {
		longest = 0
	}
	time.Sleep(time.Minute + longest)
	s.mu.Lock()
	processes := s.processes
	s.mu.Unlock()
	s.wantOnlyLeft()
	for _, p := range processes {
		p.wantNothingLeft()
		p.engine.Close()
	}
	synctest.Wait()
}

// heard notes what a node was asked and answered. The node's mu is held.
func (s *schedule) heard(a *actor, q *question, r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	next := -1
	if q.op == handover {
		if _, seen := s.names[q.next]; !seen && r.answer != Taken {
			c.HandOvers++
		}
		next = s.name(q.next)
	}
	if q.op == raise && !s.raised[q.owner] {
		s.raised[q.owner] = true
		c.Raises++
	}
	if r.answer == Quarantined {
		c.Quarantined++
	}
	if strike := s.ambushes[q.op]; strike != nil {
		delete(s.ambushes, q.op)
		s.after(time.Duration(1+q.milliseconds%7*10)*time.Microsecond, strike)
	}
	s.note(a, opNames[q.op]+" "+q.key, int64(s.name(q.owner)), int64(next), int64(r.answer), r.counter, r.seconds)
}

// name is the number of an owner value. s.mu is held.
func (s *schedule) name(owner string) int {
	n, ok := s.names[owner]
	if !ok {
		n = len(s.names)
		s.names[owner] = n
	}
	return n
}

// called is how the log calls an owner.
func (s *schedule) called(owner string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.names[owner]; ok {
		return fmt.Sprint("owner ", n)
	}
	return "nobody"
}

// drawn is an engine's source of random numbers.
func drawn(r *rand.Rand) func(int64) int64 {
	var mu sync.Mutex
	return func(n int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		return r.Int64N(n)
	}
}
