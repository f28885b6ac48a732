package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// AcquireOptions are what one call sets apart from the mutex's settings.
type AcquireOptions struct {
	// Expiration of this lock; nil: the settings'.
	Expiration *time.Duration
	// Wait says how long to wait for a held lock, instead of the settings' Wait or MaxRetry; nil: as they say.
	Wait *time.Duration
	// Renew has the lock renewed until it ends.
	Renew bool
}

// Acquire gets a lock on key, waiting as the settings or the options say.
func (m *Mutex) Acquire(ctx context.Context, key string, options AcquireOptions) (*Lock, error) {
	e := m.engine
	a := attempt{mutex: m, key: key, op: acquire, begun: e.clock.now()}
	lock, err := a.acquire(ctx, &options)
	if err != nil {
		if e.watched(ctx, e.trace.Refused != nil) {
			e.tell(ctx, e.trace.Refused, "lock not acquired", a.course(nil, err))
		}
		return nil, err
	}
	if options.Renew {
		lock.renew()
	}
	if e.watched(ctx, e.trace.Acquired != nil) {
		e.tell(ctx, e.trace.Acquired, "lock acquired", a.course(lock, nil))
	}
	return lock, nil
}

func (a *attempt) acquire(ctx context.Context, options *AcquireOptions) (*Lock, error) {
	m, key, start := a.mutex, a.key, a.begun
	expiration := m.settings.Expiration
	if options.Expiration != nil {
		expiration = *options.Expiration
	}
	if err := m.checkExpiration(expiration); err != nil {
		return nil, m.fail("acquire", key, nil, err)
	}
	expiration = expiration.Truncate(time.Millisecond) // which is what a node counts in
	if err := m.enter(ctx, key); err != nil {
		return nil, m.fail("acquire", key, nil, err)
	}
	defer m.engine.finish()

	patience := m.patience(options, start)
	a.expiration = expiration
	var failed *failure
	if !patience.any() || !m.engine.lines.occupied(m, key, start) {
		var lock *Lock
		lock, failed = a.make(ctx, start)
		if failed == nil {
			m.engine.lines.adopt(lock)
			return lock, nil
		}
		if failed.final || !patience.more(failed, m.engine.clock.now()) {
			return nil, failed.err
		}
	} else {
		patience.more(nil, start)
	}
	return m.waitInLine(ctx, a, &patience, failed)
}

// attempt is one question to every node for a lock, and then, for an acquire may take several, another.
type attempt struct {
	mutex      *Mutex
	key        string
	expiration time.Duration
	op         op // acquire or queue
	message    string
	// begun is when the acquire began, number how many attempts it has made, waited how long it has waited.
	begun  moment
	number int
	waited time.Duration
}

// course is the event of the acquire so far.
func (a *attempt) course(l *Lock, err error) Event {
	ev := Event{Mutex: a.mutex.settings.Name, Key: a.key, Attempts: a.number, Waited: a.waited, Err: err}
	if l != nil {
		ev.Token, ev.Took = l.token, l.got.since(a.begun)
	} else {
		ev.Took = a.mutex.engine.clock.since(a.begun)
	}
	return ev
}

// made counts an attempt that began at start, and tells of it. Its lock is nil if it failed.
func (a *attempt) made(ctx context.Context, start moment, l *Lock, failed *failure) {
	a.number++
	callback := a.mutex.engine.trace.Attempt
	if callback == nil {
		return
	}
	ev := a.course(l, nil)
	ev.Took, ev.Waited = a.mutex.engine.clock.since(start), 0
	if failed != nil {
		ev.Err = failed.err
	}
	callback(ctx, ev)
}

// failure is an attempt without a lock; final says that another attempt makes no sense.
type failure struct {
	err   *Error
	final bool
	// left is how long the lock stays another's, if the attempt found out.
	left time.Duration
	// split says that no owner has a quorum.
	split bool
	// quarantine is among what err says if there was no quorum for nodes that were in quarantine, and can be one when it is
	// over; else it is nil.
	quarantine *QuarantineError
	over       moment
}

// passes tells whether waiting helps: the lock was held, or nodes were in quarantine. A nil f is a lock that was held.
func (f *failure) passes() bool {
	return f == nil || f.quarantine != nil || errors.Is(f.err, ErrAlreadyLocked)
}

// toldAt is the error for a caller who is told of it now, perhaps long after the attempt: others stood before them in line.
func (f *failure) toldAt(now moment) *Error {
	if f.quarantine != nil {
		f.quarantine.Remaining = max(-now.since(f.over), 0)
	}
	return f.err
}

// make asks every node once. Whatever it set, if it fails, is being released before it returns. The lock counts from
// start, which is before the first byte is sent.
func (a *attempt) make(ctx context.Context, start moment) (*Lock, *failure) {
	m := a.mutex
	l := m.newLock(a.key, a.expiration, start)
	r := m.newRound(l.claim.nodes, &l.claim, start, m.nodeTimeout(a.expiration))
	r.question.put(a.op, a.key, l.claim.owner, a.expiration)
	r.question.message = a.message
	r.question.safeguard = l.mutex.safeguardOf(l.claim.key)
	r.startFor(ctx)
	lock, failed := l.conclude(ctx, r, a.expiration)
	a.made(ctx, start, lock, failed)
	return lock, failed
}

// newLock is a lock of which nothing has been asked yet.
func (m *Mutex) newLock(key string, expiration time.Duration, start moment) *Lock {
	l := &Lock{mutex: m, since: start, claim: claim{nodes: m.group(key), key: key, owner: m.engine.owners.next()}}
	l.claim.life.Store(int64(expiration))
	return l
}

// conclude waits for the outcome of the round that is to get l.
func (l *Lock) conclude(ctx context.Context, r *round, expiration time.Duration) (*Lock, *failure) {
	defer r.leave()
	o, err := r.wait(ctx)
	if err == nil && o.won() && r.question.counter != "" {
		o, err = l.fence(ctx, r, o, expiration)
	}
	if err == nil && o.won() && l.hold(expiration) { // which looks at the clock, after every wait
		return l, nil
	}
	r.undo()
	m := l.mutex
	switch {
	case err != nil:
		causes := ended(ctx, err)
		if cause := o.cause(); cause != nil {
			causes = append(causes, cause)
		}
		return nil, &failure{err: m.fail("acquire", l.Key(), &o, causes...), final: true}
	case o.won():
		return nil, &failure{err: m.fail("acquire", l.Key(), &o, fmt.Errorf("%w: the answers took longer than the lock is valid", ErrNoQuorum))}
	}
	cause := o.cause()
	f := &failure{
		err:   m.fail("acquire", l.Key(), &o, cause),
		final: errors.Is(cause, ErrNoQuorum) && o.blocks(o.rejected),
		left:  o.left(m.engine),
		split: o.split(),
	}
	if left := o.quarantine(); left > 0 && cause == ErrNoQuorum {
		f.quarantine, f.over = &QuarantineError{left}, m.engine.clock.now().add(left)
		f.err.Causes = append(f.err.Causes, f.quarantine)
	}
	return nil, f
}

// cause is what an attempt without quorum failed of: the lock is somebody else's, or too few nodes could answer. It is
// nil as long as neither is certain.
func (o *outcome) cause() error {
	switch {
	case o.won(): // and yet ctx ended first
		return nil
	case o.taken > 0 && o.granted+o.taken+o.pending >= o.quorum():
		return ErrAlreadyLocked
	case o.granted+o.taken+o.pending < o.quorum():
		return ErrNoQuorum
	}
	return nil
}
