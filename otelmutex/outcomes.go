package otelmutex

// The outcomes of an acquire, values of mutex.outcome. Of several reasons the first here counts: what its context ended while
// the lock was another's was ended by the context.
const (
	gotLock = iota
	acquireClosed
	acquireDeadlineExceeded
	acquireCanceled
	acquireQuarantined
	acquireAlreadyLocked
	acquireNoQuorum
	acquireError // such as an expiration that cannot be
)

var acquireOutcomes = []string{
	gotLock: "acquired", acquireClosed: "closed", acquireDeadlineExceeded: "deadline_exceeded", acquireCanceled: "canceled",
	acquireQuarantined: "quarantined", acquireAlreadyLocked: "already_locked", acquireNoQuorum: "no_quorum", acquireError: "error",
}

func acquireOutcome(err error) int {
	if err == nil {
		return gotLock
	}
	switch c := causesOf(err); {
	case c.has(closed):
		return acquireClosed
	case c.has(deadlineExceeded):
		return acquireDeadlineExceeded
	case c.has(canceled):
		return acquireCanceled
	case c.has(quarantined):
		return acquireQuarantined
	case c.has(alreadyLocked):
		return acquireAlreadyLocked
	case c.has(noQuorum):
		return acquireNoQuorum
	}
	return acquireError
}

// The outcomes of an ExtendLock, and of a renewal, which only a quorum's answers decide on.
const (
	extended = iota
	extendNotHeld
	extendNoQuorum
	extendClosed
	extendDeadlineExceeded
	extendCanceled
	extendError
)

var (
	extendOutcomes = []string{
		extended: "extended", extendNotHeld: "not_held", extendNoQuorum: "no_quorum", extendClosed: "closed",
		extendDeadlineExceeded: "deadline_exceeded", extendCanceled: "canceled", extendError: "error",
	}
	renewOutcomes = []string{extended: "renewed", extendNotHeld: "not_held", extendNoQuorum: "no_quorum"}
)

func extendOutcome(err error) int {
	if err == nil {
		return extended
	}
	switch c := causesOf(err); {
	case c.has(closed):
		return extendClosed
	case c.has(notHeld):
		return extendNotHeld
	case c.has(deadlineExceeded):
		return extendDeadlineExceeded
	case c.has(canceled):
		return extendCanceled
	case c.has(noQuorum):
		return extendNoQuorum
	}
	return extendError
}

func renewOutcome(err error) int {
	switch {
	case err == nil:
		return extended
	case causesOf(err).has(notHeld):
		return extendNotHeld
	}
	return extendNoQuorum
}

// The outcomes of a release. The first three end a lock that was held until then.
const (
	released = iota
	releaseNotHeld
	releaseNoQuorum
	releaseLost     // it had been lost before
	releaseRepeated // it had been released before
	releaseClosed
	releaseError

	heldUntilReleased = releaseLost // the first of the others
)

var releaseOutcomes = []string{
	released: "released", releaseNotHeld: "not_held", releaseNoQuorum: "no_quorum", releaseLost: "lost",
	releaseRepeated: "repeated", releaseClosed: "closed", releaseError: "error",
}

func releaseOutcome(err error) int {
	if err == nil {
		return released
	}
	switch c := causesOf(err); {
	case c.has(closed): // which has lost the lock
		return releaseClosed
	case c.has(lockLost):
		return releaseLost
	case c.has(notHeld) && !c.has(voted): // of a lock that was released the nodes are not asked again
		return releaseRepeated
	case c.has(notHeld):
		return releaseNotHeld
	case c.has(noQuorum):
		return releaseNoQuorum
	}
	return releaseError
}
