package engine

import (
	"context"
	"errors"
	"time"
)

// waitInLine stands in line for the lock until it is got or given up. Failed is the attempt that was made before, nil if
// none was.
func (m *Mutex) waitInLine(ctx context.Context, a *attempt, p *patience, failed *failure) (*Lock, error) {
	w := &waiter{expiration: a.expiration, poked: make(chan struct{}, 1)}
	ln := m.engine.lines.join(m, a.key, w, failed)
	defer ln.leave(w)
	if waiting := m.engine.trace.Waiting; waiting != nil {
		waiting(ctx, a.course(nil, nil))
	}
	splits := 0
	for idle := m.engine.clock.now(); ; idle = m.engine.clock.now() {
		why := m.pause(ctx, ln, w, p)
		now := m.engine.clock.now()
		a.waited += now.since(idle)
		due := now.since(p.due) >= 0
		var lock *Lock
		var next *failure
		if why != nil {
			return nil, m.leftWaiting(ctx, a.key, why, ln.latest(failed))
		}
		switch ln.todo(w, now, due) {
		case handedOver:
			lock, next = w.given.conclude(ctx, w.round, a.expiration)
			ln.concluded(w, lock)
			a.made(ctx, now, lock, next)
		case ask:
			lock, next = ln.ask(ctx, a, now)
		}
		if lock != nil {
			return lock, nil
		}
		if next != nil {
			if next.final {
				if failed != nil && !errors.Is(next.err, ErrAlreadyLocked) && !errors.Is(next.err, ErrNoQuorum) {
					next.err.Causes = append(next.err.Causes, failed.toldAt(m.engine.clock.now()).Causes...) // it ended before the nodes could say why
				}
				return nil, next.err
			}
			failed = next
			if next.split {
				splits++
				ln.retryIn(splits)
			} else {
				splits = 0
			}
		}
		if due && !p.more(failed, m.engine.clock.now()) {
			if failed = ln.latest(failed); failed == nil {
				return nil, m.fail("acquire", a.key, nil, ErrAlreadyLocked)
			}
			return nil, failed.toldAt(m.engine.clock.now())
		}
	}
}

// leftWaiting is the error of who leaves because of why: ctx's error, or ErrClosed.
func (m *Mutex) leftWaiting(ctx context.Context, key string, why error, failed *failure) error {
	if failed == nil {
		return m.fail("acquire", key, nil, append(ended(ctx, why), ErrAlreadyLocked)...)
	}
	err := failed.toldAt(m.engine.clock.now())
	err.Causes = append(ended(ctx, why), err.Causes...)
	return err
}

// latest is failed, the waiter's own last attempt, unless the lock was got in this process since there was no quorum for it:
// then it is nil, for a lock that is held.
func (ln *line) latest(failed *failure) *failure {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.holder != nil && failed != nil && errors.Is(failed.err, ErrNoQuorum) {
		return nil
	}
	return failed
}

// pause waits until w may have something to do. It returns why w must leave: ctx's error, or ErrClosed.
func (m *Mutex) pause(ctx context.Context, ln *line, w *waiter, p *patience) error {
	if pause := ln.pauseOf(w, p.due); pause > 0 {
		timer := m.engine.timers.get(pause)
		select {
		case <-w.poked:
		case <-timer.C:
		case <-ctx.Done():
		case <-m.engine.closing:
		}
		m.engine.timers.put(timer)
	}
	select {
	case <-m.engine.closing:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// pauseOf is how long w has nothing to do unless it is poked.
func (ln *line) pauseOf(w *waiter, due moment) time.Duration {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	now := ln.engine.clock.now()
	pause := -now.since(due)
	if ln.first == w && ln.ends && !ln.busy {
		pause = min(pause, -now.since(ln.free))
	}
	return max(pause, 0)
}

// what a waiter has to do.
type todo int

const (
	nothing todo = iota
	ask
	handedOver
)

// todo is what w has to do now; due says that the next attempt is, by its patience.
func (ln *line) todo(w *waiter, now moment, due bool) todo {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	switch {
	case w.given != nil:
		return handedOver
	case ln.first != w || ln.busy:
		return nothing
	case ln.holder != nil:
		ln.ready = false // it will be handed over, or lost, and either is told
		return nothing
	case ln.ready || due || ln.ends && now.since(ln.free) >= 0:
		ln.busy = true
		return ask
	}
	return nothing
}

// ask makes the first in line's attempt. After a wake-up that is a plain one, for it mostly succeeds; otherwise, and if it
// doesn't, it is one that finds out who holds the lock, and for how long, and tells them that this engine waits.
func (ln *line) ask(ctx context.Context, a *attempt, now moment) (*Lock, *failure) {
	ln.mu.Lock()
	woken := ln.woken
	ln.ready, ln.ends, ln.woken = false, false, false
	message := ""
	if ln.hears() {
		message = ln.announcement()
	}
	ln.mu.Unlock()

	var lock *Lock
	var failed *failure
	if woken {
		a.op, a.message = acquire, ""
		lock, failed = a.make(ctx, now)
		now = ln.engine.clock.now()
	}
	if !woken || lock == nil && !failed.final && errors.Is(failed.err, ErrAlreadyLocked) {
		a.op, a.message = queue, message
		lock, failed = a.make(ctx, now)
	}

	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.busy = false
	ln.used = now
	if lock != nil {
		ln.remove(ln.first)
		ln.adopt(lock)
		return lock, nil
	}
	ln.outage = errors.Is(failed.err, ErrNoQuorum)
	if errors.Is(failed.err, ErrAlreadyLocked) {
		ln.named = false
	}
	switch {
	case failed.final:
		ln.ready = true // the next in line tries; why this one must leave need not be its business
	case failed.left == 0:
		ln.askIn(unsure)
	case failed.left < forever:
		ln.askIn(failed.left)
	}
	return nil, failed
}

// concluded takes what came of handing the lock to w: the lock, or nil.
func (ln *line) concluded(w *waiter, l *Lock) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	w.given, w.round = nil, nil
	ln.busy = false
	if l == nil {
		ln.ready = true
		ln.poke()
		return
	}
	ln.remove(w)
	turns := ln.turns
	ln.adopt(l)
	ln.turns = turns
}

// splitPause is what a pause after a split vote is at most, for the first one.
const splitPause = 4 * time.Millisecond

// retryIn plans another attempt soon, for nobody holds the lock: several tried at once and each got some nodes. They try
// again after random pauses, longer each time, until one is alone.
func (ln *line) retryIn(splits int) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.askIn(ln.engine.upTo(splitPause << min(splits-1, 5)))
}

// left is how long it takes until a quorum of nodes can be free, as far as the refusals tell: zero if they don't.
func (o *outcome) left(e *Engine) time.Duration {
	var lefts []time.Duration
	free := 0
	for _, r := range o.replies {
		switch {
		case r.answer == Granted: // and being released
			free++
		case r.answer == Taken && (r.owner != "" || r.left > 0), r.answer == Quarantined:
			lefts = append(lefts, r.left)
		}
	}
	need := o.quorum() - free // so many of the refusals must end
	if need < 1 || len(lefts) < need {
		return 0
	}
	for range need - 1 {
		lefts = withoutLeast(lefts)
	}
	least := lefts[0]
	for _, left := range lefts {
		least = min(least, left)
	}
	// Redis's clock is in milliseconds; and not all who wait should come in the same one.
	return least + time.Millisecond + e.upTo(2*time.Millisecond)
}

func withoutLeast(lefts []time.Duration) []time.Duration {
	least := 0
	for i, left := range lefts {
		if left < lefts[least] {
			least = i
		}
	}
	lefts[least] = lefts[len(lefts)-1]
	return lefts[:len(lefts)-1]
}

// split tells whether, of those who hold the key at some node, nobody holds it at a quorum, as far as the refusals tell.
func (o *outcome) split() bool {
	known := 0
	for i, r := range o.replies {
		if r.answer != Taken || r.owner == "" {
			continue
		}
		known++
		same := 0
		for _, other := range o.replies[i:] {
			if other.answer == Taken && other.owner == r.owner {
				same++
			}
		}
		if same >= o.quorum() {
			return false
		}
	}
	return known > 0 && known+o.granted >= o.quorum()
}
