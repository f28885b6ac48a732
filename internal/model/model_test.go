package model

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// What TestWithinTheseBounds explores: try -attempts 4, or -nodes 5 -attempts 2 -losses 1 -ticks 1.
var (
	flagNodes      = flag.Int("nodes", 3, "how many nodes TestWithinTheseBounds has, up to 5")
	flagAttempts   = flag.Int("attempts", 0, "how many attempts it has, up to 4; 0: it does nothing")
	flagCounters   = flag.Int("counters", 2, "the largest counter that earlier attempts left behind")
	flagDoubles    = flag.Int("doubles", 0, "how many acquires arrive once more")
	flagExtensions = flag.Int("extensions", 0, "how often an attempt extends its lock")
	flagLosses     = flag.Int("losses", 0, "how often a node loses data")
	flagTicks      = flag.Int("ticks", 0, "how often the clocks go on by a quarantine")
	flagSkewed     = flag.Bool("skewed", false, "whether a node's clock may be a tick late")
	flagHandovers  = flag.Bool("handovers", false, "whether holders pass their locks on")
	flagMost       = flag.Int("most", 200_000_000, "how many states at most; each takes some 60 bytes")
)

// most is how many states an exploration may have in the other tests.
const most = 20_000_000

// raceDetector tells whether it is on: then everything takes eight times as long.
func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// ours are the bounds within which everything is explored. The first are small enough for the race detector.
var ours = []bounds{
	{nodes: 3, attempts: 2, counters: 2, doubles: 2, handovers: true},
	{nodes: 3, attempts: 2, counters: 0, losses: 1, ticks: 1},
	{nodes: 3, attempts: 1, doubles: 2, calm: true},
	{nodes: 3, attempts: 3, counters: 2, doubles: 1, handovers: true},
	{nodes: 3, attempts: 3, counters: 2, extensions: 1},
	{nodes: 3, attempts: 3, counters: 0, losses: 1, ticks: 1},
	{nodes: 3, attempts: 2, counters: 0, losses: 2, ticks: 1},
	{nodes: 3, attempts: 2, counters: 0, losses: 1, ticks: 2, skewed: true},
	{nodes: 3, attempts: 2, counters: 0, extensions: 1, losses: 1, ticks: 1},
	{nodes: 5, attempts: 2, counters: 2},
}

const quick = 3 // of ours

func TestNothingBreaksTheProtocol(t *testing.T) {
	var fired [events]int
	table := tableHead
	for i, b := range ours {
		if i >= quick && raceDetector() {
			break
		}
		f := newFence(b, protocol{})
		table += "\n" + wantUnbroken(t, f, most)
		for what, many := range f.fired {
			fired[what] += many
		}
	}
	t.Log(table)
	// What never happened was not tested.
	for what := range events {
		never := what == expires || what == deletes || // only wrong ones do that
			raceDetector() && (what == extends || what == extended || what == lengthens)
		if (fired[what] == 0) != never {
			t.Errorf("%v happened %d times", event{what: what}, fired[what])
		}
	}
}

// wantUnbroken explores all, finds nothing, and returns a line for the table.
func wantUnbroken(t *testing.T, f *fence, most int) (row string) {
	t.Helper()
	began := time.Now()
	r, err := explore(f, most)
	if err != nil {
		t.Fatalf("%v: %v", f.bounds, err)
	}
	if r.broken != nothing {
		t.Errorf("%v: %s\n%s", f.bounds, r.broken, strings.Join(r.trace, "\n"))
	}
	if r.states < 10 {
		t.Errorf("%v: hardly anything was explored", f.bounds)
	}
	return fmt.Sprintf("%-66v  %9d  %9d  %5d  %6.1f", f.bounds, r.states, r.steps, r.depth, time.Since(began).Seconds())
}

var tableHead = fmt.Sprintf("%-66s  %9s  %9s  %5s  %6s",
	"bounds within which no promise is broken", "states", "events", "depth", "time/s")

func TestWithinTheseBounds(t *testing.T) {
	if *flagAttempts == 0 {
		t.Skip("for larger bounds: -attempts 4, and see the other flags")
	}
	b := bounds{
		nodes: *flagNodes, attempts: *flagAttempts, counters: *flagCounters, doubles: *flagDoubles, extensions: *flagExtensions,
		losses: *flagLosses, ticks: *flagTicks, skewed: *flagSkewed, handovers: *flagHandovers,
	}
	if err := b.check(); err != nil {
		t.Fatal(err)
	}
	t.Log(tableHead + "\n" + wantUnbroken(t, newFence(b, protocol{}), *flagMost))
}

// String is for the tables.
func (b bounds) String() string {
	s := fmt.Sprintf("%d nodes, %d attempts, counters 0..%d", b.nodes, b.attempts, b.counters)
	for _, more := range []struct {
		many int
		what string
	}{{b.doubles, "doubled"}, {b.extensions, "extension"}, {b.losses, "loss"}, {b.ticks, "tick"}} {
		if more.many > 0 {
			s += fmt.Sprintf(", %d %s", more.many, more.what)
		}
	}
	if b.skewed {
		s += ", skewed"
	}
	if b.handovers {
		s += ", handovers"
	}
	if b.calm {
		s += ", calm"
	}
	return s
}
