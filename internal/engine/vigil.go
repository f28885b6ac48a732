package engine

import (
	"errors"
	"sync"
	"time"
)

// errTimeUp ends a round whose budget is spent. It never reaches a caller: see round.outcome.
var errTimeUp = errors.New("time is up")

// vigils watch the rounds whose outcome somebody waits for, and give them up when their time is up, or when the engine
// closes. Rounds of the same budget run out of time in the order in which they began, so one queue and one timer, set only
// for its head and not for each round, watch them all.
type vigils struct {
	clock *clock

	mu     sync.Mutex // guards what follows, and the rounds' before, after and vigil
	queues map[time.Duration]*vigil
	// last is the queue that was used last: mostly there is only one.
	last   *vigil
	closed bool
}

// vigil is the queue for one budget.
type vigil struct {
	budget      time.Duration
	first, last *round
	timer       *time.Timer
	// set says that the timer runs. It is not stopped when the queue empties: the next round may come soon.
	set bool
}

// watch has r given up in time.
func (v *vigils) watch(r *round) {
	v.mu.Lock()
	if v.closed && r.question.op != release {
		v.mu.Unlock()
		r.giveUp(ErrClosed)
		return
	}
	q := v.last
	if q == nil || q.budget != r.budget {
		q = v.queue(r.budget)
		v.last = q
	}
	r.vigil = q
	r.before, r.after = q.last, nil
	if q.last == nil {
		q.first = r
	} else {
		q.last.after = r
	}
	q.last = r
	if !q.set {
		q.set = true
		if q.timer == nil {
			q.timer = time.AfterFunc(r.budget, func() { v.expire(q) })
		} else {
			q.timer.Reset(r.budget)
		}
	}
	v.mu.Unlock()
}

// queue is the one for a budget. v.mu is held.
func (v *vigils) queue(budget time.Duration) *vigil {
	q := v.queues[budget]
	if q == nil {
		if v.queues == nil {
			v.queues = make(map[time.Duration]*vigil)
		}
		q = &vigil{budget: budget}
		v.queues[budget] = q
	}
	return q
}

// forget ends the watch over r.
func (v *vigils) forget(r *round) {
	v.mu.Lock()
	if r.vigil != nil {
		v.remove(r.vigil, r)
	}
	v.mu.Unlock()
}

// remove takes r from its queue. v.mu is held.
func (v *vigils) remove(q *vigil, r *round) {
	if r.before == nil {
		q.first = r.after
	} else {
		r.before.after = r.after
	}
	if r.after == nil {
		q.last = r.before
	} else {
		r.after.before = r.before
	}
	r.before, r.after, r.vigil = nil, nil, nil
}

// expire gives up the rounds of a queue whose time is up.
func (v *vigils) expire(q *vigil) {
	var late []*round
	v.mu.Lock()
	now := v.clock.now()
	for q.first != nil && now.since(q.first.started) >= q.budget {
		late = v.take(late, q, q.first)
	}
	if q.first != nil {
		q.timer.Reset(q.budget - now.since(q.first.started))
	} else {
		q.set = false
	}
	v.mu.Unlock()
	giveUp(late, errTimeUp)
}

// close gives up all rounds but releases, now and from now on.
func (v *vigils) close() {
	var open []*round
	v.mu.Lock()
	v.closed = true
	for _, q := range v.queues {
		for r := q.first; r != nil; {
			next := r.after
			if r.question.op != release {
				open = v.take(open, q, r)
			}
			r = next
		}
	}
	v.mu.Unlock()
	giveUp(open, ErrClosed)
}

// take removes r and keeps it from being used again until it is given up. v.mu is held.
func (v *vigils) take(taken []*round, q *vigil, r *round) []*round {
	v.remove(q, r)
	r.needed.Add(1)
	return append(taken, r)
}

func giveUp(rounds []*round, why error) {
	for _, r := range rounds {
		r.giveUp(why)
		r.done()
	}
}
