package report

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Others watches how much of the processors other processes use: what they take, no contestant gets.
type Others struct {
	busy, own time.Duration
	since     time.Time
	known     bool
}

// WatchOthers begins to watch.
func WatchOthers() Others {
	busy, _, known := machineTime()
	return Others{busy: busy, own: ownTime(), since: time.Now(), known: known}
}

// Share is the part of the machine's processor time that others have used since, in percent. Of our children it knows
// only those that have ended.
func (o Others) Share() string {
	busy, cores, known := machineTime()
	if !o.known || !known || cores == 0 {
		return "an unknown part"
	}
	others := busy - o.busy - (ownTime() - o.own)
	share := 100 * others.Seconds() / (time.Since(o.since).Seconds() * float64(cores))
	return fmt.Sprintf("%.0f %%", max(share, 0))
}

// clockTicks is in how many parts /proc/stat divides a second, on every Linux that Go runs on.
const clockTicks = 100

// machineTime is how long the processors have been busy, with what their hypervisor gave to somebody else, and how many
// they are.
func machineTime() (busy time.Duration, cores int, known bool) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || !strings.HasPrefix(fields[0], "cpu"):
		case fields[0] != "cpu":
			cores++
		case len(fields) > 8:
			known = true
			for i, field := range fields[1:9] {
				if i == 3 || i == 4 { // idle, or waiting for a disk
					continue
				}
				ticks, err := strconv.ParseInt(field, 10, 64)
				if err != nil {
					return 0, 0, false
				}
				busy += time.Duration(ticks) * time.Second / clockTicks
			}
		}
	}
	return busy, cores, known
}

// ownTime is what this process and its children have used.
func ownTime() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if syscall.Getrusage(who, &usage) == nil {
			total += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	return total
}
