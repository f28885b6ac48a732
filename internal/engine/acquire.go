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
}

// Acquire gets a lock on key, waiting as the settings or the options say.
func (m *Mutex) Acquire(ctx context.Context, key string, options AcquireOptions) (*Lock, error) {
	start := m.engine.clock.now()
	attempts := 0
	lock, err := m.acquire(ctx, key, options, start, &attempts)
	trace := &m.engine.trace
	if err != nil {
		if trace.Refused != nil {
			trace.Refused(m.settings.Name, key, attempts, m.engine.clock.since(start), err)
		}
		return nil, err
	}
	if trace.Acquired != nil {
		trace.Acquired(m.settings.Name, key, attempts, m.engine.clock.since(start))
	}
	return lock, nil
}

func (m *Mutex) acquire(ctx context.Context, key string, options AcquireOptions, start moment, attempts *int) (*Lock, error) {
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
	var last error // what the attempt before failed of
	for {
		*attempts++
		lock, failure := m.attempt(ctx, key, expiration, start)
		if failure == nil {
			return lock, nil
		}
		if failure.final {
			if last != nil && !errors.Is(failure.err, ErrAlreadyLocked) && !errors.Is(failure.err, ErrNoQuorum) {
				failure.err.Causes = append(failure.err.Causes, last) // it ended before the nodes could say why
			}
			return nil, failure.err
		}
		last = failure.err.Causes[0]
		pause, again := patience.next(errors.Is(failure.err, ErrAlreadyLocked))
		if !again {
			return nil, failure.err
		}
		if err := m.engine.sleep(ctx, pause); err != nil {
			failure.err.Causes = append(ended(ctx, err), failure.err.Causes...)
			return nil, failure.err
		}
		start = m.engine.clock.now()
	}
}

// failure is an attempt without a lock; final says that another attempt makes no sense.
type failure struct {
	err   *Error
	final bool
}

// attempt asks every node once. Whatever it set, if it fails, is being released before it returns. The lock counts from
// start, which is before the first byte is sent.
func (m *Mutex) attempt(ctx context.Context, key string, expiration time.Duration, start moment) (*Lock, *failure) {
	l := &Lock{mutex: m, since: start, claim: claim{nodes: m.group(key), key: key, owner: newOwner()}}
	l.claim.lengthen(expiration)
	r := l.claim.ask(acquire, expiration)
	o, err := r.wait(ctx, m.engine.closing, &m.engine.timers, m.nodeTimeout(expiration))
	if err == nil && o.won() && l.hold(expiration) {
		return l, nil
	}
	r.undo()
	switch {
	case err != nil:
		causes := ended(ctx, err)
		if cause := o.cause(); cause != nil {
			causes = append(causes, cause)
		}
		return nil, &failure{err: m.fail("acquire", key, &o, causes...), final: true}
	case o.won():
		return nil, &failure{err: m.fail("acquire", key, &o, fmt.Errorf("%w: the answers took longer than the lock is valid", ErrNoQuorum))}
	}
	cause := o.cause()
	return nil, &failure{
		err:   m.fail("acquire", key, &o, cause),
		final: errors.Is(cause, ErrNoQuorum) && o.blocks(o.rejected),
	}
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
