package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch is how many questions travel together at most. Larger batches gain nothing once the cost of a write is
// spread over this many, and hold up whoever stands at the end.
const maxBatch = 256

// call is one question on its way to one node.
type call struct {
	question *question
	asker    asker
	index    int // of the node among those asked
	reply    reply
	way      // a cluster's
}

// asker is whoever waits for the reply to a call.
type asker interface {
	// wanted is asked just before the call is sent. If it says no, the call isn't sent.
	wanted() bool
	// hear takes the reply. It is called exactly once for each call, and must not block. The call is the asker's again.
	hear(index int, r reply)
}

// lane is the way to one node. It has two streams, each with a connection of its own, of which the key of a question picks
// one; or one stream, see narrow. In a stream questions queue, one flusher sends what has gathered as one pipeline, and the
// next batch gathers meanwhile: one goroutine and one round trip serve however many callers there are, and no question
// overtakes one about the same key of an earlier batch. While the server works for one stream, the client does for another.
//
// When a connection fails, the flusher tries once whether the node still answers. If not, the lane is down: it fails
// every question at once and probes the node each reconnection interval.
type lane struct {
	transport transport
	// timeout is the budget for a batch; reconnection is the pause between two probes.
	timeout      time.Duration
	reconnection time.Duration
	// watch is told when the lane goes down, with the cause, and when it comes up, with nil.
	watch func(error)
	// yield lets others go first. It is runtime.Gosched, but in a test that is to come out the same again.
	yield func()
	// divert, of a cluster's lane, is shown each reply with an error: it returns what the asker is to hear instead, or true
	// if it has sent the call on. Recovered is told that a connection broke, and the node answers on another.
	divert    func(*call, reply) (reply, bool)
	recovered func()
	// recent are the releases that the last master carried out; nil if the node is always the same server.
	recent *lastReleases

	mu      sync.Mutex // guards what follows, and the streams
	streams []*stream
	// down is what callers hear while the node doesn't answer; nil when it does. Failing says that it is about to be set.
	down    *reply
	failing bool
	// owed are the releases that the node has still to carry out.
	owed []*debt
	// alarm wakes the lane for a probe or for releases owed; nil if nothing is planned. due is when.
	alarm *time.Timer
	due   time.Time
	// closed refuses every question; idle is closed once the last flusher has ended after that.
	closed bool
	idle   chan struct{}
}

// stream is one of a lane's connections, and the queue before it.
type stream struct {
	lane   *lane
	sender sender // the flusher's
	queue  []*call
	// spare is the buffer that the queue and the flusher take turns with.
	spare []*call
	// flushing says that the flusher is at work, or a caller in its place: see askAndWait. Who is has these to itself: own,
	// a batch of one, and suspicion, the reply that shows that a connection failed, if nobody has looked into it yet.
	flushing  bool
	own       [1]*call
	suspicion *reply
	// work wakes the flusher, which waits for it between two spells of work; nil as long as it was never needed.
	work chan struct{}

	turns sync.Mutex // guards what follows; not the lane's, for a connection is cut off under it
	// turn counts those of callers at the flusher's work; interrupted says that this one's connection was cut off.
	turn        uint64
	interrupted bool
}

func newLane(t transport, streams int, timeout, reconnection time.Duration, watch func(error)) *lane {
	l := &lane{transport: t, timeout: timeout, reconnection: reconnection, watch: watch, yield: runtime.Gosched}
	for range streams {
		l.streams = append(l.streams, &stream{lane: l, sender: t.sender()})
	}
	return l
}

// ask queues a call. It never blocks; if the node is down, the asker hears so before ask returns.
func (l *lane) ask(c *call) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.tell(c, reply{answer: Down, err: ErrClosed})
		return
	}
	if l.down != nil {
		r := *l.down
		l.mu.Unlock()
		c.asker.hear(c.index, r)
		return
	}
	l.queue(c)
	l.mu.Unlock()
}

// tell gives a call's asker the reply, unless somebody else is asked in the node's place.
func (l *lane) tell(c *call, r reply) {
	if l.divert != nil {
		if r.sentOn = c.hops > 0; r.err != nil {
			instead, sentOn := l.divert(c, r)
			if sentOn {
				return
			}
			r = instead
		}
	}
	c.asker.hear(c.index, r)
}

// askAndWait asks a call and returns once its asker has heard the reply. The caller does the flusher's work itself, which
// saves waking another goroutine and being woken by it, a good part of a round trip. It returns false, and has done
// nothing, if somebody is ahead, if there is no connection yet, or if ctx may end before a node's time budget does. Should
// ctx be cancelled, the connection is cut off: whoever waits must be able to leave.
func (l *lane) askAndWait(ctx context.Context, c *call) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < l.timeout {
		return false
	}
	l.mu.Lock()
	s := l.stream(c)
	if l.closed || l.down != nil || s.flushing || len(s.queue) > 0 || !s.sender.connected() {
		l.mu.Unlock()
		return false
	}
	s.flushing = true
	l.mu.Unlock()
	s.own[0] = c
	if ctx.Done() == nil {
		s.suspicion = s.exchange(s.own[:])
	} else {
		stop := context.AfterFunc(ctx, s.interrupter())
		s.suspicion = s.exchange(s.own[:])
		stop()
		if s.endTurn() {
			s.sender.reset() // the answer may have come just before
		}
	}
	s.own[0] = nil
	l.mu.Lock()
	if s.suspicion != nil || len(s.queue) > 0 {
		s.handOver()
	} else {
		s.end()
	}
	l.mu.Unlock()
	return true
}

// interrupter is a function that cuts the connection off if this turn of a caller at the flusher's work hasn't ended.
func (s *stream) interrupter() func() {
	s.turns.Lock()
	defer s.turns.Unlock()
	turn := s.turn
	return func() {
		s.turns.Lock()
		defer s.turns.Unlock()
		if s.turn == turn {
			s.interrupted = true
			s.sender.interrupt()
		}
	}
}

// endTurn ends the turn of a caller, and tells whether it was interrupted.
func (s *stream) endTurn() bool {
	s.turns.Lock()
	defer s.turns.Unlock()
	interrupted := s.interrupted
	s.interrupted = false
	s.turn++
	return interrupted
}

// stream is the one for a call.
func (l *lane) stream(c *call) *stream {
	return l.streams[c.question.hash%uint64(len(l.streams))]
}

// narrow leaves the lane one stream. It is for nodes that are asked together with others: these keep the client busy while
// one works, and a second stream would only make the batches smaller. It comes before the first question.
func (l *lane) narrow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = l.streams[:1]
}

// queue puts a call into its stream. l.mu is held.
func (l *lane) queue(c *call) {
	s := l.stream(c)
	s.queue = append(s.queue, c)
	s.start()
}

// start sets the flusher to work, unless it is. The lane's mu is held.
func (s *stream) start() {
	if s.flushing {
		return
	}
	s.flushing = true
	s.handOver()
}

// handOver gives the work to the flusher's goroutine. The lane's mu is held.
func (s *stream) handOver() {
	if s.work == nil {
		s.work = make(chan struct{}, 1)
		go s.run()
	}
	s.work <- struct{}{} // never blocks: whoever is not flushing has taken the last one
}

// run is the flusher's life: one goroutine, so that its stack has the depth it needs. It ends when work is closed.
func (s *stream) run() {
	for range s.work {
		s.lane.mu.Lock()
		probing := s.lane.down != nil
		s.lane.mu.Unlock()
		if probing {
			s.lane.probe(s)
		} else {
			s.flush()
		}
	}
}

// flush sends batch after batch until the queue is empty or the node is down.
func (s *stream) flush() {
	if failed := s.suspicion; failed != nil {
		s.suspicion = nil
		if !s.stillAnswers(s.lane.timeout) {
			s.goDown(*failed)
			return
		}
		s.lane.settleNow()
	}
	for {
		batch := s.next()
		if batch == nil {
			return
		}
		failed := s.exchange(batch)
		if s.recycle(batch) {
			s.lane.yield()
		}
		if failed == nil {
			continue
		}
		if !s.stillAnswers(s.lane.timeout) {
			s.goDown(*failed)
			return
		}
		s.lane.settleNow()
	}
}

// next takes the next batch from the queue. With nothing left to send it ends the flusher's work and returns nil.
func (s *stream) next() []*call {
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	if len(s.queue) == 0 {
		s.end()
		return nil
	}
	if len(s.queue) <= maxBatch {
		batch := s.queue
		s.queue, s.spare = s.spare[:0], nil
		return batch
	}
	batch := append(s.spare[:0], s.queue[:maxBatch]...)
	s.spare = nil
	rest := copy(s.queue, s.queue[maxBatch:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	return batch
}

// end marks the end of the flusher's work, to which it comes right after. The lane's mu is held.
func (s *stream) end() {
	s.flushing = false
	if s.lane.closed {
		s.lane.endStreams()
	}
}

// endStreams ends the flushers of a closed lane that have nothing to do any more. l.mu is held.
func (l *lane) endStreams() {
	for _, s := range l.streams {
		if s.flushing {
			return
		}
	}
	for _, s := range l.streams {
		if s.work != nil {
			close(s.work)
		}
	}
	close(l.idle)
}

// few is how many questions wait at most when a batch has come back for the flusher to let those go first who have just
// heard: what they ask next then travels together. With more in the queue there is enough to send, and the server would
// wait for nothing.
const few = 64

// recycle gives a batch's buffer back. It returns true if few questions wait.
func (s *stream) recycle(batch []*call) bool {
	clear(batch)
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	if s.spare == nil {
		s.spare = batch[:0]
	}
	return len(batch) > 1 && len(s.queue) < few
}

// exchange sends a batch, without the calls that nobody wants any more, and hands out the replies in order. It returns
// the reply that shows that the connection failed, nil if it did not.
func (s *stream) exchange(batch []*call) *reply {
	wanted := batch[:0:len(batch)]
	for _, c := range batch {
		if c.asker.wanted() {
			wanted = append(wanted, c)
		} else {
			c.asker.hear(c.index, reply{})
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	movements := s.lane.recent.movements()
	s.sender.exec(time.Now().Add(s.lane.timeout), wanted)
	s.lane.releaseAgain(s.lane.recent.note(movements, wanted))
	var failed *reply
	for _, c := range wanted {
		r := c.reply
		if r.broken && failed == nil {
			failed = &reply{answer: r.answer, err: r.err}
		}
		s.lane.tell(c, r)
	}
	return failed
}

// stillAnswers asks the node for a sign of life, on a new connection if the old one broke.
func (s *stream) stillAnswers(budget time.Duration) bool { return s.ping(budget) == nil }

func (s *stream) ping(budget time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	return s.sender.ping(ctx)
}

// goDown ends the flusher's work, fails what is queued and plans a probe.
func (s *stream) goDown(cause reply) {
	l := s.lane
	l.mu.Lock()
	if l.failing || l.down != nil { // another stream's flusher sees to it
		queue := s.queue
		s.queue = nil
		s.end()
		l.mu.Unlock()
		failAll(queue, cause)
		return
	}
	l.failing = true
	l.mu.Unlock()
	l.watch(cause.err) // at work still: what is reported keeps its order
	l.mu.Lock()
	l.down, l.failing = &cause, false
	var queue []*call
	for _, other := range l.streams {
		queue = append(queue, other.queue...)
		other.queue = nil
	}
	l.wakeIn(l.reconnection)
	s.end()
	l.mu.Unlock()
	failAll(queue, cause)
}

func failAll(queue []*call, cause reply) {
	for _, c := range queue {
		c.asker.hear(c.index, cause)
	}
}

// wakeIn plans to wake up after d, or sooner if that is planned already. l.mu is held.
func (l *lane) wakeIn(d time.Duration) {
	due := time.Now().Add(d)
	if l.closed || l.alarm != nil && l.due.Before(due) {
		return
	}
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.alarm, l.due = time.AfterFunc(d, l.wake), due
}

// wake probes a node that is down, and sends what is owed to one that is up.
func (l *lane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarm = nil
	if l.closed {
		return
	}
	if l.down != nil {
		l.streams[0].start()
		return
	}
	l.settle()
}

// probe is the work of a flusher of a lane that is down: the lane comes up if the node answers, or waits for the next
// probe.
func (l *lane) probe(s *stream) {
	err := s.ping(max(l.timeout, handshakeTimeout))
	up := err == nil
	if up {
		l.warm(s)
	}
	l.mu.Lock()
	if !up || l.closed {
		// What keeps the node down may be something else by now. That another dial was waited for says nothing of it.
		if !up && !errors.Is(err, redis.ErrPoolTimeout) {
			cause := interpretError(err, true)
			l.down = &reply{answer: cause.answer, err: cause.err}
		}
		l.forget(time.Now())
		l.wakeIn(l.reconnection)
		s.end()
		l.mu.Unlock()
		return
	}
	l.down = nil
	l.settleAll()
	l.mu.Unlock()
	l.watch(nil)
	s.flush()
}

// warm has the other streams connect too, while nobody waits for them: a handshake that takes longer than a batch may would
// only bring the lane down again.
func (l *lane) warm(probing *stream) {
	for _, s := range l.streams {
		l.mu.Lock()
		cold := s != probing && !s.flushing && !s.sender.connected() && !l.closed
		s.flushing = s.flushing || cold
		l.mu.Unlock()
		if cold {
			s.stillAnswers(max(l.timeout, handshakeTimeout))
			l.mu.Lock()
			s.end()
			l.mu.Unlock()
		}
	}
}

// isBusy tells whether questions are under way.
func (l *lane) isBusy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		if len(s.queue) > 0 || s.flushing && l.down == nil {
			return true
		}
	}
	return false
}

// close sees the queues through and ends the lane. Nothing is asked of it afterwards.
func (l *lane) close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	if l.alarm != nil {
		l.alarm.Stop()
		l.alarm = nil
	}
	l.idle = make(chan struct{})
	l.endStreams()
	l.mu.Unlock()
	<-l.idle
	l.transport.close()
}
