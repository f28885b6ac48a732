package engine

import (
	"context"
	"errors"
	"time"
)

// Event is what a callback of a Trace is told. Which of the fields are set, beside Mutex and Key, each callback says.
type Event struct {
	// Mutex is the definition's name, Key the Redis key.
	Mutex, Key string
	// Op is what was asked of a node: acquire, raise (the second question of some acquires with a fencing token), extend,
	// release, exists. Node is the node's name, Answer what it said.
	Op, Node string
	Answer   Answer
	// Attempts is how often the nodes were asked for the lock.
	Attempts int
	// Took is how long it took, by the monotonic clock or, if that stood still meanwhile, the wall clock.
	Took time.Duration
	// Waited is how much of Took was spent waiting, in line or between attempts.
	Waited time.Duration
	// Held is how long the lock was held.
	Held time.Duration
	// Token is the lock's fencing token; zero without fencing.
	Token int64
	// Err is what it failed of: the error that the caller gets. Nil if it succeeded.
	Err error
}

// Trace is a set of callbacks that are told what an engine does. Any of them may be nil. They run in the middle of the
// operation, some while another goroutine waits for it: they should return soon, and must not panic, use the mutexes they
// are told about, or close them. Those that get a context get the caller's; in Synchronize, the one that the callback of
// that name returned.
type Trace struct {
	// Synchronize is called when a Synchronize begins. If the context that it returns is not nil, it takes the place of the
	// caller's: fn's derives from it. If the function that it returns is not nil, it is called at the end, with the error that the
	// caller gets; if fn panicked or called runtime.Goexit, so that the caller gets none, with one that says so.
	Synchronize func(ctx context.Context, mutex, key string) (context.Context, func(err error))
	// Attempt is called after each attempt of an acquire, with its number in Attempts, Took, and Err, which is nil if it got the
	// lock.
	Attempt func(ctx context.Context, e Event)
	// Vote is called with each node's answer to each question: Op, Node, Answer, Took and Err. It may come after the operation's
	// end, for a quorum's answers decide; and not at all for a question that was given up before it was sent.
	Vote func(e Event)
	// Waiting is called when an acquire begins to wait because the lock is held: Attempts and Took so far.
	Waiting func(ctx context.Context, e Event)
	// Acquired is called when an acquire got its lock: Attempts, Took, Waited, Token.
	Acquired func(ctx context.Context, e Event)
	// Refused is called when an acquire ended without a lock: Attempts, Took, Waited, Err.
	Refused func(ctx context.Context, e Event)
	// Extended is called when an ExtendLock ended: Took, Token, Err.
	Extended func(ctx context.Context, e Event)
	// Renewed is called when a renewal ended: Took, Token, Err. About its errors nobody else hears: it is tried again until the
	// lock is lost.
	Renewed func(e Event)
	// Released is called when a release ended: Took, Held, Token, Err. A release that failed leaves the key to its expiration.
	Released func(ctx context.Context, e Event)
	// Lost is called when a lock ended before it was released: Held, Token, Err.
	Lost func(e Event)
	// NodeOpened is called once for each node when the mutexes are opened. It is not connected to then.
	NodeOpened func(node string)
	// NodeDown is called when a node stops answering, NodeUp when it answers again.
	NodeDown func(node string, err error)
	NodeUp   func(node string)
	// NodeQuarantined is called when a node, asked for a lock, says that it does not vote yet for so long: it is new,
	// restarted, or its data was deleted. It is called once for each quarantine.
	NodeQuarantined func(node string, remaining time.Duration)
}

// errUnfinished is what the end of a Synchronize is traced with whose function never returned.
var errUnfinished = errors.New("mutex: the function panicked or ended its goroutine")

// And returns a trace whose callbacks call those of t, then those of other. Either may be nil.
func (t *Trace) And(other *Trace) *Trace {
	switch {
	case t == nil:
		return other
	case other == nil:
		return t
	}
	return &Trace{
		Synchronize:     synchronizeBoth(t.Synchronize, other.Synchronize),
		Attempt:         both2(t.Attempt, other.Attempt),
		Vote:            both1(t.Vote, other.Vote),
		Waiting:         both2(t.Waiting, other.Waiting),
		Acquired:        both2(t.Acquired, other.Acquired),
		Refused:         both2(t.Refused, other.Refused),
		Extended:        both2(t.Extended, other.Extended),
		Renewed:         both1(t.Renewed, other.Renewed),
		Released:        both2(t.Released, other.Released),
		Lost:            both1(t.Lost, other.Lost),
		NodeOpened:      both1(t.NodeOpened, other.NodeOpened),
		NodeDown:        both2(t.NodeDown, other.NodeDown),
		NodeUp:          both1(t.NodeUp, other.NodeUp),
		NodeQuarantined: both2(t.NodeQuarantined, other.NodeQuarantined),
	}
}

func both1[A any](f, g func(A)) func(A) {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(a A) { f(a); g(a) }
}

func both2[A, B any](f, g func(A, B)) func(A, B) {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(a A, b B) { f(a, b); g(a, b) }
}

func either[F any](f, g F, second bool) F {
	if second {
		return g
	}
	return f
}

type synchronizeTrace = func(context.Context, string, string) (context.Context, func(error))

// synchronizeBoth nests the second's context in the first's, and ends them the other way round.
func synchronizeBoth(f, g synchronizeTrace) synchronizeTrace {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(ctx context.Context, mutex, key string) (context.Context, func(error)) {
		outer, endOuter := f(ctx, mutex, key)
		if outer == nil {
			outer = ctx
		}
		inner, endInner := g(outer, mutex, key)
		if inner == nil {
			inner = outer
		}
		return inner, func(err error) {
			if endInner != nil {
				endInner(err)
			}
			if endOuter != nil {
				endOuter(err)
			}
		}
	}
}

// operations are the names of the ops in an Event.
var operations = [...]string{
	acquire: "acquire", queue: "acquire", handover: "acquire", raise: "raise", extend: "extend", release: "release", read: "exists",
}

// voted tells the trace of a node's answer, unless the question was never asked, or was in an earlier round.
func (r *round) voted(index int, answer reply) {
	vote := r.engine.trace.Vote
	if vote == nil || answer.answer == Unheard || answer.heard {
		return
	}
	e := Event{
		Mutex: r.mutex.settings.Name, Key: r.question.key, Op: operations[r.question.op], Node: r.nodes[index].name,
		Answer: answer.answer, Took: r.engine.clock.since(r.started), Err: answer.err,
	}
	if answer.answer == Quarantined {
		e.Err = remaining(answer.left)
	}
	vote(e)
}
