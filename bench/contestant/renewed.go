package contestant

import (
	"context"

	"github.com/mutexgen/mutexgen/bench/locks"
	"github.com/mutexgen/mutexgen/mutex"
)

// Renewing is a library whose locks are renewed until they are released.
type Renewing interface {
	Hold(ctx context.Context, key string) (Held, error)
	Close()
}

// Held is a lock that is being renewed.
type Held interface {
	// Lost says that it was lost since.
	Lost() bool
	Release(ctx context.Context) error
}

// OursRenewing is this library, renewing.
func OursRenewing(use Use) (Renewing, error) {
	opened, err := OpenOurs(use)
	if err != nil {
		return nil, err
	}
	return &oursRenewing{opened}, nil
}

type oursRenewing struct{ locks *locks.Mutexes }

func (o *oursRenewing) Hold(ctx context.Context, key string) (Held, error) {
	lock, err := o.locks.Renewed.AcquireLock(ctx, key, mutex.WithRenewal())
	if err != nil {
		return nil, err
	}
	return oursHeld{lock}, nil
}

func (o *oursRenewing) Close() { o.locks.Close() }

// oursHeld is no more than the pointer that the library returned: the lock's memory is measured.
type oursHeld struct{ lock *locks.RenewedLock }

func (h oursHeld) Lost() bool                        { return h.lock.Err() != nil }
func (h oursHeld) Release(ctx context.Context) error { return mutex.ReleaseLock(ctx, h.lock) }

// RueidislockRenewing is rueidislock, which always renews.
func RueidislockRenewing(v Variant, use Use) (Renewing, error) {
	opened, err := v.Open(use)
	if err != nil {
		return nil, err
	}
	return opened.(*rueidislockLocks), nil
}
