package engine

import "time"

// clock reads the time. Two clocks count: the monotonic one, which nobody can set, and the wall clock, which goes on
// while the machine is suspended, where Go's monotonic clock stands still.
type clock struct {
	// ahead is for tests: how far the wall clock runs ahead of the monotonic one. Nil: not at all.
	ahead func() time.Duration
}

// moment is one reading of both clocks.
type moment struct {
	mono time.Time // with its monotonic reading
	wall time.Time // without
}

func (c *clock) now() moment {
	now := time.Now()
	m := moment{mono: now, wall: now.Round(0)}
	if c.ahead != nil {
		m.wall = m.wall.Add(c.ahead())
	}
	return m
}

// since is how long ago m was: the larger of what the two clocks say, so that a wall clock set back, or a machine that
// slept, can only shorten a lock.
func (c *clock) since(m moment) time.Duration {
	now := c.now()
	return max(now.mono.Sub(m.mono), now.wall.Sub(m.wall))
}

// remains is how long it is until m: zero or less once either clock has reached it.
func (c *clock) remains(m moment) time.Duration {
	return -c.since(m)
}

func (m moment) add(d time.Duration) moment {
	return moment{mono: m.mono.Add(d), wall: m.wall.Add(d)}
}
