package engine

import (
	"math/rand/v2"
	"time"
)

// patience decides whether to try again, and when. Retries are made whatever the attempt failed of. A wait is for a held
// lock: as long as the lock has not been seen held, a lack of quorum is reported at once; whoever has begun to wait rides
// out an outage.
type patience struct {
	mutex *Mutex
	// retries left, or, if negative, until the end of the wait.
	retries int
	forever bool
	end     moment
	// waiting says that the lock has been seen held.
	waiting bool
}

func (m *Mutex) patience(options AcquireOptions, start moment) patience {
	wait := m.settings.Wait
	if options.Wait != nil {
		wait = *options.Wait
	} else if m.settings.MaxRetry > 0 {
		return patience{mutex: m, retries: m.settings.MaxRetry}
	}
	if wait <= 0 {
		return patience{mutex: m}
	}
	p := patience{mutex: m, retries: -1, forever: wait == Forever}
	if !p.forever {
		p.end = start.add(wait)
	}
	return p
}

// next is the pause before the next attempt, and whether there is one. The last attempt is made as the wait ends.
func (p *patience) next(held bool) (time.Duration, bool) {
	pause := p.mutex.pauseBeforeRetry()
	p.waiting = p.waiting || held
	switch {
	case p.retries == 0:
		return 0, false
	case p.retries > 0:
		p.retries--
		return pause, true
	case !p.waiting:
		return 0, false
	case p.forever:
		return pause, true
	}
	left := p.mutex.engine.clock.remains(p.end)
	if left <= 0 {
		return 0, false
	}
	return min(pause, left), true
}

// pauseBeforeRetry is the retry interval plus or minus a random part of the jitter, and never so short that the attempts
// run together.
func (m *Mutex) pauseBeforeRetry() time.Duration {
	pause := m.settings.RetryInterval
	if jitter := m.settings.RetryJitter; jitter > 0 {
		pause += rand.N(2*jitter+1) - jitter
	}
	return max(pause, time.Millisecond)
}
