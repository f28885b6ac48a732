package templates

import (
	"fmt"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// releaseDoc is the doc of every ReleaseLock.
const releaseDoc = "ReleaseLock gives the lock back, also when ctx has ended already. The error is [mutex.ErrNotHeld] if the lock " +
	"was released before, has expired or is lost, and [mutex.ErrNoQuorum] if too few nodes could answer: then it ends by " +
	"itself when it expires."

// describe is the doc of a mutex's type.
func describe(m *definition.Mutex) string {
	subject := "It"
	doc := typeDoc(m.Name, m.Doc)
	if doc != "" {
		doc += "\n\n"
	} else {
		subject = m.Name
	}
	doc += fmt.Sprintf("%s locks the key %s on %s. A lock expires after %s unless it is extended; %s. Acquiring %s.",
		subject, onOneLine(m.Key.Template), where(m), durationText(m.Expiration), renewal(m), waiting(m))
	if m.Fencing {
		doc += " Each lock has a fencing token."
	}
	if m.Replicas > 0 {
		doc += fmt.Sprintf(" A server's vote counts once %s acknowledged the lock.", replicasOf(m.Replicas, "has", "have"))
	}
	if m.RestartGuard {
		doc += " A server that restarted has no vote until the locks that it may have forgotten have expired."
	}
	return doc
}

// where says on what a mutex's keys are locked.
func where(m *definition.Mutex) string {
	switch {
	case len(m.Cluster) > 1:
		return fmt.Sprintf("a quorum of the one of %d groups of servers that the key picks", len(m.Cluster))
	case len(m.Cluster) == 1:
		return quorumOf(len(m.Cluster[0]))
	case len(m.Servers) > 0:
		return quorumOf(len(m.Servers))
	}
	switch n := definition.NodeOf(m.URL); {
	case n.Master != "":
		return "the master that sentinels watch as " + onOneLine(n.Master)
	case len(n.Hosts) > 0:
		return "a Redis Cluster"
	default:
		return "one server"
	}
}

func replicasOf(n int, one, many string) string {
	if n == 1 {
		return "a replica of it " + one
	}
	return fmt.Sprintf("%d replicas of it %s", n, many)
}

func quorumOf(servers int) string {
	if servers == 1 {
		return "one server"
	}
	return fmt.Sprintf("a quorum of %d servers", servers)
}

// renewal says whether Synchronize extends its lock.
func renewal(m *definition.Mutex) string {
	switch {
	case !m.Renew:
		return "Synchronize does not extend it"
	case m.MaxHold > 0:
		return fmt.Sprintf("Synchronize extends it while its function runs, but holds it for no more than %s", durationText(m.MaxHold))
	default:
		return "Synchronize extends it while its function runs"
	}
}

func synchronizeDoc(m *definition.Mutex) string {
	lasting := "which it renews until fn has returned"
	switch {
	case !m.Renew:
		lasting = fmt.Sprintf("for up to %s", durationText(m.Expiration))
	case m.MaxHold > 0:
		lasting += fmt.Sprintf(", but for no more than %s", durationText(m.MaxHold))
	}
	token := ""
	if m.Fencing {
		token = " The lock's fencing token is [mutex.Token] of that ctx."
	}
	return fmt.Sprintf("Synchronize runs fn while it holds the lock, %s, then releases it, also when fn panics. The ctx of fn is "+
		"cancelled, with the cause [mutex.ErrLockLost], once the lock can no longer be relied on; the error is then fn's joined "+
		"with that one.%s If there is no lock to be had, fn does not run and the error is that of AcquireLock.", lasting, token)
}

func acquireDoc(m *definition.Mutex) string {
	renewed := ""
	if m.MaxHold > 0 {
		renewed = fmt.Sprintf(" within %s", durationText(m.MaxHold))
	}
	unacknowledged := ""
	if m.Replicas > 0 {
		unacknowledged = " or had it acknowledged by replicas in time"
	}
	quarantined := ""
	if m.RestartGuard {
		quarantined = " (and [mutex.ErrNodeQuarantined], if some restarted lately)"
	}
	return fmt.Sprintf("AcquireLock takes the lock for %s, or with [mutex.WithRenewal] until the caller releases it%s; it %s. "+
		"The error is [mutex.ErrAlreadyLocked] if someone else holds it, [mutex.ErrNoQuorum] if too few nodes could answer%s%s, "+
		"[mutex.ErrClosed] after Close, or that of ctx.", durationText(m.Expiration), renewed, waiting(m), unacknowledged, quarantined)
}

// waiting says what an acquire does while someone else holds the lock.
func waiting(m *definition.Mutex) string {
	switch {
	case m.Wait == definition.Forever:
		return "waits for a held lock until ctx ends"
	case m.Wait > 0:
		return fmt.Sprintf("waits up to %s for a held lock", durationText(m.Wait))
	case m.MaxRetry == 1:
		return "tries once more if the lock is held"
	case m.MaxRetry > 1:
		return fmt.Sprintf("tries up to %d times more if the lock is held", m.MaxRetry)
	default:
		return "does not wait for a held lock"
	}
}

func extendDoc(m *definition.Mutex) string {
	most := ""
	if m.RestartGuard {
		most = fmt.Sprintf(", which is %s at most", durationText(m.Expiration))
	}
	return fmt.Sprintf("ExtendLock makes the lock last for at least expiration from now%s; it never shortens it. The error is "+
		"[mutex.ErrNotHeld] if the lock was released, has expired or is lost, and [mutex.ErrNoQuorum] if too few nodes could "+
		"answer: then it expires when it would have anyway.", most)
}

// existsDoc is the doc of every ExistsLock.
const existsDoc = "ExistsLock reports whether anyone holds the lock. The answer may be outdated when it arrives: use it to show, " +
	"not to decide. The error is [mutex.ErrNoQuorum] if too few nodes could answer, or [mutex.ErrClosed] after Close."
