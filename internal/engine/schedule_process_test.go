package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// process is one process of a schedule, with its engine.
type process struct {
	*sim
	place int
	links []*link
	// stepped is by how much its wall clock is ahead of the others'.
	stepped atomic.Int64
}

// begin starts the processes and all that goes on in them.
func (s *schedule) begin() {
	a := s.newActor("begin")
	for range 1 + a.random.IntN(4) {
		s.processes = append(s.processes, s.newProcess(len(s.processes)))
	}
	for place := range s.processes {
		for i := range 1 + a.random.IntN(6) {
			w := &worker{schedule: s, actor: s.newActor("worker %d.%d", place, i), place: place, done: make(chan struct{})}
			s.workers = append(s.workers, w)
		}
	}
	faults := s.newActor("faults")
	for _, w := range s.workers {
		go w.live()
	}
	go s.disturb(faults)
}

// newProcess starts a process. s.mu is held, or nobody else is there yet.
func (s *schedule) newProcess(place int) *process {
	id := s.started
	s.started++
	p := &process{sim: &sim{t: s.t, engine: New(Options{}), nodes: s.nodes}, place: place}
	e := p.engine
	e.clock.ahead = func() time.Duration { return time.Duration(s.asleep.Load() + p.stepped.Load()) }
	e.owners.name = fmt.Sprintf("p%d", id)
	e.owners.suffix = " sim @" + e.owners.name
	e.random = drawn(s.newRandom(e.owners.name))
	timeout := s.settings.NodeTimeout
	if timeout == 0 {
		timeout = DefaultNodeTimeout(s.settings.Expiration)
	}
	setup := s.newRandom(e.owners.name + " links")
	near := timeout / 20
	if setup.IntN(4) == 0 {
		near = timeout / 4
	}
	near = min(max(near, 200*time.Microsecond), 2*time.Millisecond)
	var group []*Node
	for i, n := range s.nodes {
		name := fmt.Sprintf("%s-%c", e.owners.name, 'A'+i)
		l := &link{
			schedule: s, process: p, node: n, latency: near/2 + time.Duration(setup.Int64N(int64(near))),
			random: s.newRandom(name), chance: s.newRandom(name + " messages"),
		}
		p.links = append(p.links, l)
		// No two links have the same times, so that nothing is to happen on two of them, or to a round, at one instant.
		odd := func() time.Duration { return time.Duration(1 + setup.IntN(10_000)) }
		node := e.addNode(string(rune('A'+i)), l, 1, timeout-odd(), simReconnection+odd())
		node.lane.yield = func() { time.Sleep(time.Nanosecond) } // until everybody else has gone first
		group = append(group, node)
	}
	m, err := e.NewMutex(s.settings, [][]*Node{group})
	if err != nil {
		s.t.Fatal(err)
	}
	p.mutex = m
	return p
}

// worker is a goroutine of a process, or of the one that is started in its place when that crashes.
type worker struct {
	schedule *schedule
	*actor
	place int
	done  chan struct{}
}

func (w *worker) live() {
	s := w.schedule
	defer close(w.done)
	for {
		s.sleep(w.upTo(s.pace.think))
		s.mu.Lock()
		p, ended := s.processes[w.place], s.ended
		s.mu.Unlock()
		if ended {
			return
		}
		if !w.use(p, s.keys[w.random.IntN(len(s.keys))]) {
			s.sleep(w.below(10 * time.Millisecond))
		}
	}
}

// nap sleeps for d, or until all is well.
func (w *worker) nap(d time.Duration) {
	timer := time.NewTimer(w.schedule.unique(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.schedule.calm:
		w.schedule.sleep(w.below(10 * time.Millisecond))
	}
}

// use gets a lock, perhaps, and does something with it.
func (w *worker) use(p *process, key string) (got bool) {
	s := w.schedule
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var options AcquireOptions
	switch w.random.IntN(5) {
	case 0:
		none := time.Duration(0)
		options.Wait = &none
	case 1:
		wait := w.upTo(2 * time.Second)
		options.Wait = &wait
	case 2:
		defer s.after(w.upTo(100*time.Millisecond), cancel).Stop()
	}
	options.Renew = w.random.IntN(3) == 0
	lock := s.acquire(w.actor, p, ctx, key, options)
	if lock == nil {
		return false
	}
	token := lock.Token()
	if w.hold(ctx, lock, options.Renew) {
		return true
	}
	if w.random.IntN(3) == 0 {
		cancel() // which a release does not care for
	}
	lost := lock.Err()
	if lost != nil {
		s.count(func(n *counts) { n.Lost++ })
	}
	err := lock.Release(ctx)
	s.log(w.actor, "released", int64(len(fmt.Sprint(err))))
	if lock.Err() == nil {
		s.fail("a released lock says that it is held")
	}
	if lost != nil && !errors.Is(err, ErrNotHeld) && !errors.Is(err, ErrClosed) {
		s.fail("the release of a lost lock returned %v", err)
	}
	if lock.Token() != token {
		s.fail("a lock's token changed from %d to %d", token, lock.Token())
	}
	return true
}

// acquire gets a lock, or returns nil.
func (s *schedule) acquire(a *actor, p *process, ctx context.Context, key string, options AcquireOptions) *Lock {
	s.log(a, "acquires", int64(slices.Index(s.keys, key)))
	lock, err := p.mutex.Acquire(ctx, key, options)
	if err != nil {
		s.log(a, "refused", int64(len(err.Error())))
		s.count(func(n *counts) {
			n.Refused++
			if errors.Is(err, ErrNodeQuarantined) {
				n.RefusedInQuarantine++
			}
		})
		return nil
	}
	s.obtained(a, p, lock)
	return lock
}

// hold does something while the lock is held. It returns true if the worker forgets the lock then.
func (w *worker) hold(ctx context.Context, lock *Lock, renewed bool) (forgets bool) {
	s := w.schedule
	expiration := s.settings.Expiration
	longer := func() time.Duration {
		if s.settings.RestartGuard { // which allows no longer ones
			return expiration
		}
		return expiration + w.upTo(expiration).Truncate(time.Millisecond)
	}
	extend := func(ctx context.Context) {
		err := lock.Extend(ctx, longer())
		s.log(w.actor, "extended", int64(len(fmt.Sprint(err))))
		if err == nil {
			s.count(func(n *counts) { n.Extended++ })
		}
	}
	toItsEnd := func() {
		if s.immortal {
			w.nap(w.upTo(time.Second))
		} else {
			w.nap(time.Until(lock.Until()) + w.upTo(expiration))
		}
	}
	switch w.random.IntN(12) {
	case 0: // it forgets
		s.mu.Lock()
		forgets = !renewed && !s.ended && !s.immortal
		if forgets {
			s.left = append(s.left, lock.claim.owner)
		}
		s.mu.Unlock()
	case 1: // it is slow
		w.nap(w.upTo(min(3*expiration, 5*time.Second)))
	case 2, 3: // so slow that the lock ends, unless it is renewed
		toItsEnd()
	case 4, 5:
		w.nap(w.upTo(min(expiration/2, time.Second)))
		extend(ctx)
		toItsEnd()
	case 6, 7: // an extension is under way while it is released
		s.after(w.upTo(10*time.Millisecond), func() {
			if lock.Extend(context.Background(), expiration) == nil {
				s.count(func(n *counts) { n.Extended++ })
			}
		})
		w.nap(w.upTo(10 * time.Millisecond))
	case 8: // or several
		for range 3 {
			w.nap(w.upTo(min(expiration/3, time.Second)))
			extend(ctx)
		}
	default:
		w.nap(w.upTo(5 * time.Millisecond))
	}
	return forgets
}

// everybodyOnce has every process get every key once more, now that all is well.
func (s *schedule) everybodyOnce(bound time.Duration) {
	s.mu.Lock()
	processes := slices.Clone(s.processes)
	s.mu.Unlock()
	a := s.newActor("everybody")
	forever := Forever
	for _, p := range processes {
		for _, key := range s.keys {
			ctx, cancel := context.WithTimeout(context.Background(), s.unique(bound))
			start := time.Now()
			var lock *Lock
			for lock == nil && ctx.Err() == nil { // who has not seen the lock held does not wait for the nodes to come back
				s.sleep(a.below(20 * time.Millisecond))
				lock = s.acquire(a, p, ctx, key, AcquireOptions{Wait: &forever})
			}
			if lock == nil {
				s.fail("with all nodes well, process %d didn't get the lock on %q within %v", p.place, key, bound)
				cancel()
				return
			}
			s.waited(start, bound)
			s.sleep(a.below(time.Millisecond))
			lock.Release(ctx)
			cancel()
		}
	}
}

// complain says who waits for what too long.
func (s *schedule) complain(bound time.Duration) {
	s.fail("%v after the faults ended somebody still waits", bound)
	for _, p := range s.processes {
		p.engine.lines.mu.Lock()
		for _, key := range s.keys {
			for _, ln := range p.engine.lines.byKey[key] {
				ln.mu.Lock()
				s.t.Errorf("process %d, %s: %d wait, busy %v, ready %v, holder %v, ends %v in %v, hears %v, next %q, others %v",
					p.place, ln.key, ln.length, ln.busy, ln.ready, ln.holder != nil, ln.ends, -p.engine.clock.since(ln.free), ln.hears(), ln.next, ln.others)
				ln.mu.Unlock()
			}
		}
		p.engine.lines.mu.Unlock()
	}
}
