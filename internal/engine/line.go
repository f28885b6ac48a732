package engine

import (
	"errors"
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
	// named says that it is this engine's turn, as another told it by name, and that nobody here has asked yet.
	named bool
	// gone counts the answers in a row that the lock went where nobody knows.
	gone int
	// free is when the first asks unless it is told something sooner: when the holder's expiration must have passed, as the
	// last refusal told, or soon if nobody knows. It counts if ends is true.
	free moment
	ends bool
	// outage says that the last attempt failed for lack of a quorum, not because the lock was held.
	outage bool
	// listens says that the nodes were asked to tell of the key's releases.
	listens bool
	// listening has a bit for each node that has confirmed that it tells of the key's releases, reconnected for each that
	// would not do so for the first time.
	listening, reconnected uint64
	// releases are those that the nodes spoke of last, the latest first; woken says that a quorum spoke of one of them.
	// Nodes are not equally fast: some may speak of the next release before others have spoken of the one before.
	releases [4]announcedRelease
	woken    bool
	// used is when somebody last needed the line: stood in it, or waited elsewhere.
	used moment
}

// announcedRelease is a release of which a node in each of nodes' bits spoke.
type announcedRelease struct {
	id    string
	nodes uint64
}

// unsure is how long the first in line waits for a word at most when nobody has told it how long the lock is held.
const unsure = time.Second

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

// join puts w at the end. Failed is what its attempt failed of that it made just now, nil if it made none. ln.mu is held.
func (ln *line) join(w *waiter, failed *failure) {
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
	case ln.ready:
		w.poke()
	case failed != nil && (!ln.hears() || !errors.Is(failed.err, ErrAlreadyLocked)):
		ln.askIn(unsure) // or when a quorum of nodes tells of releases
	case failed == nil && ln.next != "":
		ln.announce(ln.next)
		ln.askIn(unsure)
	default: // to find out whom to tell
		ln.ready = true
		w.poke()
	}
}

// askIn has the first in line ask after d, or sooner if that is planned already. Who holds the lock here tells by itself.
// It is a little more than d, so that lines that heard of an outage at once don't ask at once. ln.mu is held.
func (ln *line) askIn(d time.Duration) {
	free := ln.engine.clock.now().add(d + ln.engine.upTo(min(d, time.Second)/1000+1))
	if ln.holder == nil && (!ln.ends || free.since(ln.free) < 0) {
		ln.ends, ln.free = true, free
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
	if round := w.round; round != nil {
		w.given, w.round = nil, nil
		ln.mu.Unlock()
		round.undo() // before the next in line asks
		round.leave()
		ln.mu.Lock()
		ln.busy, ln.ready = false, true
	}
	ln.remove(w)
	ln.used = ln.engine.clock.now()
	excuse := ln.desert()
	ln.mu.Unlock()
	excuse()
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
	ln.next, ln.named, ln.gone = "", false, 0
	ln.outage, ln.ends, ln.woken = false, false, false
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
	excuse := ln.desert()
	ln.mu.Unlock()
	excuse()
}

// desert empties a line in which nobody stands any more and that will never pass the lock on. It returns what tells those
// elsewhere who count on it to ask for themselves, which is to be called without ln.mu, that is held.
func (ln *line) desert() (excuse func()) {
	if ln.first != nil || ln.holder != nil || len(ln.others) == 0 && !ln.named {
		return func() {}
	}
	others := ln.others
	ln.others, ln.named = nil, false
	id := ln.engine.owners.next()[:idLength]
	return func() { ln.engine.lines.passTurn(ln.nodes, id, others, ln.key) }
}

// passOn releases the lock: to the next in line, to the first of those who wait elsewhere, or to whoever comes.
func (ln *line) passOn(l *Lock, now moment) *round {
	ln.mu.Lock()
	if ln.holder != l {
		ln.mu.Unlock()
		return l.askRelease(now, true, true)
	}
	ln.holder = nil
	w := ln.first
	if w != nil || len(ln.others) > 0 {
		ln.used = now
	}
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
		ln.askIn(unsure)
		ln.poke()
		ln.mu.Unlock()
		l.claim.over.Store(true)
		r := ln.mutex.newRound(ln.nodes, &l.claim, now, l.releaseBudget())
		r.question.put(release, ln.key, l.claim.owner, 0)
		r.question.channel, r.question.message = engineChannel(next), message
		r.start(r)
		return r
	default:
		ln.next = ""
		ln.mu.Unlock()
		r := l.askRelease(now, false, true)
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
	from := m.newRound(ln.nodes, &l.claim, now, l.releaseBudget())
	from.question.put(release, ln.key, l.claim.owner, 0)
	to := m.newRound(ln.nodes, &next.claim, now, m.nodeTimeout(w.expiration))
	to.question.put(handover, ln.key, l.claim.owner, w.expiration)
	to.question.next = next.claim.owner
	to.question.safeguard = m.safeguardOf(ln.key)

	e.vigils.watch(from)
	to.start(&relay{from: from, to: to})

	ln.mu.Lock()
	if ln.first == w {
		w.given, w.round = next, to
		w.poke()
		ln.mu.Unlock()
		return from
	}
	ln.mu.Unlock()
	// It has left meanwhile.
	to.undo()
	to.leave()
	ln.mu.Lock()
	ln.busy, ln.ready = false, true
	ln.poke()
	ln.mu.Unlock()
	return from
}
