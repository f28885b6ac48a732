package engine

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// op is one of the four things asked of a node.
type op uint8

const (
	acquire op = iota
	release
	extend
	read
)

// question is what one operation asks of every node alike. It is made once, and read by several lanes after that. It must
// not be copied: its arguments point into it, so that go-redis takes them without an allocation for each.
type question struct {
	op           op
	key          string
	owner        string // but for read
	milliseconds int64  // of the expiration, for acquire and extend
	// arguments are the command's; it has so many of them.
	arguments [6]any
	count     int
}

// put makes q a question; only then are its other methods of use.
func (q *question) put(o op, key, owner string, expiration time.Duration) {
	q.op, q.key, q.owner, q.milliseconds = o, key, owner, expiration.Milliseconds()
	switch o {
	case acquire:
		q.arguments, q.count = [6]any{"set", &q.key, &q.owner, "nx", "px", &q.milliseconds}, 6
	case release:
		q.arguments, q.count = [6]any{"evalsha", hashes[o], 1, &q.key, &q.owner}, 5
	case extend:
		q.arguments, q.count = [6]any{"evalsha", hashes[o], 1, &q.key, &q.owner, &q.milliseconds}, 6
	case read:
		q.arguments, q.count = [6]any{"get", &q.key}, 2
	}
}

func newQuestion(o op, key, owner string, expiration time.Duration) *question {
	q := new(question)
	q.put(o, key, owner, expiration)
	return q
}

// command is the command that asks q.
func (q *question) command(ctx context.Context) *redis.Cmd {
	return redis.NewCmd(ctx, q.arguments[:q.count]...)
}

// eval is the command that asks q by sending its script itself instead of the script's digest.
func (q *question) eval(ctx context.Context) *redis.Cmd {
	arguments := slices.Clone(q.arguments[:q.count])
	arguments[0], arguments[1] = "eval", sources[q.op]
	return redis.NewCmd(ctx, arguments...)
}

// transport carries questions to one node. The engine's only implementation is on go-redis; its tests have another.
type transport interface {
	// exec asks the questions of the batch in order and fills in every call's reply.
	exec(ctx context.Context, batch []*call)
	// ping returns nil if the server answered, if only with an error that passes or that a ping has no part in.
	ping(ctx context.Context) error
	close() error
}

//go:embed scripts/release.lua
var releaseSource string

//go:embed scripts/extend.lua
var extendSource string

var (
	sources = [...]string{release: releaseSource, extend: extendSource}
	// hashes are the scripts' digests, as arguments.
	hashes = [...]any{release: digest(releaseSource), extend: digest(extendSource)}
)

// digest is the name by which EVALSHA knows a script.
func digest(script string) string {
	sum := sha1.Sum([]byte(script))
	return hex.EncodeToString(sum[:])
}

// wire is a transport on a go-redis client.
type wire struct {
	options *redis.Options
	client  *redis.Client
	// hangUp ends dials under way.
	hangUp context.CancelFunc
}

func newWire(options *redis.Options, hangUp context.CancelFunc) *wire {
	return &wire{options: options, client: redis.NewClient(options), hangUp: hangUp}
}

func (w *wire) exec(ctx context.Context, batch []*call) {
	commands := make([]redis.Cmder, len(batch))
	for i, c := range batch {
		commands[i] = c.question.command(ctx)
	}
	err := w.send(ctx, commands)
	for i, c := range batch {
		c.reply = interpret(c.question.op, commands[i].(*redis.Cmd), err)
	}
	w.evalWhereUnknown(ctx, batch)
}

// evalWhereUnknown sends the scripts themselves for the calls whose server did not know them: after a restart, or a
// SCRIPT FLUSH. By then the rest of the batch has been carried out, so what depended on the order is put right: an
// acquire that met a lock whose release comes only now is asked again, and an extension is not made up for after the
// release of its lock, since it would set the key again.
func (w *wire) evalWhereUnknown(ctx context.Context, batch []*call) {
	var again []*call
	var commands []redis.Cmder
	var freed map[string]bool // keys that a release of the second round frees
	for i, c := range batch {
		q := c.question
		switch {
		case c.scriptUnknown() && q.op == extend && releasedLater(batch[i+1:], q):
			c.reply = reply{answer: Gone}
		case c.scriptUnknown():
			again = append(again, c)
			commands = append(commands, q.eval(ctx))
			if q.op == release {
				if freed == nil {
					freed = make(map[string]bool)
				}
				freed[q.key] = true
			}
		case q.op == acquire && c.reply.answer == Taken && freed[q.key] && !releasedLater(batch[i+1:], q):
			again = append(again, c)
			commands = append(commands, q.command(ctx))
		}
	}
	if len(again) == 0 {
		return
	}
	err := w.send(ctx, commands)
	for i, c := range again {
		c.reply = interpret(c.question.op, commands[i].(*redis.Cmd), err)
	}
}

func (c *call) scriptUnknown() bool { return hasCode(c.reply.err, "NOSCRIPT") }

// releasedLater tells whether one of the calls that follow has released the lock that q would extend or get.
func releasedLater(following []*call, q *question) bool {
	return slices.ContainsFunc(following, func(c *call) bool {
		return c.question.op == release && c.question.owner == q.owner && c.question.key == q.key && !c.scriptUnknown()
	})
}

func (w *wire) send(ctx context.Context, commands []redis.Cmder) (err error) {
	defer w.catch(&err)
	pipe := w.client.Pipeline()
	if err := pipe.BatchProcess(ctx, commands...); err != nil {
		return err
	}
	_, err = pipe.Exec(ctx)
	return err
}

// catch makes a panic of go-redis's an error: it panics at lengths beyond all memory, which whatever else listens on a
// port may send. A pool doesn't get back the connection that was being greeted then, so the client is replaced.
func (w *wire) catch(err *error) {
	if r := recover(); r != nil {
		w.client.Close()
		w.client = redis.NewClient(w.options)
		*err = fmt.Errorf("the server's answer is none of a Redis: %v", r)
	}
}

func (w *wire) ping(ctx context.Context) (err error) {
	defer w.catch(&err)
	err = w.client.Ping(ctx).Err()
	if hasCode(err, "NOPERM", "LOADING", "BUSY", "MASTERDOWN", "MISCONF") {
		return nil
	}
	return err
}

func (w *wire) close() error {
	w.hangUp()
	return w.client.Close()
}

// interpret reads a command's reply; sent is what sending its whole batch returned. Only what says yes in so many words
// is a yes: when a handshake fails, go-redis returns the error for the batch and leaves each command without error and
// without value.
func interpret(o op, c *redis.Cmd, sent error) reply {
	err := c.Err()
	switch {
	case err == nil && c.Val() == nil && sent == nil:
		return reply{answer: Refused, err: errors.New("the server sent no answer")}
	case err == nil && c.Val() == nil:
		return interpretError(sent, true)
	case errors.Is(err, redis.Nil) && o == read:
		return reply{answer: Gone}
	case errors.Is(err, redis.Nil):
		return reply{answer: Taken}
	case err != nil:
		return interpretError(err, false)
	}
	switch value := c.Val().(type) {
	case string:
		if o == read {
			return reply{answer: Granted, owner: value}
		}
		if o == acquire && value == "OK" {
			return reply{answer: Granted}
		}
	case int64:
		if o == release || o == extend {
			return reply{answer: scriptAnswer(value)}
		}
	}
	return reply{answer: Refused, err: errors.New("the server sent an answer that does not fit the question")}
}

func scriptAnswer(value int64) Answer {
	switch value {
	case 1:
		return Granted
	case 0:
		return Gone
	default:
		return Taken
	}
}

// interpretError reads the error of a command or, if it is that of a handshake, of the connection.
func interpretError(err error, handshake bool) reply {
	err = withoutArguments(err)
	var undialled *dialError
	var clusterMode *clusterModeError
	var refused redis.Error
	var network net.Error
	switch {
	case hasCode(err, "WRONGTYPE"):
		return reply{answer: WrongType}
	case errors.As(err, &clusterMode), hasCode(err, "NOAUTH", "WRONGPASS"):
		return reply{answer: Refused, err: err, broken: true}
	case errors.As(err, &refused):
		return reply{answer: Refused, err: err, broken: handshake}
	case errors.As(err, &undialled):
		answer := Down
		if undialled.timeout() {
			answer = Timeout
		}
		return reply{answer: answer, err: err, broken: true}
	case errors.Is(err, redis.ErrClosed), errors.Is(err, redis.ErrPoolTimeout):
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
	return &refusal{text}
}

// refusal is a server's error in our own words.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }
func (r *refusal) RedisError()   {}
