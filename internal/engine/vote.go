package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"
)

// Answer is what one node said to one question.
type Answer uint8

const (
	// Unheard: the outcome was clear before the node answered.
	Unheard Answer = iota
	// Granted: the node set, extended or deleted the key as asked.
	Granted
	// Taken: another owner's value stands at the key.
	Taken
	// Gone: nothing stands at the key.
	Gone
	// WrongType: the key holds something that is not a string; another library's lock, perhaps.
	WrongType
	// Refused: the server answered with an error, such as NOPERM or LOADING.
	Refused
	// Timeout: no answer came within the node's time budget.
	Timeout
	// Down: the node cannot be reached, or the connection broke off.
	Down
	// Quarantined: the node may have lost its data, and does not vote until every lock that it may have forgotten has
	// expired.
	Quarantined
)

var answerNames = [...]string{"not heard", "granted", "taken", "gone", "wrong type", "refused", "timeout", "down", "quarantined"}

func (a Answer) String() string {
	if int(a) < len(answerNames) {
		return answerNames[a]
	}
	return fmt.Sprintf("Answer(%d)", uint8(a))
}

// Vote is one node's answer, as an Error reports it.
type Vote struct {
	// Node is the node's address, without credentials.
	Node   string
	Answer Answer
	// Err is what the server or the network said; nil if the answer says it all.
	Err error
}

func (v Vote) String() string {
	if v.Err == nil {
		return v.Node + ": " + v.Answer.String()
	}
	return fmt.Sprintf("%s: %s: %s", v.Node, v.Answer, printable(v.Err.Error()))
}

// printable takes the control characters from what a server sent: it ends up in logs and on terminals.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// reply is a node's answer as the engine needs it.
type reply struct {
	answer Answer
	err    error
	// owner is the owner value that a read found, or that a queued acquire was refused for; left is the time that is left
	// of the latter's expiration, or of the node's quarantine.
	owner string
	left  time.Duration
	// counter is the fencing counter after the question was carried out, and seconds the node's clock, in seconds since
	// 1970. They come with a granted acquire or handover under fencing; after a raise there is only the counter.
	counter, seconds int64
	// blind says that the node doesn't let its uptime be read, so that its quarantine may miss a restart.
	blind bool
	// awaited says that somebody heard of the release who listens to the key.
	awaited bool
	// unacknowledged says that the node did as asked, but too few replicas have said that they know.
	unacknowledged bool
	// unknown says that the question may have reached the node although no answer did: it may have been carried out, or
	// may yet be.
	unknown bool
	// broken says that the connection failed, or was never made, so that the next question needs a new one.
	broken bool
	// sentOn says that a cluster's master had sent the question on to another.
	sentOn bool
	// heard tells a reply from none.
	heard bool
}

// permanent tells whether asking again would be answered the same way until somebody mends the configuration.
func (r reply) permanent() bool {
	if r.err == nil {
		return false
	}
	var clusterMode *clusterModeError
	var standalone *standaloneError
	return errors.As(r.err, &clusterMode) || errors.As(r.err, &standalone) || noPermission(r.err) || hasCode(r.err, "NOAUTH", "WRONGPASS", "MOVED", "CROSSSLOT")
}

// noPermission tells whether a server's user may not do what was asked. Of a command in a script, Redis 7.0 says so
// without a code.
func noPermission(err error) bool {
	return hasCode(err, "NOPERM") || hasCode(err, "ERR") && strings.Contains(err.Error(), "user executing the script can't")
}

// hasCode tells whether err is, or wraps, an error reply of a server that starts with one of the codes.
func hasCode(err error, codes ...string) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	for _, c := range codes {
		if code == c {
			return true
		}
	}
	return false
}

// hint says what to do about an error of a node, where that is known.
func hint(err error) string {
	var clusterMode *clusterModeError
	var skewed *skewError
	var standalone *standaloneError
	var unsettled *clusterError
	var lonely *replicasError
	switch {
	case err == nil:
		return ""
	case connectionHint(err) != "":
		return connectionHint(err)
	case errors.As(err, &clusterMode), hasCode(err, "MOVED", "CROSSSLOT", "CLUSTERDOWN"):
		return "the server runs in cluster mode; url and servers name independent servers"
	case errors.As(err, &standalone):
		return "cluster mode is off on that server: use redis://, or rediss:// for TLS"
	case errors.As(err, &unsettled):
		return "the cluster is moving the key's slot, has no master for it, or is still being set up; CLUSTER INFO and CLUSTER SLOTS tell which"
	case noPermission(err):
		return "the server's user may not do this: go tool mutexgen acl prints the ACL rule that it needs"
	case errors.As(err, &skewed):
		return fmt.Sprintf("fencing tokens begin with the servers' clocks: keep them, and this machine's, within %v of each other", MaxSkew)
	case errors.As(err, &lonely):
		return "see that as many replicas as the definition asks for are connected and keep up (INFO replication), or lower replicas"
	case hasCode(err, "NOAUTH", "WRONGPASS"):
		return "check the user and the password in the node's URL"
	case hasCode(err, "READONLY"):
		return "the server is a replica; name the master"
	case hasCode(err, "LOADING"):
		return "the server is still loading its data; it answers when it has done so"
	case hasCode(err, "OOM"):
		return "the server reached its maxmemory; give it more, or an eviction policy that spares locks"
	case hasCode(err, "MISCONF"):
		return "the server cannot write its data to disk and so refuses writes"
	}
	return ""
}

// timeoutError says how long a node was given.
type timeoutError struct {
	budget time.Duration
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.budget)
}
