// Package rival is every other library that locks a key of Redis as we do, behind one interface: the real one in this
// process or in one of its own language, or, where it cannot be had, the commands that it was seen to send.
package rival

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/interop/arbiter"
)

var (
	// ErrTaken is a refusal: somebody else has the lock.
	ErrTaken = errors.New("taken")
	// ErrNotHeld says that the lock is no longer the holder's.
	ErrNotHeld = errors.New("not held")
)

// Library is one of them.
type Library struct {
	Name string
	// Quorum is true of those that lock on several nodes, too; Extends and Releases are false of those that cannot do
	// that, and Tells of those that don't say when a release came too late.
	Quorum, Extends, Releases, Tells bool
	// Key is the key that it makes of a name.
	Key func(name string) string
	// Open connects it to nodes. It ends with the test.
	Open func(t testing.TB, urls ...string) Locker
}

// Locker is a library, connected.
type Locker interface {
	// Acquire asks for all of the keys, once.
	Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error)
	// Contend has several workers acquire and release the keys, waiting for them in the library's own way, until the
	// arbiter has seen enough. The holders' own process tells the arbiter.
	Contend(ctx context.Context, c Contest) error
}

// Lock is one that a rival holds.
type Lock interface {
	Release(ctx context.Context) error
	Extend(ctx context.Context, expiration time.Duration) error
}

// Side is what the arbiter calls the rivals.
const Side = "theirs"

// Contest is what Contend is about.
type Contest struct {
	Arbiter    *arbiter.Arbiter
	Keys       []string // to lock
	Witnessed  []string // what they are called at the arbiter
	Workers    int
	Expiration time.Duration
	// Retry is how long to wait for a held lock between two attempts, about, and Pause the longest between a release and
	// the next attempt.
	Retry, Pause time.Duration
}

// Contend is a worker's part in a contest: it acquires, holds and releases until the arbiter has seen enough. Acquire
// waits for a held lock.
func Contend(ctx context.Context, c Contest, side string, acquire func() (release func() error, err error)) error {
	for more := true; more; {
		release, err := acquire()
		if err != nil {
			return err
		}
		more, err = c.Arbiter.Hold(ctx, side, c.Witnessed...)
		if err := errors.Join(err, release()); err != nil {
			return err
		}
		if err := rest(ctx, rand.N(c.Pause+1)); err != nil {
			return err
		}
	}
	return nil
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// inParallel runs work so many times at once, and returns all errors. The first ends the others.
func inParallel(ctx context.Context, workers int, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			err := work(ctx)
			if err != nil {
				cancel(err)
			}
			errs <- err
		}()
	}
	var all error
	for range workers {
		all = errors.Join(all, <-errs)
	}
	return all
}

// asIs is Key of those that lock the name itself.
func asIs(name string) string { return name }
