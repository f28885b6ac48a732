package otelmutex

import (
	"context"

	"github.com/mutexgen/mutexgen/mutex"
)

// causes is what an error of the mutexes wraps, one bit each. One walk finds them all, where errors.Is would take one for
// each: contended mutexes refuse often.
type causes uint16

const (
	alreadyLocked causes = 1 << iota
	noQuorum
	quarantined
	notHeld
	lockLost
	closed
	canceled
	deadlineExceeded
	// voted says that nodes were asked.
	voted
)

func (c causes) has(other causes) bool { return c&other != 0 }

// causesOf walks the tree of err.
func causesOf(err error) (found causes) {
	switch err {
	case nil:
		return 0
	case mutex.ErrAlreadyLocked:
		return alreadyLocked
	case mutex.ErrNoQuorum:
		return noQuorum
	case mutex.ErrNodeQuarantined:
		return quarantined
	case mutex.ErrNotHeld:
		return notHeld
	case mutex.ErrLockLost:
		return lockLost
	case mutex.ErrClosed:
		return closed
	case context.Canceled:
		return canceled
	case context.DeadlineExceeded:
		return deadlineExceeded
	}
	switch e := err.(type) {
	case *mutex.Error:
		if e == nil {
			return 0
		}
		if len(e.Votes) > 0 {
			found = voted
		}
		for _, cause := range e.Causes {
			found |= causesOf(cause)
		}
	case *mutex.QuarantineError:
		found = quarantined
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			found |= causesOf(cause)
		}
	case interface{ Unwrap() error }:
		found = causesOf(e.Unwrap())
	}
	return found
}
