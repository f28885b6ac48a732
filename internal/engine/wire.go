package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// transport is the way to one node. The engine's only implementation is on go-redis; its tests have another.
type transport interface {
	// sender returns a new sender, which has a connection of its own.
	sender() sender
	// subscribe opens a connection for messages.
	subscribe(timeout time.Duration) subscription
	close() error
}

// sender carries questions to a node, a batch at a time, on one connection. But for interrupt, its methods are called by
// one goroutine at a time.
type sender interface {
	// exec asks the questions of the batch and fills in every call's reply, within the deadline.
	exec(deadline time.Time, batch []*call)
	// connected tells whether there is a connection; else the next batch has to wait for one.
	connected() bool
	// interrupt ends a batch under way soon. What was asked may have been heard, so the connection is lost with it.
	interrupt()
	// reset gives the connection up; the next batch gets a new one.
	reset()
	// ping returns nil if the server answered, if only with an error that passes or that a ping has no part in.
	ping(ctx context.Context) error
}

// wire is a transport on go-redis.
type wire struct {
	options *redis.Options
	// replicas is how many must have acknowledged what sets or extends a key.
	replicas int
	// hangUp ends dials under way.
	hangUp context.CancelFunc
	// listeners opens the connections for messages, which its pool has no part in.
	listeners *redis.Client
	senders   []*wireSender
	// sentinels name the master to whom the connections lead; nil if the server is always the same.
	sentinels *sentinels
	// inCluster says that the server is a member of a Redis Cluster.
	inCluster bool
}

func newWire(options *redis.Options, replicas int, hangUp context.CancelFunc) *wire {
	listening := *options
	// When the connection breaks, go-redis makes another one and greets the server as it receives, without a deadline of ours;
	// whoever wants to ask for a sign of life, or to close the subscription, waits for that.
	listening.ReadTimeout, listening.WriteTimeout = handshakeTimeout, handshakeTimeout
	return &wire{options: options, replicas: replicas, hangUp: hangUp, listeners: redis.NewClient(&listening)}
}

func (w *wire) close() error {
	w.hangUp()
	for _, s := range w.senders {
		s.client.Close()
	}
	return w.listeners.Close()
}

// wireSender is a sender on a go-redis client of its own, whose pool has one connection.
type wireSender struct {
	options  *redis.Options
	client   *redis.Client
	pipeline redis.Pipeliner
	// replicas must have acknowledged what a batch sets. Then a batch and its follow-ups have a session, a connection that is
	// not replaced unnoticed; sessions counts them.
	replicas int
	session  *redis.Conn
	sessions int
	// sentinels are the wire's.
	sentinels *sentinels
	// conn is the connection made last.
	conn atomic.Pointer[liveConn]
	// dialling says that a connection is being made, or failed to be.
	dialling atomic.Bool
	// ready says that the last batch went well, so that there is a connection for the next.
	ready    bool
	deadline deadline
	// apart says that the server's user may not do for several locks at once what it may do for one.
	apart bool
	// inCluster says that the server is a member of a cluster: a command may have keys of one slot only there.
	inCluster bool
	// What follows is the batch's: commands, and for each the calls that it asks for.
	commands []redis.Cmder
	asked    [][]*call
	sorted   []*call
	// What follows is made once and used for every batch.
	sets     []*setCommand
	guardeds []*guardedAcquire
	releases []*releaseCommand
}

func (w *wire) sender() sender {
	options := *w.options
	options.PoolSize = 1
	s := &wireSender{
		options: &options, apart: w.inCluster, inCluster: w.inCluster, replicas: w.replicas, sentinels: w.sentinels,
	}
	if dial := options.Dialer; dial != nil {
		options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			s.dialling.Store(true)
			conn, err := dial(ctx, network, address)
			if live, ok := conn.(*liveConn); ok {
				live.solicited.Store(true)
				s.dialling.Store(false)
				s.conn.Store(live)
			}
			return conn, err
		}
	}
	s.connect()
	w.senders = append(w.senders, s)
	return s
}

// connect makes a client. It makes no connection yet.
func (w *wireSender) connect() {
	w.client = redis.NewClient(w.options)
	w.pipeline = w.client.Pipeline()
	w.ready = false
	if w.session != nil {
		w.closeSession()
		w.openSession()
	}
}

func (w *wireSender) connected() bool { return w.ready }

func (w *wireSender) reset() {
	w.client.Close()
	w.connect()
}

func (w *wireSender) interrupt() {
	if conn := w.conn.Load(); conn != nil {
		conn.cutOff()
	}
}

// order is the one in which the questions of a batch are asked. Whoever releases goes before whoever acquires, so that
// the next owner needn't come twice. Nothing depends on the order in which they were put: an attempt that is being
// released asks for nothing else (see round.wanted), and those of different owners were under way at the same time.
var order = [...]op{handover, extend, release, acquire, queue, raise, read, notice}

// exec sends the batch as one pipeline: all its releases as one script call, all its extensions as another. Server, client
// and network have less to do then than with one each; a lock that fares alone is asked for alone in a second pipeline.
func (w *wireSender) exec(deadline time.Time, batch []*call) {
	w.commands, w.asked, w.sorted = w.commands[:0], w.asked[:0], w.sorted[:0]
	sets, guardeds, singles := 0, 0, 0
	for _, o := range order {
		first := len(w.sorted)
		for _, c := range batch {
			if c.question.op == o {
				w.sorted = append(w.sorted, c)
			}
		}
		calls := w.sorted[first:]
		for len(calls) > 0 {
			n := w.together(calls)
			var command redis.Cmder
			switch {
			case o == acquire && calls[0].question.isGuarded():
				command = w.guarded(guardeds, calls[0].question)
				guardeds++
			case o == acquire:
				command = w.set(sets, calls[0].question)
				sets++
			case o == release && n == 1 && (singles == 0 || w.inCluster) && calls[0].question.channel == "":
				command = w.releaseOne(singles, calls[0].question)
				singles++
			default:
				command = w.newCommand(calls[:n], false)
			}
			w.put(command, calls[:n:n])
			calls = calls[n:]
		}
	}
	if w.replicas > 0 {
		w.openSession()
		defer w.closeSession()
	}
	w.hear(w.send(deadline))
	session := w.sessions
	w.askAgain(deadline)
	if w.replicas > 0 {
		w.awaitReplicas(deadline, session)
	}
	clear(w.sorted)
	clear(w.asked)
	clear(w.commands)
}

// put adds a command to the batch, and to a server that is only about to serve the key, that it is meant.
func (w *wireSender) put(command redis.Cmder, calls []*call) {
	if calls[0].asking {
		w.commands = append(w.commands, redis.NewStatusCmd(context.Background(), "asking"))
		w.asked = append(w.asked, nil)
	}
	w.commands = append(w.commands, command)
	w.asked = append(w.asked, calls)
}

// together is how many of the calls, from the first on, one script call asks for. Whoever tells one waiter, instead of
// all, goes alone, and so does an extension with a safeguard.
func (w *wireSender) together(calls []*call) int {
	n := 0
	for n < len(calls) && !w.apart && mayTravelTogether(calls[n].question) {
		n++
	}
	return max(n, 1)
}

func mayTravelTogether(q *question) bool {
	return q.op == extend && !q.isGuarded() || q.op == release && q.channel == ""
}

// hear fills in the replies of what was asked; sent is what sending it returned.
func (w *wireSender) hear(sent error) {
	unsent := sent != nil && !w.answered()
	for i, command := range w.commands {
		calls := w.asked[i]
		if len(calls) == 0 {
			continue
		}
		if unsent {
			fill(calls, interpretError(sent, true))
			continue
		}
		if err := command.Err(); err != nil && (!errors.Is(err, redis.Nil) || calls[0].question.op != read) {
			if calls[0].asking && hasCode(err, "MOVED") && w.commands[i-1].Err() != nil {
				err = w.commands[i-1].Err() // that the server was not let know that it is meant
			}
			fill(calls, w.refused(interpretError(err, false)))
			continue
		}
		interpret(command, calls)
	}
}

func fill(calls []*call, r reply) {
	for _, c := range calls {
		c.reply = r
	}
}

// askAgain asks again: with the script itself where the server did not know it (after a restart, or a SCRIPT FLUSH); each
// by itself where several were asked together and the answer was an error; and for locks that were refused because their
// release comes only now. Each may bring about another, but none twice.
func (w *wireSender) askAgain(deadline time.Time) {
	for range 3 {
		again, denied := w.unsettled()
		if len(again) == 0 {
			return
		}
		w.commands, w.asked = w.commands[:0], w.asked[:0]
		for _, calls := range again {
			w.put(w.newCommand(calls, scriptUnknown(calls)), calls)
		}
		w.hear(w.send(deadline))
		if denied { // what was refused for several may be allowed for each
			w.apart = w.inCluster || slices.ContainsFunc(w.asked, func(calls []*call) bool { return calls[0].reply.answer != Refused || scriptUnknown(calls) })
		}
	}
}

func scriptUnknown(calls []*call) bool { return hasCode(calls[0].reply.err, "NOSCRIPT") }

// unsettled are the calls to ask again, by command. Denied says that the user may not do something for several locks.
func (w *wireSender) unsettled() (again [][]*call, denied bool) {
	var freed map[string]bool // keys that a release of the next round frees
	handing := false          // a handover comes only now, so the release of its next owner has come too soon
	for _, calls := range w.asked {
		if len(calls) == 0 {
			continue
		}
		before := len(again)
		first, o := &calls[0].reply, calls[0].question.op
		switch {
		case scriptUnknown(calls):
			again = append(again, calls)
			handing = handing || o == handover
		case len(calls) > 1 || o == release && handing:
			whole := len(calls) > 1 && first.answer == Refused && first.err != errTogether
			denied = denied || whole && noPermission(first.err)
			for i, c := range calls {
				early := o == release && handing && (c.reply.answer == Taken || c.reply.answer == Gone)
				if whole && !first.broken || c.reply.err == errTogether || early {
					again = append(again, calls[i:i+1])
				}
			}
		case (o == acquire || o == queue) && first.answer == Taken && freed[calls[0].question.key]:
			again = append(again, calls)
		}
		if o != release {
			continue
		}
		for _, calls := range again[before:] {
			if freed == nil {
				freed = make(map[string]bool)
			}
			for _, c := range calls {
				freed[c.question.key] = true
			}
		}
	}
	return again, denied
}

func (w *wireSender) send(deadline time.Time) (err error) {
	w.ready, err = w.sendSafely(deadline)
	return err
}

// sendSafely sends the commands and tells whether there is a connection now.
func (w *wireSender) sendSafely(deadline time.Time) (connected bool, err error) {
	defer w.catch(&err)
	for range 3 {
		ctx, cancel := w.within(deadline)
		err = w.sendOnce(ctx)
		cancel()
		if !isStale(err) {
			break
		}
		w.ready = false
		if w.session != nil {
			w.closeSession()
			w.openSession()
		}
		for _, command := range w.commands {
			command.SetErr(nil)
		}
	}
	return err == nil || isReply(err) && w.answered(), w.explain(err, w.commands...)
}

// sendOnce sends the commands. One command on a connection that is there needs no pipeline around it.
func (w *wireSender) sendOnce(ctx context.Context) error {
	if len(w.commands) == 1 && w.ready {
		if w.session != nil {
			return w.session.Process(ctx, w.commands[0])
		}
		return w.client.Process(ctx, w.commands[0])
	}
	if err := w.pipeline.BatchProcess(ctx, w.commands...); err != nil {
		return err
	}
	_, err := w.pipeline.Exec(ctx)
	return err
}

// isStale tells whether nothing was sent because the server had closed the connection; then there is no connection any
// more.
func isStale(err error) bool {
	if err == nil {
		return false
	}
	var stale *staleError
	return errors.As(err, &stale)
}

// answered tells whether some command has an error of its own. When a handshake is refused, go-redis returns the error
// for the batch and leaves each command without error, and without value.
func (w *wireSender) answered() bool {
	return slices.ContainsFunc(w.commands, func(c redis.Cmder) bool { return c.Err() != nil })
}

// within is a context for a batch.
func (w *wireSender) within(end time.Time) (context.Context, context.CancelFunc) {
	if !w.ready { // it is for dialling too
		return context.WithDeadline(context.Background(), end)
	}
	w.deadline.end = end
	return &w.deadline, func() {}
}

// deadline is a context for those who look only at its deadline: go-redis, once there is a connection, which gives it to
// the socket. context.WithDeadline would cost each batch a timer and five allocations for nothing.
type deadline struct{ end time.Time }

func (d *deadline) Deadline() (time.Time, bool) { return d.end, true }
func (d *deadline) Done() <-chan struct{}       { return nil }
func (d *deadline) Value(any) any               { return nil }

func (d *deadline) Err() error {
	if time.Now().Before(d.end) {
		return nil
	}
	return context.DeadlineExceeded
}

// catch makes a panic of go-redis's an error: it panics at lengths beyond all memory, which whatever else listens on a
// port may send. A pool doesn't get back the connection that was being greeted then, so the client is replaced.
func (w *wireSender) catch(err *error) {
	if r := recover(); r != nil {
		w.reset()
		*err = fmt.Errorf("the server's answer is none of a Redis: %v", r)
	}
}

func (w *wireSender) ping(ctx context.Context) (err error) {
	defer w.catch(&err)
	before := w.movements()
	err = w.client.Ping(ctx).Err()
	if err != nil && (w.movements() != before || isStale(err) && w.sentinels != nil) { // it went to the old master
		err = w.client.Ping(ctx).Err()
	}
	if hasCode(err, "NOPERM", "LOADING", "BUSY", "MASTERDOWN", "MISCONF") {
		return nil
	}
	return w.explain(err)
}
