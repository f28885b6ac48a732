package engine

import (
	"slices"
	"sync"
	"time"
)

// line is where those stand who wait in this process for one key of one mutex, first come, first served. Only the first
// asks Redis. It does so when it is woken, when the holder's expiration must have passed, and when its next attempt is due
// by its patience, whatever else happens: nothing here that gets lost leaves anybody waiting for ever.
//
// Three ways lead from one holder to the next:
//
//   - Within the process the lock is handed over: one script makes the key the next owner's, and no other process sees it
//     free. That goes on for as many turns as there were waiters when the lock came into the process; then the others get
//     theirs. Who joins later comes after those who already wait elsewhere, as if all stood in one line.
//   - To another process the lock is passed on by name: whoever is refused tells the holder's engine that it waits, the
//     holder keeps a list, and the release wakes the first of them only, and gives it the rest of the list. So what a
//     hand-over costs does not grow with the number of those who wait.
//   - A holder that knows of nobody tells everybody who listens to the key.
type line struct {
	engine *Engine
	mutex  *Mutex
	key    string
	nodes  []*Node

	mu sync.Mutex // guards what follows
	// first and last are the ends of the line.
	first, last *waiter
	length      int
	// holder is the lock if this process holds it and the line knows.
	holder *Lock
	// turns is how many more times the lock is handed over within the process.
	turns int
	// busy says that the first is at an attempt, or is being handed the lock. ready says that it should make one.
	busy, ready bool
	// others are the engines that wait elsewhere, in the order in which they came; seen is the number of the last
	// announcement of each engine.
	others []string
	seen   map[string]uint64
	// next is the engine that the lock was passed on to last, and when.
	next   string
	passed moment
	// free is when the holder's expiration must have passed, as the last refusal told; until it, ends is true.
	free moment
	ends bool
	// outage says that the last attempt failed for lack of a quorum, not because the lock was held.
	outage bool
	// listening has a bit for each node that has confirmed that it tells of the key's releases, reconnected for each that
	// would not do so for the first time.
	listening, reconnected uint64
	// wake collects what the nodes say of one release.
	wake struct {
		id    string
		nodes uint64
		done  bool
	}
	// used is when somebody last needed the line.
	used moment
}

// waiter is one who stands in line.
type waiter struct {
	before, after *waiter
	expiration    time.Duration
	// poked tells it to look what there is to do.
	poked chan struct{}
	// given is the lock that is being handed to it, and the round in which that happens.
	given *Lock
	round *round
}

// poke has the first in line look what there is to do. ln.mu is held.
func (ln *line) poke() {
	if ln.first != nil {
		ln.first.poke()
	}
}

func (w *waiter) poke() {
	select {
	case w.poked <- struct{}{}:
	default: // it has not yet looked since the last time
	}
}

// join puts w at the end. asked says that it has been refused the lock just now. ln.mu is held.
func (ln *line) join(w *waiter, asked bool) {
	w.before = ln.last
	if ln.last == nil {
		ln.first = w
	} else {
		ln.last.after = w
	}
	ln.last = w
	ln.length++
	if ln.first != w || ln.holder != nil {
		return
	}
	switch {
	case asked && ln.hears():
		ln.ready = true // to find out whom to tell
		w.poke()
	case !asked && ln.next != "":
		ln.announce(ln.next)
	}
}

// hears tells whether a quorum of nodes has confirmed that it tells of releases. ln.mu is held.
func (ln *line) hears() bool {
	t := tally{nodes: len(ln.nodes), granted: count(ln.listening)}
	return t.won()
}

// leave takes w out of the line. If the lock was being handed to it, that is undone.
func (ln *line) leave(w *waiter) {
	ln.mu.Lock()
	given, round := w.given, w.round
	w.given, w.round = nil, nil
	if given != nil {
		ln.busy, ln.ready = false, true
	}
	ln.remove(w)
	if ln.ready && !ln.busy {
		ln.poke()
	}
	ln.used = ln.engine.clock.now()
	others := ln.deserted()
	ln.mu.Unlock()
	if given != nil {
		round.undo()
		round.leave()
	}
	ln.excuse(others)
}

// remove takes w out, if it is in. ln.mu is held.
func (ln *line) remove(w *waiter) {
	if ln.first != w && w.before == nil {
		return
	}
	if w.before == nil {
		ln.first = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		ln.last = w.before
	} else {
		w.after.before = w.before
	}
	w.before, w.after = nil, nil
	ln.length--
	if ln.ready || ln.ends {
		ln.poke() // a new first has more to look for
	}
}

// adopt makes the line know that this process holds the lock, which was not handed over within it. ln.mu is held.
func (ln *line) adopt(l *Lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		ln.ready = true
		ln.poke()
		return
	}
	l.line = ln
	ln.holder = l
	ln.turns = ln.length
	ln.outage, ln.ends = false, false
	ln.used = l.since
}

// lost says that a lock ended otherwise than by release.
func (ln *line) lost(l *Lock) {
	ln.mu.Lock()
	if ln.holder != l {
		ln.mu.Unlock()
		return
	}
	ln.holder = nil
	ln.ready = true
	ln.poke()
	others := ln.deserted()
	ln.mu.Unlock()
	ln.excuse(others)
}

// deserted takes the list of those who wait elsewhere from a line that will never pass the lock on to them. ln.mu is
// held.
func (ln *line) deserted() []string {
	if ln.first != nil || ln.holder != nil {
		return nil
	}
	others := ln.others
	ln.others = nil
	return others
}

// excuse tells those who counted on being told by this line to ask for themselves.
func (ln *line) excuse(others []string) {
	if len(others) > 0 {
		ln.tell(ln.nodes, others[0], wakeMessage(ln.engine.owners.next()[:idLength], others[1:], ln.key))
	}
}

// passOn releases the lock: to the next in line, to the first of those who wait elsewhere, or to whoever comes.
func (ln *line) passOn(l *Lock, now moment) *round {
	ln.mu.Lock()
	if ln.holder != l {
		ln.mu.Unlock()
		return l.askRelease(now, true)
	}
	ln.holder = nil
	ln.used = now
	w := ln.first
	switch {
	case w != nil && !ln.busy && ln.turns > 0:
		return ln.handOver(l, w, now) // unlocks
	case len(ln.others) > 0:
		next, rest := ln.others[0], ln.others[1:]
		if w != nil {
			rest = append(slices.Clone(rest), ln.engine.owners.name)
		}
		message := wakeMessage(l.claim.owner[:idLength], rest, ln.key)
		ln.others, ln.next, ln.passed = nil, next, now
		ln.mu.Unlock()
		l.claim.over.Store(true)
		r := ln.engine.newRound(ln.nodes, &l.claim, now, l.releaseBudget())
		r.question.put(release, ln.key, l.claim.owner, 0)
		r.question.channel, r.question.message = engineChannel(next), message
		r.start(r)
		return r
	default:
		ln.next = ""
		ln.mu.Unlock()
		r := l.askRelease(now, false)
		// Behind the release, for it goes the same ways.
		ln.mu.Lock()
		ln.ready = true
		ln.poke()
		ln.mu.Unlock()
		return r
	}
}

// handOver makes l's key w's. It takes over ln.mu and unlocks it.
func (ln *line) handOver(l *Lock, w *waiter, now moment) *round {
	ln.turns--
	ln.busy, ln.ready = true, false
	ln.mu.Unlock()

	e, m := ln.engine, ln.mutex
	next := m.newLock(ln.key, w.expiration, now)
	l.claim.over.Store(true)
	from := e.newRound(ln.nodes, &l.claim, now, l.releaseBudget())
	from.question.put(release, ln.key, l.claim.owner, 0)
	to := e.newRound(ln.nodes, &next.claim, now, m.nodeTimeout(w.expiration))
	to.question.put(handover, ln.key, l.claim.owner, w.expiration)
	to.question.next = next.claim.owner

	e.vigils.watch(from)
	to.start(&relay{from: from, to: to})

	ln.mu.Lock()
	if ln.first == w {
		w.given, w.round = next, to
		w.poke()
		ln.mu.Unlock()
		return from
	}
	// It has left meanwhile.
	ln.busy, ln.ready = false, true
	ln.poke()
	ln.mu.Unlock()
	to.undo()
	to.leave()
	return from
}
