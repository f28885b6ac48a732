package engine

import (
	"slices"
	"sync"
	"time"
)

// vigilance is how often, while locks are held, the two clocks are compared. Timers stand still while the machine is
// suspended; this is how late, after it wakes, a lock that expired meanwhile is noticed at most.
const vigilance = 250 * time.Millisecond

// noticeable is how far the wall clock must have run ahead to count: two readings are never quite simultaneous. Smaller
// steps add up until they do.
const noticeable = time.Millisecond

// registry lists the locks that are held.
type registry struct {
	clock *clock

	mu    sync.Mutex // guards what follows
	locks map[*Lock]struct{}
	// watch fires again and again until it finds no lock; seen is the moment it was set.
	watch *time.Timer
	seen  moment
}

func (g *registry) add(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.locks == nil {
		g.locks = make(map[*Lock]struct{})
	}
	g.locks[l] = struct{}{}
	if g.watch == nil {
		g.seen = g.clock.now()
		g.watch = time.AfterFunc(vigilance, g.compare)
	}
}

func (g *registry) remove(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.locks, l)
}

func (g *registry) all() []*Lock {
	g.mu.Lock()
	defer g.mu.Unlock()
	locks := make([]*Lock, 0, len(g.locks))
	for l := range g.locks {
		locks = append(locks, l)
	}
	slices.SortFunc(locks, func(a, b *Lock) int { return a.since.mono.Compare(b.since.mono) })
	return locks
}

// compare looks for time that passed on the wall clock only, and if some did, has every lock look at its deadline.
func (g *registry) compare() {
	g.mu.Lock()
	if len(g.locks) == 0 {
		g.watch = nil
		g.mu.Unlock()
		return
	}
	now := g.clock.now()
	asleep := now.wall.Sub(g.seen.wall) - now.mono.Sub(g.seen.mono)
	if asleep >= noticeable || asleep < 0 {
		g.seen = now
	}
	g.watch.Reset(vigilance)
	g.mu.Unlock()
	if asleep < noticeable {
		return
	}
	for _, l := range g.all() {
		l.expire()
	}
}
