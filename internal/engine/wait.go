package engine

import "time"

// patience decides whether to try again, and when. Retries are made whatever the attempt failed of. A wait is for a held
// lock, or for nodes to leave their quarantine if it is long enough for that: as long as neither has been seen, a lack of
// quorum is reported at once; whoever has begun to wait rides out an outage.
//
// Attempts because of a wake-up come on top: they neither use up retries nor put the next one off.
type patience struct {
	mutex *Mutex
	// retries left, or, if negative, until the end of the wait.
	retries int
	forever bool
	end     moment
	// waiting says that the lock has been seen held.
	waiting bool
	// due is when the next attempt is made if no wake-up comes.
	due moment
}

func (m *Mutex) patience(options *AcquireOptions, start moment) patience {
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

// any tells whether there is more than one attempt.
func (p *patience) any() bool { return p.retries != 0 }

// more plans the attempt after one that was due, and failed; nil says that it was not made, for the lock is held. It
// returns false if there is none. The last attempt is made as the wait ends.
func (p *patience) more(failed *failure, now moment) bool {
	pause := p.mutex.pauseBeforeRetry()
	p.waiting = p.waiting || failed.passes()
	switch {
	case p.retries == 0:
		return false
	case p.retries > 0:
		p.retries--
	case !p.waiting:
		return false
	case !p.forever:
		left := -now.since(p.end)
		if left <= 0 || failed != nil && failed.quarantine != nil && failed.over.since(p.end) > 0 {
			return false
		}
		pause = min(pause, left)
	}
	p.due = now.add(pause)
	return true
}

// pauseBeforeRetry is the retry interval plus or minus a random part of the jitter, and never so short that the attempts
// run together.
func (m *Mutex) pauseBeforeRetry() time.Duration {
	pause := m.settings.RetryInterval
	if jitter := m.settings.RetryJitter; jitter > 0 {
		pause += m.engine.upTo(2*jitter+1) - jitter
	}
	return max(pause, time.Millisecond)
}
