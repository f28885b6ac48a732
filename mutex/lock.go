package mutex

import (
	"context"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Lock is one successful acquisition of the mutex M. It has an owner value of its own and never changes hands; once
// released or lost, it stays so.
type Lock[M any] struct {
	held *engine.Lock
}

// Key is the Redis key that is locked.
func (l *Lock[M]) Key() string {
	if l == nil || l.held == nil {
		return ""
	}
	return l.held.Key()
}

// Until is the end of the lock's validity: how long its holder may rely on it. The nodes keep the key a little longer.
// ExtendLock and renewal move it. It doesn't know of time that passes while the machine sleeps; Done and Err do.
func (l *Lock[M]) Until() time.Time {
	if l == nil || l.held == nil {
		return time.Time{}
	}
	return l.held.Until()
}

// Token is the lock's fencing token if its definition has fencing; else it is zero. It is larger than every token that was
// handed out before for the same key, by whatever process, on one node or a quorum, and also if nodes failed meanwhile; if
// they lost their data, restart_guard is what keeps that so. Tokens increase, but not by one. Each is above zero, and fits a
// BIGINT and, until the year 2242, a float64 without loss. Renewal and ExtendLock keep it, and so does the lock's end.
//
// A token is for what the lock protects. Whoever is paused may learn too late that its lock has ended; but if the resource
// keeps the largest token that it has seen, and refuses what comes with a smaller one, then that is refused there:
//
//	UPDATE stock SET token = $1 WHERE item = $2 AND token < $1 -- no row: somebody else came later, so stop
//
// Who locks the same key by other means, another library or a mutex without fencing, excludes us and has no token.
func (l *Lock[M]) Token() int64 {
	if l == nil || l.held == nil {
		return 0
	}
	return l.held.Token()
}

// Token is the fencing token of the lock under which Synchronize runs a function, given the ctx that the function got, or
// one derived of it; see Lock.Token. Where one Synchronize runs inside another, it is the inner one's. It is zero if that
// one's definition has no fencing, or if ctx is of no Synchronize.
func Token(ctx context.Context) int64 {
	if ctx == nil {
		return 0
	}
	return engine.TokenFrom(ctx)
}

// Done is closed when the lock was released or lost.
func (l *Lock[M]) Done() <-chan struct{} {
	if l == nil || l.held == nil {
		return noLock
	}
	return l.held.Done()
}

// Err is nil while the lock is held. After that it is ErrNotHeld if the lock was released, and otherwise ErrLockLost
// with the reason.
func (l *Lock[M]) Err() error {
	if l == nil || l.held == nil {
		return ErrNotHeld
	}
	return l.held.Err()
}

// noLock is Done of a lock that never was.
var noLock = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// ReleaseLock gives the lock back. It deletes the lock's key on every node where it still bears the lock's own owner
// value, never another's. It works on a ctx that is already cancelled, and takes no longer than the nodes' time budget.
//
// It returns ErrNotHeld if the lock was released before, was lost, or is gone from too many nodes, ErrNoQuorum if too few
// nodes could answer (the key is deleted there when they come back, or expires), and ErrClosed after Close.
func ReleaseLock[M any](ctx context.Context, lock *Lock[M]) error {
	if lock == nil || lock.held == nil {
		return &Error{Op: "release", Causes: []error{ErrNotHeld, errNil}}
	}
	return lock.held.Release(ctx)
}

// ExtendLock makes the lock expire no sooner than after expiration, counted from now, and moves the end of its validity
// accordingly. It never shortens a lock. It counts only if a quorum of nodes agreed while the lock was still valid. A lock
// that is renewed needs none; it takes one all the same, which max_hold does not limit, and goes on being renewed.
//
// If the definition has a restart guard, an expiration longer than the definition's is an error: a restarted node waits for
// no longer than that one before it votes again.
//
// It returns ErrNotHeld if the lock was released or lost, ErrNoQuorum if too few nodes could answer, in which case the
// lock stays valid until its old end, ctx's error if ctx ended first, and ErrClosed after Close.
func ExtendLock[M any](ctx context.Context, lock *Lock[M], expiration time.Duration) error {
	if lock == nil || lock.held == nil {
		return &Error{Op: "extend", Causes: []error{ErrNotHeld, errNil}}
	}
	return lock.held.Extend(ctx, expiration)
}

// Held is a lock that this process holds.
type Held struct {
	// Mutex is the definition's name, Key the Redis key.
	Mutex string
	Key   string
	// Until is the end of the lock's validity.
	Until time.Time
}
