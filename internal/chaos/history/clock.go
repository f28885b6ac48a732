package history

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells the time that all processes of the machine agree on: the kernel's monotonic clock, in nanoseconds. There is
// one for all of them, it goes on while one of them is stopped, nobody can set it, and what one process read before another
// began to read is never later. (The wall clock would do too, until somebody sets it in the middle of a run.)
//
// Go reads the same clock, but counts from where a process began. A Clock knows how far that is from the kernel's zero.
type Clock struct {
	start time.Time
	zero  int64
}

// precise is how close two readings must be for the distance between their clocks to be known. A thread that loses its
// processor between them tries again.
const precise = 5 * time.Microsecond

// NewClock finds out how far the process's clock is from the kernel's, to within a few microseconds.
func NewClock() Clock {
	best := Clock{}
	for least, tries := time.Hour, 0; least > precise && tries < 10_000; tries++ {
		before := kernelTime()
		now := time.Now()
		if took := time.Duration(kernelTime() - before); took < least {
			least, best = took, Clock{start: now, zero: before}
		}
	}
	return best
}

func kernelTime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic("no monotonic clock: " + err.Error())
	}
	return now.Nano()
}

// Now is the time.
func (c Clock) Now() int64 { return c.At(time.Now()) }

// At is a time that was read from time.Now, or reckoned from one that was.
func (c Clock) At(t time.Time) int64 { return c.zero + int64(t.Sub(c.start)) }
