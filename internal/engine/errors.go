package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a caller decides on. Package mutex documents and exports them.
var (
	ErrAlreadyLocked = errors.New("mutex: already locked")
	ErrNoQuorum      = errors.New("mutex: no quorum")
	ErrNotHeld       = errors.New("mutex: lock not held")
	ErrLockLost      = errors.New("mutex: lock lost")
	ErrClosed        = errors.New("mutex: closed")

	// ErrNodeQuarantined is what a QuarantineError is.
	ErrNodeQuarantined = errors.New("mutex: node quarantined")
)

// QuarantineError says that too few nodes could vote because some were in the quarantine of the restart guard.
type QuarantineError struct {
	// Remaining is how long it takes until so many of them have left it that there can be a quorum.
	Remaining time.Duration
}

func (e *QuarantineError) Error() string {
	return fmt.Sprintf("node quarantined: a quorum can vote in %v", e.Remaining.Round(time.Millisecond))
}

func (e *QuarantineError) Is(target error) bool { return target == ErrNodeQuarantined }

// Error is what a failed operation returns. It wraps its causes, so errors.Is finds them.
type Error struct {
	// Op is what failed: acquire, release, extend, exists, synchronize.
	Op string
	// Mutex is the definition's name, Key the Redis key.
	Mutex string
	Key   string
	// Causes are the sentinel that the operation failed with and, if the context ended it, the context's error first.
	Causes []error
	// Votes are the nodes' answers to the last question asked; empty if none was asked.
	Votes []Vote
	// Hint says what to do about it, where that is known; else it is empty.
	Hint string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Mutex != "" {
		b.WriteString(" " + e.Mutex)
	}
	if e.Key != "" {
		b.WriteString(" (key " + strconv.Quote(e.Key) + ")")
	}
	for i, cause := range e.Causes {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(strings.TrimPrefix(cause.Error(), "mutex: "))
	}
	if len(e.Votes) > 0 {
		votes := make([]string, len(e.Votes))
		for i, vote := range e.Votes {
			votes[i] = vote.String()
		}
		fmt.Fprintf(&b, " [%s]", strings.Join(votes, "; "))
	}
	if e.Hint != "" {
		b.WriteString("; hint: " + e.Hint)
	}
	return b.String()
}

func (e *Error) Unwrap() []error { return e.Causes }
