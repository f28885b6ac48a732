package engine

import (
	"cmp"
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
	// slept is told how long the machine was suspended, after the locks have been.
	slept func(time.Duration)

	mu sync.Mutex // guards what follows, and the locks' older and newer
	// oldest and newest are the ends of the list.
	oldest, newest *Lock
	// watch fires again and again until it finds no lock; seen is the moment it was set. watching says that it is set.
	watch    *time.Timer
	watching bool
	seen     moment
}

func (g *registry) add(l *Lock, now moment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.older = g.newest
	if g.newest == nil {
		g.oldest = l
	} else {
		g.newest.newer = l
	}
	g.newest = l
	if !g.watching {
		g.watching, g.seen = true, now
		if g.watch == nil {
			g.watch = time.AfterFunc(vigilance, g.compare)
		} else {
			g.watch.Reset(vigilance)
		}
	}
}

func (g *registry) remove(l *Lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.older == nil {
		g.oldest = l.newer
	} else {
		l.older.newer = l.newer
	}
	if l.newer == nil {
		g.newest = l.older
	} else {
		l.newer.older = l.older
	}
	l.older, l.newer = nil, nil
}

// all are the locks held, the oldest first.
func (g *registry) all() []*Lock {
	g.mu.Lock()
	defer g.mu.Unlock()
	var locks []*Lock
	for l := g.oldest; l != nil; l = l.newer {
		locks = append(locks, l)
	}
	slices.SortStableFunc(locks, func(a, b *Lock) int { return cmp.Compare(a.since.mono, b.since.mono) })
	return locks
}

// compare looks for time that passed on the wall clock only, and if some did, has every lock look at its deadline.
func (g *registry) compare() {
	g.mu.Lock()
	if g.oldest == nil {
		g.watching = false
		g.mu.Unlock()
		return
	}
	now := g.clock.now()
	asleep := (now.wall - g.seen.wall) - (now.mono - g.seen.mono)
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
	g.slept(asleep)
}

// find is the lock held on a key of a mutex, nil if there is none.
func (g *registry) find(m *Mutex, key string) *Lock {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := g.newest; l != nil; l = l.older {
		if l.mutex == m && l.claim.key == key {
			return l
		}
	}
	return nil
}

// at is a lock held on a key at a node, nil if there is none.
func (g *registry) at(node *Node, key string) *Lock {
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := g.newest; l != nil; l = l.older {
		if l.claim.key == key && slices.Contains(l.claim.nodes, node) {
			return l
		}
	}
	return nil
}
