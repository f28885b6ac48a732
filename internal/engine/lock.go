package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Lock is one successful acquisition. It ends once, by release or by loss, and never begins again.
type Lock struct {
	mutex *Mutex
	claim claim
	// since is the moment before the question that got the lock was sent.
	since moment
	// got is when a quorum's votes were in.
	got moment
	// token is zero without fencing.
	token int64
	// older and newer are its neighbours among those that are held; guarded by the registry.
	older, newer *Lock

	mu sync.Mutex // guards what follows
	// deadline is the end of validity: before it, and only before it, the holder may rely on the lock.
	deadline moment
	// expiration is the one that the deadline follows from.
	expiration time.Duration
	alarm      *alarm
	// set is what the alarm is set to, on the monotonic clock: the deadline, or one before that was put off.
	set time.Duration
	// err is why the lock ended; nil while it is held.
	err  error
	done chan struct{} // made when asked for
	// onEnd is called once the lock ended.
	onEnd context.CancelCauseFunc
	// line is that of those who wait for the lock in this process, nil if nobody was ever seen waiting.
	line *line
	// renewal is nil unless the lock is renewed.
	renewal *renewal
	// released says that its keys have been released, or are being.
	released bool
	// extended says that an extension was asked for: a node may keep the key longer than the deadline tells, or set it
	// again later.
	extended bool
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// alarm is a lock's own timer, set to the end of its validity. It is used again by later locks; one that fires for the
// wrong lock has that look at its deadline, no more.
type alarm struct {
	timer *time.Timer
	lock  atomic.Pointer[Lock]
}

// alarmPool keeps alarms for the next lock that needs one: nearly none ever fires.
type alarmPool struct{ pool sync.Pool }

func (p *alarmPool) set(l *Lock, d time.Duration) *alarm {
	if a, ok := p.pool.Get().(*alarm); ok {
		a.lock.Store(l)
		a.timer.Reset(d)
		return a
	}
	a := new(alarm)
	a.lock.Store(l)
	a.timer = time.AfterFunc(d, func() {
		if l := a.lock.Load(); l != nil {
			l.expire()
		}
	})
	return a
}

func (p *alarmPool) put(a *alarm) {
	a.timer.Stop()
	a.lock.Store(nil)
	p.pool.Put(a)
}

// hold begins the validity of a lock that a quorum granted. It returns false if the time that took leaves none: this
// check comes last, after every wait.
func (l *Lock) hold(expiration time.Duration) bool {
	m := l.mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline, l.expiration = l.since.add(expiration-m.drift(expiration)), expiration
	now := m.engine.clock.now()
	validity := -now.since(l.deadline)
	if validity <= 0 {
		return false
	}
	l.alarm, l.set = m.engine.alarms.set(l, validity), l.deadline.mono
	m.engine.held.add(l, now)
	l.got = now
	return true
}

// Mutex is the name of the lock's mutex.
func (l *Lock) Mutex() string { return l.mutex.settings.Name }

// Key is the Redis key that is locked.
func (l *Lock) Key() string { return l.claim.key }

// Token is the fencing token: larger than that of every lock that was got on this key before. It is zero without fencing.
func (l *Lock) Token() int64 { return l.token }

// Until is the end of validity, as the monotonic clock has it. After the machine slept, the lock may have ended before:
// Done and Err take that into account.
func (l *Lock) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mutex.engine.clock.time(l.deadline)
}

// Done is closed when the lock was released or lost.
func (l *Lock) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		if l.err != nil {
			return closedChannel
		}
		l.done = make(chan struct{})
	}
	return l.done
}

// Err is nil while the lock is held; then it says why it ended: ErrNotHeld if it was released, else ErrLockLost.
func (l *Lock) Err() error {
	l.check(l.mutex.engine.clock.now())
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// expire ends the lock if its deadline has passed, and else sets the alarm to it.
func (l *Lock) expire() {
	now := l.mutex.engine.clock.now()
	if l.check(now) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.setAlarm(now)
	}
}

// setAlarm sets the alarm to the deadline. l.mu is held.
func (l *Lock) setAlarm(now moment) {
	l.alarm.timer.Reset(-now.since(l.deadline))
	l.set = l.deadline.mono
}

// check ends the lock if its deadline has passed, on either clock. It returns true if that, or something else, ended it.
func (l *Lock) check(now moment) bool {
	l.mu.Lock()
	over := l.err != nil
	expired := !over && now.since(l.deadline) >= 0
	renewal := l.renewal
	l.mu.Unlock()
	if expired {
		l.lose(renewal.whyEnded())
	}
	return over || expired
}

// lose ends the lock, unless it has ended already.
func (l *Lock) lose(why error) {
	err := fmt.Errorf("%w: %w", ErrLockLost, why)
	if !l.end(err) {
		return
	}
	m := l.mutex
	if l.line != nil {
		l.line.lost(l)
	}
	level := slog.LevelError // for work that relied on it may still run
	if why == ErrClosed {
		level = slog.LevelWarn
	}
	m.engine.logger.Log(context.Background(), level, "lock lost", "mutex", m.settings.Name, "key", l.Key(), "reason", why)
	if m.engine.trace.Lost != nil {
		m.engine.trace.Lost(Event{Mutex: l.Mutex(), Key: l.Key(), Held: m.engine.clock.since(l.since), Token: l.token, Err: err})
	}
	l.mu.Lock()
	extended, expiration := l.extended, l.expiration
	l.mu.Unlock()
	if extended && why != ErrClosed {
		// Not before the keys expire by themselves: until then they keep others from whoever is slow to notice. And not all
		// that were lost in one moment at once.
		time.AfterFunc(m.drift(expiration)+m.nodeTimeout(expiration)+m.engine.upTo(time.Millisecond), func() { l.askRelease(m.engine.clock.now(), false, false).leave() })
	}
}

// askRelease asks every node to delete the lock's key; patient says that the caller will wait for what comes of it, quiet
// that whoever waits has told this engine so, or will, if that is possible.
func (l *Lock) askRelease(now moment, patient, quiet bool) *round {
	l.claim.over.Store(true)
	r := l.mutex.newRound(l.claim.nodes, &l.claim, now, l.releaseBudget())
	r.question.put(release, l.claim.key, l.claim.owner, 0)
	r.question.quiet = quiet && hearsOfWaiters(l.claim.nodes)
	if patient {
		r.startFor(context.Background()) // for nothing ends a release
	} else {
		r.start(r)
	}
	return r
}

func (l *Lock) releaseBudget() time.Duration {
	return l.mutex.nodeTimeout(time.Duration(l.claim.life.Load()))
}

// end ends the lock for the reason given and returns true, or returns false if it has ended already. From then on its
// line doesn't change.
func (l *Lock) end(err error) bool {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return false
	}
	l.err = err
	alarm := l.alarm
	l.alarm = nil
	if l.done != nil {
		close(l.done)
	}
	onEnd, renewal := l.onEnd, l.renewal
	l.mu.Unlock()
	e := l.mutex.engine
	e.alarms.put(alarm)
	e.held.remove(l)
	if renewal != nil {
		e.renewals.remove(renewal)
	}
	if onEnd != nil {
		onEnd(err)
	}
	return true
}

// whenEnded has cancel called with the reason when the lock ends, or at once if it has.
func (l *Lock) whenEnded(cancel context.CancelCauseFunc) {
	l.mu.Lock()
	err := l.err
	l.onEnd = cancel
	l.mu.Unlock()
	if err != nil {
		cancel(err)
	}
}

// Release deletes the lock from its nodes, whatever ctx says: it takes no longer than the nodes' own time budget. It
// returns ErrNotHeld if the lock had been released or lost before, or if too many nodes don't hold it any more, and
// ErrNoQuorum if too few could answer; their keys are deleted as soon as they can be reached, or expire.
func (l *Lock) Release(ctx context.Context) error {
	m := l.mutex
	now := m.engine.clock.now()
	err := l.releaseAt(now)
	if trace := &m.engine.trace; m.engine.watched(ctx, trace.Released != nil) {
		end := m.engine.clock.now()
		m.engine.tell(ctx, trace.Released, "lock released", Event{
			Mutex: l.Mutex(), Key: l.Key(), Took: end.since(now), Held: end.since(l.since), Token: l.token, Err: err,
		})
	}
	return err
}

func (l *Lock) releaseAt(now moment) error {
	m := l.mutex
	l.check(now)
	ended := !l.end(ErrNotHeld)

	l.mu.Lock()
	why := l.err
	// Who finds that another release ended it is late, even if it comes here first.
	again := ended && (l.released || why == ErrNotHeld)
	l.released = true
	l.mu.Unlock()
	if again {
		return m.fail("release", l.Key(), nil, ErrNotHeld)
	}
	if err := m.engine.begin(); err != nil {
		return m.fail("release", l.Key(), nil, err)
	}
	defer m.engine.finish()

	if ended {
		// Its keys have as good as expired; they are released all the same, but nobody waits for that.
		l.askRelease(now, false, false).leave()
		return m.fail("release", l.Key(), nil, ErrNotHeld, why)
	}
	return l.awaitRelease(l.passOn(now))
}

// passOn releases the lock: to the next in line, if there is a line.
func (l *Lock) passOn(now moment) *round {
	if l.line != nil {
		return l.line.passOn(l, now)
	}
	return l.askRelease(now, true, true)
}

// awaitRelease waits for the outcome of a release. Neither a context nor Close interrupts it.
func (l *Lock) awaitRelease(r *round) error {
	defer r.leave()
	m := l.mutex
	o, _ := r.wait(context.Background())
	switch {
	case o.won():
		if o.awaited > 0 {
			m.engine.lines.attend(m, l.Key())
		}
		return nil
	case o.blocks(o.taken + o.gone):
		return m.fail("release", l.Key(), &o, ErrNotHeld)
	default:
		return m.fail("release", l.Key(), &o, ErrNoQuorum)
	}
}

// Extend makes the lock expire no sooner than after expiration, counted from now: it never shortens. It counts only if a
// quorum agreed while the lock was still valid; else the old deadline stands.
func (l *Lock) Extend(ctx context.Context, expiration time.Duration) error {
	e := l.mutex.engine
	start := e.clock.now()
	err := l.extend(ctx, expiration, start)
	if e.watched(ctx, e.trace.Extended != nil) {
		e.tell(ctx, e.trace.Extended, "lock extended", Event{
			Mutex: l.Mutex(), Key: l.Key(), Took: e.clock.since(start), Token: l.token, Err: err,
		})
	}
	return err
}

func (l *Lock) extend(ctx context.Context, expiration time.Duration, start moment) error {
	m := l.mutex
	if err := m.checkExpiration(expiration); err != nil {
		return m.fail("extend", l.Key(), nil, err)
	}
	expiration = expiration.Truncate(time.Millisecond) // which is what a node counts in
	if err := m.enter(ctx, l.Key()); err != nil {
		return m.fail("extend", l.Key(), nil, err)
	}
	defer m.engine.finish()

	r, err := l.askExtension(expiration, start)
	if err != nil {
		return m.fail("extend", l.Key(), nil, ErrNotHeld, err)
	}
	defer r.leave()
	r.startFor(ctx)
	o, err := r.wait(ctx)
	switch {
	case err != nil:
		return m.fail("extend", l.Key(), &o, ended(ctx, err)...)
	case o.won():
		if err := l.prolong(start, expiration); err != nil {
			return m.fail("extend", l.Key(), &o, ErrNotHeld, err)
		}
		return nil
	case o.blocks(o.taken):
		l.lose(errTakenOver)
		return m.fail("extend", l.Key(), &o, ErrNotHeld)
	}
	if err := l.Err(); err != nil { // it ended meanwhile
		return m.fail("extend", l.Key(), &o, ErrNotHeld, err)
	}
	return m.fail("extend", l.Key(), &o, ErrNoQuorum)
}

var (
	errTakenOver = errors.New("another owner's value stands at its key")
	errExpired   = errors.New("its validity ended")
)

// askExtension returns the round that asks every node for a new expiration, ready to start, or reports why the lock
// ended.
func (l *Lock) askExtension(expiration time.Duration, start moment) (*round, error) {
	l.check(start)
	l.mu.Lock()
	err := l.err
	l.extended = true
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	l.claim.lengthen(expiration)
	r := l.mutex.newRound(l.claim.nodes, &l.claim, start, l.mutex.nodeTimeout(expiration))
	r.question.put(extend, l.claim.key, l.claim.owner, expiration)
	r.question.safeguard = l.mutex.safeguardOf(l.claim.key)
	r.question.token = l.token
	return r, nil
}

// prolong moves the deadline to that of an extension, begun at start, which a quorum agreed to, if that is later, and
// unless the lock has ended meanwhile: a lock past its deadline is never revived.
func (l *Lock) prolong(start moment, expiration time.Duration) error {
	now := l.mutex.engine.clock.now()
	deadline := start.add(expiration - l.mutex.drift(expiration))
	l.mu.Lock()
	left := -now.since(l.deadline)
	if l.err != nil || left <= 0 {
		l.mu.Unlock()
		return l.Err()
	}
	if -now.since(deadline) > left {
		l.deadline, l.expiration = deadline, expiration
		// Not every time: an alarm that fires early finds the new deadline. But to fire takes more than to be set, so it is
		// set before it would come to that.
		if l.set-now.mono < expiration/2 {
			l.setAlarm(now)
		}
	}
	l.mu.Unlock()
	return nil
}
