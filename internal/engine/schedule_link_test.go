package engine

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// link is the network between one process and one node. Every message on it takes a time of its own; its switches lose,
// delay and double what is sent. What it does with a question depends only on how many were asked on it before.
type link struct {
	schedule *schedule
	process  *process
	node     *simNode
	latency  time.Duration // one way, about
	random   *rand.Rand    // used by whoever asks, one at a time
	chance   *rand.Rand    // of messages; guarded by the node's mu

	mu sync.Mutex // guards what follows
	// lostTo and lostFrom cut one direction; what is sent to the node meanwhile is lost, or waits until the cut is mended.
	lostTo, lostFrom bool
	// flaky is the share of questions that something befalls.
	flaky float64
	// slow is what comes on top of the latency at most.
	slow time.Duration
	// stopped is a process that neither sends nor receives; what it does meanwhile waits.
	stopped bool
	// dead is a process that is gone.
	dead    bool
	waiting []func()
	// heard is when the last message arrived, so that the next comes after it.
	heard time.Time
}

func (l *link) sender() sender { return &linkSender{link: l} }
func (l *link) close() error   { return nil }

// fate is what becomes of a batch.
type fate struct {
	there, back time.Duration
	// lost is a batch that never arrives if its way is cut; unanswered one whose answer never does.
	lost, unanswered bool
	// again is when, unless zero, the batch arrives a second time.
	again time.Duration
}

func (l *link) fate() fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.random
	way := func() time.Duration {
		d := l.latency/2 + time.Duration(r.Int64N(int64(l.latency)))
		if extra := r.Int64N(int64(time.Second)); l.slow > 0 {
			d += time.Duration(extra) % l.slow
		}
		return d
	}
	f := fate{there: way(), back: way()}
	befallen, what := r.Float64() < l.flaky, r.IntN(8)
	f.lost = r.IntN(2) == 0
	late := time.Duration(r.Int64N(int64(l.schedule.late)))
	switch {
	case !befallen:
	case what < 2:
		f.unanswered = true
	case what < 4: // the question comes late
		f.there += late
		l.schedule.happened("late question")
	case what < 6: // its answer does
		f.back += late
		l.schedule.happened("late answer")
	case l.schedule.mayDouble:
		f.again = f.there + late
		l.schedule.happened("doubled question")
	}
	return f
}

// linkSender is a connection over a link, on which questions are asked.
type linkSender struct {
	*link
	cutOff chan struct{} // guarded by the link's mu; closed by an interruption of the batch under way
}

func (k *linkSender) connected() bool { return true }
func (k *linkSender) reset()          {}

func (k *linkSender) interrupt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.cutOff:
	default:
		close(k.cutOff)
	}
}

var errRefused = errors.New("connection refused")

// exec has a batch travel to the node and back.
func (k *linkSender) exec(deadline time.Time, batch []*call) {
	cutOff := make(chan struct{})
	k.mu.Lock()
	k.cutOff = cutOff
	k.mu.Unlock()
	fate := k.fate()
	down, lives := k.node.life()
	if down {
		time.Sleep(k.schedule.unique(min(fate.there+fate.back, max(time.Until(deadline), 0))))
		for _, c := range batch {
			c.reply = reply{answer: Down, err: errRefused, broken: true}
		}
		return
	}
	x := &exchange{link: k.link, lives: lives, fate: fate, answered: make(chan []reply, 1), questions: make([]question, len(batch))}
	for i, c := range batch {
		x.questions[i] = *c.question // whoever gives up may use the question again
	}
	k.send(fate.there, fate.lost, x.arrive)
	if fate.again > 0 {
		again := &exchange{link: k.link, lives: anyLife, questions: x.questions}
		k.send(fate.again, false, again.arrive)
	}
	timer := time.NewTimer(k.schedule.unique(time.Until(deadline)))
	defer timer.Stop()
	failed := reply{answer: Timeout, err: context.DeadlineExceeded, broken: true, unknown: true}
	select {
	case replies := <-x.answered:
		for i, c := range batch {
			c.reply = replies[i]
		}
		return
	case <-timer.C:
	case <-cutOff:
		failed.err = errors.New("interrupted")
	}
	for _, c := range batch {
		c.reply = failed
	}
}

// send has f called after d, when what was sent arrives, or later, if the way is cut and what is sent isn't lost.
func (l *link) send(d time.Duration, lost bool, f func()) {
	l.schedule.after(d, func() {
		l.mu.Lock()
		wait := l.stopped || l.lostTo
		gone := l.dead || l.lostTo && lost
		if wait && !gone {
			l.waiting = append(l.waiting, f)
		}
		l.mu.Unlock()
		if !wait && !gone {
			f()
		}
	})
}

// mend lets what waited arrive, if nothing keeps it any more.
func (l *link) mend(change func()) {
	l.mu.Lock()
	change()
	var waited []func()
	if !l.stopped && !l.lostTo {
		waited, l.waiting = l.waiting, nil
	}
	l.mu.Unlock()
	l.schedule.inTurn(waited)
}

// exchange is a batch on its way.
type exchange struct {
	link      *link
	lives     int // of the node when the connection was made
	fate      fate
	questions []question
	answered  chan []reply // nil if nobody hears
}

// anyLife is an exchange that survives the node, somewhere between.
const anyLife = -1

// arrive carries a batch out, as soon as the node moves.
func (x *exchange) arrive() {
	l := x.link
	if l.schedule.holdUp(l.node, x.arrive) {
		return
	}
	down, lives := l.node.life()
	if down || x.lives != anyLife && lives != x.lives {
		x.answer(nil)
		return
	}
	replies := make([]reply, len(x.questions))
	for _, o := range order {
		for i := range x.questions {
			if x.questions[i].op == o {
				replies[i] = l.node.answer(&x.questions[i])
			}
		}
	}
	l.node.mu.Lock()
	mute, cut := l.node.mute, l.node.cut
	l.node.cut = false
	l.node.mu.Unlock()
	switch {
	case mute || x.fate.unanswered:
		l.schedule.happened("lost answer")
	case cut:
		x.answer(nil)
	default:
		x.answer(replies)
	}
}

// answer has the replies travel back, or the news that the connection broke.
func (x *exchange) answer(replies []reply) {
	if x.answered == nil {
		return
	}
	if replies == nil {
		replies = slices.Repeat([]reply{{answer: Down, err: io.EOF, broken: true, unknown: true}}, len(x.questions))
	}
	l := x.link
	l.schedule.after(x.fate.back, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case l.lostFrom || l.dead:
		case l.stopped:
			l.waiting = append(l.waiting, func() { x.answered <- replies })
		default:
			x.answered <- replies
		}
	})
}

// life tells whether the node is down, and how often it was before.
func (n *simNode) life() (down bool, lives int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.down, n.lives
}

func (k *linkSender) ping(ctx context.Context) error {
	f := k.fate()
	k.node.mu.Lock()
	down, stuck := k.node.down, k.node.hung != nil || k.node.mute
	k.node.mu.Unlock()
	k.mu.Lock()
	stuck = stuck || k.lostTo || k.lostFrom || k.stopped || k.dead
	k.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	timer := time.NewTimer(k.schedule.unique(f.there + f.back))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if down {
		return errRefused
	}
	return nil
}

// subscribe opens a connection for messages. One over a link that is cut looks well to both sides, and is not.
func (l *link) subscribe(timeout time.Duration) subscription {
	s := l.node.subscribe(timeout).(*simSubscription)
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	s.dead = s.dead || l.isCut()
	s.post = func(e event) { // the node's mu is held
		if l.isCut() {
			s.dead = true
			return
		}
		at := l.schedule.unique(l.latency/2 + time.Duration(l.chance.Int64N(int64(l.latency))))
		if early := l.heard.Sub(time.Now().Add(at)); early >= 0 {
			at = l.schedule.unique(at + early + 1)
		}
		l.heard = time.Now().Add(at)
		time.AfterFunc(at, func() { s.arrive(e) })
	}
	return s
}

func (l *link) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lostTo || l.lostFrom || l.stopped || l.dead
}
