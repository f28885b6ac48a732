package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lock is one successful acquisition. It ends once, by release or by loss, and never begins again.
type Lock struct {
	mutex *Mutex
	claim claim
	// since is the moment before the question that got the lock was sent.
	since moment

	// extending is held during an extension, so that the deadline follows what the nodes did last.
	extending sync.Mutex
	// asking is held while an extension or a release is put into the lanes, so that no extension stands there behind a
	// release: it would set the key again.
	asking sync.Mutex

	mu sync.Mutex // guards what follows
	// deadline is the end of validity: before it, and only before it, the holder may rely on the lock.
	deadline moment
	// expiration is the one that the deadline follows from.
	expiration time.Duration
	timer      *time.Timer
	// err is why the lock ended; nil while it is held.
	err  error
	done chan struct{} // made when asked for
	// onEnd is called once the lock ended.
	onEnd context.CancelCauseFunc
	// released says that its keys have been released, or are being.
	released bool
	// extended says that an extension was asked for: a node may keep the key longer than the deadline tells, or set it
	// again later.
	extended bool
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// hold begins the validity of a lock that a quorum granted. It returns false if the time that took leaves none: this
// check comes last, after every wait.
func (l *Lock) hold(expiration time.Duration) bool {
	m := l.mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline, l.expiration = l.since.add(expiration-m.drift(expiration)), expiration
	validity := m.engine.clock.remains(l.deadline)
	if validity <= 0 {
		return false
	}
	l.timer = time.AfterFunc(validity, l.expire)
	m.engine.held.add(l)
	return true
}

// Mutex is the name of the lock's mutex.
func (l *Lock) Mutex() string { return l.mutex.settings.Name }

// Key is the Redis key that is locked.
func (l *Lock) Key() string { return l.claim.key }

// Until is the end of validity, as the monotonic clock has it. After the machine slept, the lock may have ended before:
// Done and Err take that into account.
func (l *Lock) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline.mono
}

// Done is closed when the lock was released or lost.
func (l *Lock) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		if l.err != nil {
			return closedChannel
		}
		l.done = make(chan struct{})
	}
	return l.done
}

// Err is nil while the lock is held; then it says why it ended: ErrNotHeld if it was released, else ErrLockLost.
func (l *Lock) Err() error {
	l.expire()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// expire ends the lock if its deadline has passed, on either clock, and else sets the timer to it.
func (l *Lock) expire() {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	if left := l.mutex.engine.clock.remains(l.deadline); left > 0 {
		l.timer.Reset(left)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.lose(errors.New("its validity ended"))
}

// lose ends the lock, unless it has ended already.
func (l *Lock) lose(why error) {
	err := fmt.Errorf("%w: %w", ErrLockLost, why)
	if !l.end(err) {
		return
	}
	m := l.mutex
	m.engine.logger.Warn("lock lost", "mutex", m.settings.Name, "key", l.Key(), "reason", why)
	if m.engine.trace.Lost != nil {
		m.engine.trace.Lost(m.settings.Name, l.Key(), err)
	}
	l.mu.Lock()
	extended, expiration := l.extended, l.expiration
	l.mu.Unlock()
	if extended && why != ErrClosed {
		// Not before the keys expire by themselves: until then they keep others from whoever is slow to notice.
		time.AfterFunc(m.drift(expiration)+m.nodeTimeout(expiration), func() { l.askRelease() })
	}
}

// askRelease asks every node to delete the lock's key.
func (l *Lock) askRelease() *round {
	l.asking.Lock()
	defer l.asking.Unlock()
	return l.claim.ask(release, 0)
}

// askExtension asks every node for a new expiration, or reports why the lock ended.
func (l *Lock) askExtension(expiration time.Duration) (*round, error) {
	l.asking.Lock()
	defer l.asking.Unlock()
	l.mu.Lock()
	err := l.err
	l.extended = true
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	l.claim.lengthen(expiration)
	return l.claim.ask(extend, expiration), nil
}

// end ends the lock for the reason given and returns true, or returns false if it has ended already.
func (l *Lock) end(err error) bool {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return false
	}
	l.err = err
	l.timer.Stop()
	if l.done != nil {
		close(l.done)
	}
	onEnd := l.onEnd
	l.mu.Unlock()
	l.mutex.engine.held.remove(l)
	if onEnd != nil {
		onEnd(err)
	}
	return true
}

// whenEnded has cancel called with the reason when the lock ends, or at once if it has.
func (l *Lock) whenEnded(cancel context.CancelCauseFunc) {
	l.mu.Lock()
	err := l.err
	l.onEnd = cancel
	l.mu.Unlock()
	if err != nil {
		cancel(err)
	}
}

// Release deletes the lock from its nodes, whatever ctx says: it takes no longer than the nodes' own time budget. It
// returns ErrNotHeld if the lock had been released or lost before, or if too many nodes don't hold it any more, and
// ErrNoQuorum if too few could answer; their keys are deleted as soon as they can be reached, or expire.
func (l *Lock) Release(ctx context.Context) error {
	m := l.mutex
	l.expire()
	ended := !l.end(ErrNotHeld)

	l.mu.Lock()
	why := l.err
	// Who finds that another release ended it is late, even if it comes here first.
	again := ended && (l.released || why == ErrNotHeld)
	l.released = true
	l.mu.Unlock()
	if again {
		return m.fail("release", l.Key(), nil, ErrNotHeld)
	}
	if err := m.engine.begin(); err != nil {
		return m.fail("release", l.Key(), nil, err)
	}
	defer m.engine.finish()

	r := l.askRelease()
	var err error
	if ended {
		// Its keys have as good as expired; they are released all the same, but nobody waits for that.
		err = m.fail("release", l.Key(), nil, ErrNotHeld, why)
	} else {
		err = l.awaitRelease(r)
	}
	if trace := &m.engine.trace; trace.Released != nil {
		trace.Released(m.settings.Name, l.Key(), m.engine.clock.since(l.since), err)
	}
	return err
}

// awaitRelease waits for the outcome of a release. Neither a context nor Close interrupts it.
func (l *Lock) awaitRelease(r *round) error {
	m := l.mutex
	o, _ := r.wait(context.Background(), nil, &m.engine.timers, m.nodeTimeout(time.Duration(l.claim.life.Load())))
	switch {
	case o.won():
		return nil
	case o.blocks(o.taken + o.gone):
		return m.fail("release", l.Key(), &o, ErrNotHeld)
	default:
		return m.fail("release", l.Key(), &o, ErrNoQuorum)
	}
}

// Extend makes the lock expire no sooner than after expiration, counted from now: it never shortens. It counts only if a
// quorum agreed while the lock was still valid; else the old deadline stands.
func (l *Lock) Extend(ctx context.Context, expiration time.Duration) error {
	err := l.extend(ctx, expiration)
	if trace := &l.mutex.engine.trace; trace.Extended != nil {
		trace.Extended(l.mutex.settings.Name, l.Key(), err)
	}
	return err
}

func (l *Lock) extend(ctx context.Context, expiration time.Duration) error {
	m := l.mutex
	if err := m.checkExpiration(expiration); err != nil {
		return m.fail("extend", l.Key(), nil, err)
	}
	expiration = expiration.Truncate(time.Millisecond) // which is what a node counts in
	if err := m.enter(ctx, l.Key()); err != nil {
		return m.fail("extend", l.Key(), nil, err)
	}
	defer m.engine.finish()
	l.extending.Lock()
	defer l.extending.Unlock()

	start := m.engine.clock.now()
	l.expire()
	r, err := l.askExtension(expiration)
	if err != nil {
		return m.fail("extend", l.Key(), nil, ErrNotHeld, err)
	}
	o, err := r.wait(ctx, m.engine.closing, &m.engine.timers, m.nodeTimeout(expiration))
	switch {
	case err != nil:
		return m.fail("extend", l.Key(), &o, ended(ctx, err)...)
	case o.won():
		if err := l.prolong(start, expiration); err != nil {
			return m.fail("extend", l.Key(), &o, ErrNotHeld, err)
		}
		return nil
	case o.blocks(o.taken):
		l.lose(errors.New("another owner's value stands at its key"))
		return m.fail("extend", l.Key(), &o, ErrNotHeld)
	}
	if err := l.Err(); err != nil { // it ended meanwhile
		return m.fail("extend", l.Key(), &o, ErrNotHeld, err)
	}
	return m.fail("extend", l.Key(), &o, ErrNoQuorum)
}

// prolong moves the deadline to that of an extension, begun at start, which a quorum agreed to, if that is later, and
// unless the lock has ended meanwhile: a lock past its deadline is never revived.
func (l *Lock) prolong(start moment, expiration time.Duration) error {
	clock := l.mutex.engine.clock
	deadline := start.add(expiration - l.mutex.drift(expiration))
	l.mu.Lock()
	if left := clock.remains(l.deadline); l.err == nil && left > 0 && clock.remains(deadline) > left {
		l.deadline, l.expiration = deadline, expiration
		l.timer.Reset(clock.remains(deadline))
	}
	l.mu.Unlock()
	return l.Err()
}
