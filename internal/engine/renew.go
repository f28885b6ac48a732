package engine

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// renewals is the one schedule for all locks that are renewed: a heap on the time when each is due, and one timer for the
// first. Those due at about the same time travel together. A lock's end does not depend on it: that is its alarm's.
type renewals struct {
	clock *clock

	mu    sync.Mutex // guards what follows, and the renewals' places
	queue renewalHeap
	timer *time.Timer
	// set is what the timer is set to; zero if it isn't.
	set    time.Duration
	closed bool
}

// renewal is a lock's place in the schedule.
type renewal struct {
	lock       *Lock
	expiration time.Duration
	// place is the one in the schedule's heap, -1 outside.
	place int
	// last says that the lock lasts until max_hold, beyond which it is not renewed. It is guarded by the lock's mu.
	last bool
}

// renew has the lock extended again and again until it ends.
func (l *Lock) renew() {
	l.mu.Lock()
	if l.renewal != nil || l.err != nil {
		l.mu.Unlock()
		return
	}
	r := &renewal{lock: l, expiration: l.expiration, place: -1}
	l.renewal = r
	l.mu.Unlock()
	l.mutex.engine.renewals.add(r, l.since.mono+r.interval())
}

// interval is the time between two renewals: a third of the expiration, less a random part so that locks acquired at once
// aren't renewed at once for ever.
func (r *renewal) interval() time.Duration {
	third := r.expiration / 3
	return third - r.lock.mutex.engine.upTo(third/8+1)
}

// retry is the pause after a renewal that failed.
func (r *renewal) retry() time.Duration { return max(r.expiration/20, time.Millisecond) }

// gather is how much before its time a renewal may go, so that it travels with others.
func (r *renewal) gather() time.Duration { return min(r.expiration/30, 200*time.Millisecond) }

// add plans the first renewal.
func (s *renewals) add(r *renewal, due time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || r.place >= 0 || r.lock.over() {
		return
	}
	s.queue.add(r, due)
	s.setTimer()
}

// again plans the next renewal for another time than a full interval after the last.
func (s *renewals) again(r *renewal, due time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.place >= 0 {
		s.queue.move(r.place, due)
		s.setTimer()
	}
}

func (s *renewals) remove(r *renewal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.place >= 0 {
		s.queue.remove(r.place)
	}
}

// setTimer sets the timer to the first that is due. s.mu is held.
func (s *renewals) setTimer() {
	if len(s.queue) == 0 || s.closed {
		return
	}
	due := s.queue[0].due
	if s.set != 0 && s.set <= due {
		return
	}
	s.set = due
	wait := due - s.clock.now().mono
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.run)
	} else {
		s.timer.Reset(wait)
	}
}

// run renews what is due, or soon will be. The next renewal of each is planned at once, as if this one succeeded.
func (s *renewals) run() {
	s.mu.Lock()
	now := s.clock.now()
	var due []*Lock
	for len(s.queue) > 0 && !s.closed && s.queue[0].due-s.queue[0].gather() <= now.mono {
		r := s.queue[0].renewal
		due = append(due, r.lock)
		s.queue.move(0, now.mono+r.interval())
	}
	s.set = 0
	s.setTimer()
	s.mu.Unlock()
	for _, l := range due {
		l.renewNow(now)
	}
}

// slept moves everything forward: so much time has passed that the timer didn't notice, for the machine was suspended.
func (s *renewals) slept(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queue {
		s.queue[i].due -= d // which keeps the heap's order
	}
	s.set = 0
	s.setTimer()
}

func (s *renewals) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// renewNow asks for an extension. Nobody waits for it: what comes of it is for renewed.
func (l *Lock) renewNow(now moment) {
	m := l.mutex
	expiration, last := l.nextExpiration(now)
	if expiration == 0 {
		m.engine.renewals.remove(l.renewal)
		return
	}
	if m.engine.begin() != nil {
		return
	}
	r, err := l.askExtension(expiration, now)
	if err != nil {
		m.engine.finish()
		return
	}
	r.renews, r.last = l, last
	r.start(r)
}

// nextExpiration is what the next renewal asks for, so that the lock stays valid no longer than max_hold. It is the last one
// if that cuts it short, and none, zero, if max_hold allows no more.
func (l *Lock) nextExpiration(now moment) (expiration time.Duration, last bool) {
	m := l.mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	expiration = l.renewal.expiration
	most := m.settings.MaxHold
	if most <= 0 {
		return expiration, false
	}
	// What is valid for so long has an expiration that is longer by its drift.
	left := most - now.since(l.since)
	if left >= expiration {
		return expiration, false
	}
	allowed := time.Duration(float64(left+driftFloor) / (1 - m.settings.DriftFactor)).Truncate(time.Millisecond)
	if allowed >= expiration {
		return expiration, false
	}
	if m.checkExpiration(allowed) != nil {
		l.renewal.last = true
		return 0, true
	}
	return allowed, true
}

// renewed takes the outcome of a renewal. It runs in the middle of a lane's work, so what takes time is done elsewhere.
func (l *Lock) renewed(r *round) {
	m := l.mutex
	o, started, last := r.outcome(), r.started, r.last
	expiration := time.Duration(r.question.milliseconds) * time.Millisecond
	r.leave()
	defer m.engine.finish()
	var failed error
	switch {
	case o.won():
		if err := l.prolong(started, expiration); err != nil {
			failed = m.fail("extend", l.Key(), &o, ErrNotHeld, err)
			break
		}
		if last {
			l.mu.Lock()
			l.renewal.last = true
			l.mu.Unlock()
			m.engine.renewals.remove(l.renewal)
		}
	case o.blocks(o.taken):
		m.engine.later(func() { l.lose(errTakenOver) })
		failed = m.fail("extend", l.Key(), &o, ErrNotHeld)
	case o.why == ErrClosed || l.over():
		return // which is told otherwise
	default:
		m.engine.renewals.again(l.renewal, m.engine.clock.now().mono+l.renewal.retry())
		failed = m.fail("extend", l.Key(), &o, ErrNoQuorum)
	}
	if trace := &m.engine.trace; m.engine.watched(context.Background(), trace.Renewed != nil) {
		m.engine.tellAlone(trace.Renewed, "lock renewed", Event{
			Mutex: l.Mutex(), Key: l.Key(), Took: m.engine.clock.since(started), Token: l.token, Err: failed,
		})
	}
}

// over tells whether the lock has ended.
func (l *Lock) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// whyEnded says why the validity of a lock with this renewal ended.
func (r *renewal) whyEnded() error {
	switch {
	case r == nil:
		return errExpired
	case r.isLast():
		return fmt.Errorf("it was renewed until its max_hold of %v", r.lock.mutex.settings.MaxHold)
	default:
		return fmt.Errorf("%w before a renewal succeeded", errExpired)
	}
}

func (r *renewal) isLast() bool {
	r.lock.mu.Lock()
	defer r.lock.mu.Unlock()
	return r.last
}
