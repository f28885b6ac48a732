package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// notMasterError is that of a server that sentinels named, and that says it isn't the master.
type notMasterError struct{}

func (*notMasterError) Error() string { return "the server that the sentinels name is a replica" }

// replacedError is a server's refusal to write, because it was made a replica.
type replacedError struct{ err error }

func (e *replacedError) Error() string { return e.err.Error() }
func (e *replacedError) Unwrap() error { return e.err }

// unknownMasterError says what the sentinels answered instead of naming a master.
type unknownMasterError struct {
	master    string
	sentinels []string
	errs      []error // what befell each; nil where nothing was heard
	cause     error   // what ended the wait, if that did
}

func (e *unknownMasterError) Unwrap() error { return e.cause }

func (e *unknownMasterError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no sentinel names the master %s", e.master)
	for i, address := range e.sentinels {
		b.WriteString([]string{": ", ", "}[min(i, 1)])
		b.WriteString(address)
		switch err := e.errs[i]; {
		case err == nil:
			b.WriteString(" has not answered yet")
		case errors.Is(err, redis.Nil):
			b.WriteString(" knows no master of that name")
		default:
			b.WriteString(" (" + printable(err.Error()) + ")")
		}
	}
	return b.String()
}

// hint goes by the sentinel that can tell most: one that answered.
func (e *unknownMasterError) hint() string {
	for _, err := range e.errs {
		switch {
		case errors.Is(err, redis.Nil):
			return "check the master's name, which stands behind the hosts in the node's URL"
		case hasCode(err, "NOAUTH", "WRONGPASS"):
			return "sentinels have users and passwords of their own: sentinel_username and sentinel_password in the node's URL"
		case noPermission(err):
			return "the sentinels' user needs +sentinel|master, +sentinel|get-master-addr-by-name, +sentinel|sentinels, +subscribe with the channels, and +ping"
		case hasCode(err, "ERR"):
			return "this is no sentinel: a server is named by redis://, and sentinels listen on port 26379 as a rule"
		}
	}
	for _, err := range e.errs {
		if hint := tlsHint(err); hint != "" {
			return hint
		}
	}
	return "no sentinel can be reached; they listen on port 26379 as a rule"
}

// connectionHint says what to do about an error of a connection to a server or a sentinel.
func connectionHint(err error) string {
	var unknown *unknownMasterError
	var notMaster *notMasterError
	var replaced *replacedError
	var sentinelMode *sentinelModeError
	switch {
	case errors.As(err, &unknown):
		return unknown.hint()
	case errors.As(err, &notMaster), errors.As(err, &replaced):
		return "a failover is under way; it goes on when the sentinels name the new master"
	case errors.As(err, &sentinelMode):
		return "name the master that it watches over: redis+sentinel://host:26379/master-name"
	}
	return tlsHint(err)
}
