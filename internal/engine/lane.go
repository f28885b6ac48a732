package engine

import (
	"context"
	"runtime"
	"sync"
	"time"
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
}

// asker is whoever waits for the reply to a call.
type asker interface {
	// wanted is asked just before the call is sent. If it says no, the call isn't sent.
	wanted() bool
	// hear takes the reply. It is called exactly once for each call, and must not block. The call is the asker's again.
	hear(index int, r reply)
}

// lane is the way to one node. Questions queue, one flusher sends what has gathered as one pipeline, and the next batch
// gathers meanwhile: one goroutine and one round trip serve however many callers there are, and no question overtakes
// one of an earlier batch.
//
// When the connection fails, the flusher tries once whether the node still answers. If not, the lane is down: it fails
// every question at once and probes the node each reconnection interval.
type lane struct {
	transport transport
	// timeout is the budget for a batch; reconnection is the pause between two probes.
	timeout      time.Duration
	reconnection time.Duration
	// watch is told when the lane goes down, with the cause, and when it comes up, with nil.
	watch func(error)

	mu    sync.Mutex // guards what follows
	queue []*call
	// spare is the buffer that the queue and the flusher take turns with.
	spare []*call
	// flushing says that the flusher is at work. It alone uses the transport.
	flushing bool
	// work wakes the flusher, which waits for it between two spells of work; nil as long as it was never needed.
	work chan struct{}
	// down is what callers hear while the node doesn't answer; nil when it does.
	down *reply
	// owed are the releases that the node has still to carry out.
	owed []*debt
	// alarm wakes the lane for a probe or for releases owed; nil if nothing is planned. due is when.
	alarm *time.Timer
	due   time.Time
	// closed refuses every question; idle is closed once the flusher has ended after that.
	closed bool
	idle   chan struct{}
}

func newLane(t transport, timeout, reconnection time.Duration, watch func(error)) *lane {
	return &lane{transport: t, timeout: timeout, reconnection: reconnection, watch: watch}
}

// ask queues a call. It never blocks; if the node is down, the asker hears so before ask returns.
func (l *lane) ask(c *call) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		c.asker.hear(c.index, reply{answer: Down, err: ErrClosed})
		return
	}
	if l.down != nil {
		r := *l.down
		l.mu.Unlock()
		c.asker.hear(c.index, r)
		return
	}
	l.queue = append(l.queue, c)
	l.startFlusher()
	l.mu.Unlock()
}

// startFlusher sets the flusher to work, unless it is. l.mu is held.
func (l *lane) startFlusher() {
	if l.flushing {
		return
	}
	l.flushing = true
	if l.work == nil {
		l.work = make(chan struct{}, 1)
		go l.run()
	}
	l.work <- struct{}{} // never blocks: whoever is not flushing has taken the last one
}

// run is the flusher's life: one goroutine, so that its stack has the depth it needs. It ends when work is closed.
func (l *lane) run() {
	for range l.work {
		l.mu.Lock()
		probing := l.down != nil
		l.mu.Unlock()
		if probing {
			l.probe()
		} else {
			l.flush()
		}
	}
}

// flush sends batch after batch until the queue is empty or the node is down.
func (l *lane) flush() {
	for {
		batch := l.next()
		if batch == nil {
			return
		}
		failed := l.exchange(batch)
		if len(batch) > 1 {
			// Whoever has just heard goes first: what they ask next then travels together.
			runtime.Gosched()
		}
		l.recycle(batch)
		if failed != nil && !l.stillAnswers(l.timeout) {
			l.goDown(*failed)
			return
		}
	}
}

// next takes the next batch from the queue. With nothing left to send it ends the flusher and returns nil.
func (l *lane) next() []*call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.endFlusher()
		return nil
	}
	if len(l.queue) <= maxBatch {
		batch := l.queue
		l.queue, l.spare = l.spare[:0], nil
		return batch
	}
	batch := append(l.spare[:0], l.queue[:maxBatch]...)
	l.spare = nil
	rest := copy(l.queue, l.queue[maxBatch:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return batch
}

// endFlusher marks the end of the flusher's work, to which it comes right after. l.mu is held.
func (l *lane) endFlusher() {
	l.flushing = false
	if l.closed {
		close(l.work)
		close(l.idle)
	}
}

// recycle gives a batch's buffer back.
func (l *lane) recycle(batch []*call) {
	clear(batch)
	l.mu.Lock()
	if l.spare == nil {
		l.spare = batch[:0]
	}
	l.mu.Unlock()
}

// exchange sends a batch, without the calls that nobody wants any more, and hands out the replies in order. It returns
// the reply that shows that the connection failed, nil if it did not.
func (l *lane) exchange(batch []*call) *reply {
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
	l.transport.exec(time.Now().Add(l.timeout), wanted)
	var failed *reply
	for _, c := range wanted {
		r := c.reply
		if r.broken && failed == nil {
			failed = &reply{answer: r.answer, err: r.err}
		}
		c.asker.hear(c.index, r)
	}
	return failed
}

// stillAnswers asks the node for a sign of life, on a new connection if the old one broke.
func (l *lane) stillAnswers(budget time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	return l.transport.ping(ctx) == nil
}

// goDown ends the flusher, fails what is queued and plans a probe.
func (l *lane) goDown(cause reply) {
	l.watch(cause.err) // as the flusher still: what is reported keeps its order
	l.mu.Lock()
	l.down = &cause
	queue := l.queue
	l.queue = nil
	l.wakeIn(l.reconnection)
	l.endFlusher()
	l.mu.Unlock()
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
		l.startFlusher()
		return
	}
	l.settle()
}

// probe is the flusher of a lane that is down: it comes up if the node answers, or waits for the next probe.
func (l *lane) probe() {
	up := l.stillAnswers(max(l.timeout, handshakeTimeout))
	l.mu.Lock()
	if !up || l.closed {
		l.forget(time.Now())
		l.wakeIn(l.reconnection)
		l.endFlusher()
		l.mu.Unlock()
		return
	}
	l.down = nil
	l.settleAll()
	l.mu.Unlock()
	l.watch(nil)
	l.flush()
}

// close sees the queue through and ends the lane. Nothing is asked of it afterwards.
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
	if !l.flushing {
		if l.work != nil {
			close(l.work)
		}
		close(l.idle)
	}
	l.mu.Unlock()
	<-l.idle
	l.transport.close()
}
