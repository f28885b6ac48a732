package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// mustLast tells whether what the op does must outlive a failover: then a node's vote counts only once so many replicas know
// of it as its mutex asks for. An extension must, for a replica that doesn't know of it forgets the lock too soon; and so must
// a counter, or a token would be handed out twice.
func (o op) mustLast() bool { return o.acquires() || o == extend || o == raise }

// keeps tells whether the node did what must last.
func (c *call) keeps() bool {
	answer, o := c.reply.answer, c.question.op
	return o.mustLast() && (answer == Granted || answer == Gone && o == handover)
}

// openSession pins a connection: Redis knows by the connection what is to be waited for, and go-redis replaces one without
// saying so.
func (w *wireSender) openSession() {
	w.session = w.client.Conn()
	w.sessions++
	w.pipeline = w.session.Pipeline()
}

func (w *wireSender) closeSession() {
	w.session.Close()
	w.session = nil
	w.pipeline = w.client.Pipeline()
}

// awaitReplicas waits until the replicas know of what the batch set, and takes the votes of which too few do. Session is the
// one in which the batch was sent. It asks for that only where something was set, and after it, not along with it: Redis
// would wait for whatever was written before, and hold up those that were refused.
func (w *wireSender) awaitReplicas(deadline time.Time, session int) {
	needed := false
	for _, c := range w.sorted {
		needed = needed || c.keeps()
	}
	if !needed {
		return
	}
	short := reply{answer: Refused}
	wait := redis.NewIntCmd(context.Background(), "wait", w.replicas, replicasTimeout(time.Until(deadline)).Milliseconds())
	w.commands = append(w.commands[:0], wait)
	sent := w.send(deadline)
	switch err := wait.Err(); {
	case session != w.sessions: // another connection, which has written nothing
		short.err = errSessionLost
	case err != nil:
		short = interpretError(err, false)
	case sent != nil:
		short = interpretError(sent, true)
	case wait.Val() < int64(w.replicas):
		short.err = &replicasError{got: wait.Val(), want: w.replicas}
	default:
		return
	}
	short.unacknowledged, short.unknown = true, true // so it is released
	for _, c := range w.sorted {
		if c.keeps() {
			c.reply = short
		}
	}
}

// serverTick is how late a server may notice that it has waited long enough: when nothing else happens, it looks ten times
// a second.
const serverTick = 110 * time.Millisecond

// replicasTimeout is how long the server may wait for replicas so that its word comes within budget, or mostly so if that is
// short; if it doesn't, the connection is given up, which is as safe. It is at least a millisecond, for none would be for ever.
func replicasTimeout(budget time.Duration) time.Duration {
	return max(budget-max(budget/4, min(serverTick, budget/2)), time.Millisecond)
}

var errSessionLost = errors.New("the connection broke before the replicas acknowledged")

// replicasError says that too few replicas acknowledged in time what a node did.
type replicasError struct {
	got  int64
	want int
}

func (e *replicasError) Error() string {
	return fmt.Sprintf("acknowledged by %d of the %d replicas that are asked for", e.got, e.want)
}
