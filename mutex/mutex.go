// Package mutex is the runtime of the distributed mutexes that mutexgen generates: a lock on one Redis node, on a quorum
// of independent nodes, or on one of several such groups. An application calls the generated types; from this package it
// uses the errors, the options, Result and Synchronizer.
package mutex

import (
	"context"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Forever, given to WithWait, waits until the context ends. In a Definition it stands for a fencing memory without end, too.
const Forever = engine.Forever

// Synchronizer runs a function under a lock. Every mutex is one, a mutex with key parameters once For has bound them. It
// is what an application depends on that doesn't want to depend on a certain mutex.
type Synchronizer interface {
	Synchronize(ctx context.Context, fn func(ctx context.Context) error, options ...AcquireOption) error
}

// Result runs fn under a lock of s and returns what fn returns. The errors are those of Synchronize; if the lock was
// lost before fn returned, fn's result comes with ErrLockLost, and it is for the caller to decide what it is worth.
func Result[T any](ctx context.Context, s Synchronizer, fn func(ctx context.Context) (T, error), options ...AcquireOption) (T, error) {
	var result T
	if s == nil || fn == nil {
		return result, &Error{Op: "synchronize", Causes: []error{errNil}}
	}
	err := s.Synchronize(ctx, func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	}, options...)
	return result, err
}

// Mutex is a mutex at one key. M is the generated type of its definition, which keeps the locks of different mutexes
// apart.
type Mutex[M any] struct {
	opened *Opened
	key    Key
}

// Key is the Redis key that the mutex locks. It is an error if a parameter cannot stand in a key: an empty string, for
// instance.
func (m Mutex[M]) Key() (string, error) {
	return m.key.Render()
}

// AcquireLock gets the lock, waiting for one that is held as long as the definition or the options allow. It returns
// ErrAlreadyLocked if somebody else still holds it then, and ErrNoQuorum if too few nodes could answer: at once, unless it
// is waiting already, which outages don't end. If ctx ends first, it returns ctx's error joined with the one of those that
// applied last; after Close, ErrClosed.
//
// With a restart guard, too few nodes may be able to vote because they restarted or are new. That is ErrNoQuorum and
// ErrNodeQuarantined in one; a QuarantineError tells for how much longer. It is waited out if that is within the wait.
//
// The lock is the caller's to release. It lasts for its expiration, and longer only as the caller extends it, unless
// WithRenewal has it renewed.
func (m Mutex[M]) AcquireLock(ctx context.Context, options ...AcquireOption) (*Lock[M], error) {
	at, key, err := m.at("acquire")
	if err != nil {
		return nil, err
	}
	lock, err := at.Acquire(ctx, key, acquireOptions(options))
	if err != nil {
		return nil, err
	}
	return &Lock[M]{lock}, nil
}

// ReleaseLock releases a lock of this mutex; see the function ReleaseLock.
func (m Mutex[M]) ReleaseLock(ctx context.Context, lock *Lock[M]) error {
	return ReleaseLock(ctx, lock)
}

// ExtendLock extends a lock of this mutex; see the function ExtendLock.
func (m Mutex[M]) ExtendLock(ctx context.Context, lock *Lock[M], expiration time.Duration) error {
	return ExtendLock(ctx, lock, expiration)
}

// ExistsLock tells whether a quorum of nodes holds one owner's value now. It is advice: the next moment may differ. It
// returns ErrNoQuorum if too few nodes could answer to tell.
func (m Mutex[M]) ExistsLock(ctx context.Context) (bool, error) {
	at, key, err := m.at("exists")
	if err != nil {
		return false, err
	}
	return at.Exists(ctx, key)
}

// Synchronize runs fn under the lock. The errors of acquiring it are those of AcquireLock; then fn has not run.
//
// If the definition renews, the lock is kept for as long as fn runs, or as max_hold allows; otherwise it lasts for its
// expiration. The context that fn gets is cancelled, with cause ErrLockLost, the moment the lock is lost: when its validity
// ends, for whatever reason, or when a quorum of nodes holds another owner's value. Fn should return then, for somebody
// else may have the lock.
//
// The lock is released however fn ends, also by a panic, which goes on, or by runtime.Goexit. Synchronize returns fn's
// error, joined with ErrLockLost if the lock was lost before fn returned.
func (m Mutex[M]) Synchronize(ctx context.Context, fn func(ctx context.Context) error, options ...AcquireOption) error {
	at, key, err := m.at("synchronize")
	if err != nil {
		return err
	}
	return at.Synchronize(ctx, key, fn, acquireOptions(options))
}

// at is the engine's mutex and the rendered key, or why there is none.
func (m Mutex[M]) at(op string) (*engine.Mutex, string, error) {
	if m.opened == nil || m.opened.engine == nil {
		return nil, "", notOpened(op)
	}
	key, err := m.key.Render()
	if err != nil {
		return nil, "", &Error{Op: op, Mutex: m.opened.definition.Name, Causes: []error{err}}
	}
	return m.opened.engine, key, nil
}
