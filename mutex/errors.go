package mutex

import (
	"errors"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// What callers decide on. Compare with errors.Is: what the operations return is an *Error that wraps them.
var (
	// ErrAlreadyLocked says that somebody else holds the lock, after all the waiting that was allowed.
	ErrAlreadyLocked = engine.ErrAlreadyLocked
	// ErrNoQuorum says that too few nodes could answer.
	ErrNoQuorum = engine.ErrNoQuorum
	// ErrNotHeld says that the lock has been released, lost or deleted.
	ErrNotHeld = engine.ErrNotHeld
	// ErrLockLost says that a lock ended before it was released. It is the cause of the cancelled context in Synchronize.
	ErrLockLost = engine.ErrLockLost
	// ErrClosed says that the mutexes were closed, or never opened.
	ErrClosed = engine.ErrClosed
	// ErrNodeQuarantined says that too few nodes could vote because some had restarted, lost their data or were new, and
	// the definition has a restart guard. It comes with ErrNoQuorum. A QuarantineError tells how long it takes.
	ErrNodeQuarantined = engine.ErrNodeQuarantined
)

// QuarantineError is how ErrNodeQuarantined comes, and tells how long it takes until enough nodes vote again. Find it with
// errors.As, as a *QuarantineError.
type QuarantineError = engine.QuarantineError

// Error is what a failed operation returns. It says which operation on which mutex and key failed, wraps the causes (one
// of the errors above, and the context's if that ended the operation), and lists every node's answer. It never shows a
// password.
type Error = engine.Error

// Vote is one node's answer in an Error.
type Vote = engine.Vote

// Answer is what a node said: granted, taken, gone, wrong type, refused, timeout, down, quarantined, or not heard.
type Answer = engine.Answer

// Trace is a set of callbacks that are told what the mutexes of one Open do; see WithTrace.
type Trace = engine.Trace

// Event is what a callback of a Trace is told.
type Event = engine.Event

var errNil = errors.New("nil given")

// notOpened is the error of a mutex that no Open returned.
func notOpened(op string) error {
	return &Error{Op: op, Causes: []error{ErrClosed}, Hint: "the mutex was not opened: use what the generated Open returns"}
}
