package engine

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// isReply tells whether err is what a server answered, rather than what befell the connection.
func isReply(err error) bool {
	var refused redis.Error
	return errors.As(err, &refused)
}

// interpretError reads the error of a command or, if it is that of a handshake, of the connection.
func interpretError(err error, handshake bool) reply {
	err = withoutArguments(err)
	var undialled *dialError
	var clusterMode *clusterModeError
	var standalone *standaloneError
	var refused redis.Error
	var network net.Error
	switch {
	case hasCode(err, "WRONGTYPE"):
		return reply{answer: WrongType}
	case errors.As(err, &clusterMode), errors.As(err, &standalone), hasCode(err, "NOAUTH", "WRONGPASS"):
		return reply{answer: Refused, err: err, broken: true}
	case errors.As(err, &refused):
		return reply{answer: Refused, err: err, broken: handshake}
	case errors.As(err, &undialled):
		answer := Down
		if undialled.timeout() {
			answer = Timeout
		}
		return reply{answer: answer, err: err, broken: true}
	case errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout), isStale(err):
		return reply{answer: Down, err: err, broken: true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return reply{answer: Timeout, err: err, broken: true, unknown: true}
	default:
		return reply{answer: Down, err: err, broken: true, unknown: true}
	}
}

// withoutArguments cuts from a server's error the arguments that it quotes: in a handshake the password is one.
func withoutArguments(err error) error {
	var refused redis.Error
	if !errors.As(err, &refused) {
		return err
	}
	text, _, quotes := strings.Cut(refused.Error(), ", with args beginning with:")
	if !quotes {
		return err
	}
	return &shortenedError{text}
}

// shortenedError is the beginning of a server's error.
type shortenedError struct{ text string }

func (e *shortenedError) Error() string { return e.text }
func (e *shortenedError) RedisError()   {}
