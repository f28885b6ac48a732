package engine

import "time"

// clock reads the time. Two clocks count: the monotonic one, which nobody can set, and the wall clock, which goes on
// while the machine is suspended, where Go's monotonic clock stands still.
type clock struct {
	base time.Time
	// ahead is for tests: how far the wall clock runs ahead of the monotonic one. Nil: not at all.
	ahead func() time.Duration
}

func newClock() *clock { return &clock{base: time.Now()} }

// moment is one reading of both clocks: how long after the clock's base each said it was.
type moment struct {
	mono time.Duration
	wall time.Duration
}

func (c *clock) now() moment {
	now := time.Now()
	m := moment{mono: now.Sub(c.base), wall: time.Duration(now.UnixNano() - c.base.UnixNano())}
	if c.ahead != nil {
		m.wall += c.ahead()
	}
	return m
}

// since is how long ago m was.
func (c *clock) since(m moment) time.Duration { return c.now().since(m) }

// time is m as the monotonic clock has it.
func (c *clock) time(m moment) time.Time { return c.base.Add(m.mono) }

// wallClock is m as the wall clock has it.
func (c *clock) wallClock(m moment) time.Time { return time.Unix(0, c.base.UnixNano()).Add(m.wall) }

// since is how long m is after the moment before: the larger of what the two clocks say, so that a wall clock set back,
// or a machine that slept, can only shorten a lock.
func (m moment) since(before moment) time.Duration {
	return max(m.mono-before.mono, m.wall-before.wall)
}

func (m moment) add(d time.Duration) moment { return moment{mono: m.mono + d, wall: m.wall + d} }
