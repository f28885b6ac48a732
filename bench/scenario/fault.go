package scenario

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
)

const (
	faultWorkers = 8
	// faultExpiration is long enough to see, before anything expires, what a contestant left behind on a node that came
	// back.
	faultExpiration = 4 * time.Second
	// healthyPatience is for calls that hang although all nodes answer.
	healthyPatience = time.Second
)

// The bars of a fault: how much slower the median may be than with all nodes, and the 99th percentile.
const (
	faultSlower     = 1.5
	faultPercentile = 3 * time.Millisecond
	// faultGoroutines is what we call bounded: some for each node and each worker, none for each lock.
	faultGoroutines = 200
)

// fault is what happens to one node.
type fault struct {
	name   string
	strike func(*redisserver.Server) error
	heal   func(context.Context, *redisserver.Server) error
}

var faultKinds = []fault{
	{
		"hangs",
		func(s *redisserver.Server) error { return s.Pause() },
		func(_ context.Context, s *redisserver.Server) error { return s.Resume() },
	},
	{
		"is killed",
		func(s *redisserver.Server) error { s.Kill(); return nil },
		func(ctx context.Context, s *redisserver.Server) error { return s.Restart(ctx) },
	},
}

// faultLibrary is a contestant in a fault: exactly one way to use it, and the expiration of its locks.
type faultLibrary struct {
	library
	expiration time.Duration
}

// faultLibraries are this library, and redsync as it is by default and with what helps it. The latter take part in one
// round: where calls wait for a time-out, they wait for long.
func faultLibraries() []faultLibrary {
	brief := ours()
	brief.name += ", expiration 1 s"
	last := func(variants []contestant.Variant) []contestant.Variant { return variants[len(variants)-1:] }
	return []faultLibrary{
		{ours(), faultExpiration},
		{brief, time.Second},
		{library{name: "redsync", variants: last(contestant.Redsync()), rounds: 1}, faultExpiration},
		{library{name: "redsync, FailFast", variants: last(contestant.Redsync(contestant.FailFast)), rounds: 1}, faultExpiration},
		{library{name: "redsync, FailFast, ContextTimeoutEnabled",
			variants: contestant.RedsyncWithSocketDeadlines(contestant.FailFast), rounds: 1}, faultExpiration},
	}
}

// faultSample is what one contestant did before and after one node failed.
type faultSample struct {
	healthy, faulty latencies
	// keys are left on nodes that answer, after the failed one came back and some grace.
	keys int
	// goroutines is how many there were at most, beside those of the benchmark.
	goroutines int
}

// faults are three and five nodes of which one fails.
func faults(r *Run) (Result, error) {
	t := &report.Table{
		Name: "fault", Title: "One node of three or five hangs or is killed, eight goroutines",
		Columns: []report.Column{
			report.Number("nodes"), report.Text("one"), report.Text("contestant"),
			report.Number("acquire p50 ms"), report.Number("× healthy"), report.Number("p99 ms"),
			report.Number("release p50 ms"), report.Number("× healthy"), report.Number("p99 ms"),
			report.Number("acquired"), report.Number("keys left"), report.Number("goroutines"),
			report.Text("bar"), report.Text("result"),
		},
	}
	result := Result{Tables: []*report.Table{t}}
	for _, nodes := range []int{3, 5} {
		for _, kind := range faultKinds {
			r.Progress("  %d nodes, one %s", nodes, kind.name)
			libraries := faultLibraries()
			entrants := make([]contest.Entrant[faultSample], len(libraries))
			for i, l := range libraries {
				entrants[i] = contest.Entrant[faultSample]{Name: l.name, Rounds: l.rounds, Slice: func(ctx context.Context) (faultSample, error) {
					return r.faultSlice(ctx, nodes, kind, l)
				}}
			}
			limit := r.Size.Limit + r.Size.FaultPatience + r.Size.FaultGrace
			outcomes, err := contest.Run(r.Context, r.Size.FaultRounds, limit, entrants)
			if err != nil {
				return Result{}, err
			}
			for i, o := range outcomes {
				result.Bars = worstOf(result.Bars, faultRow(t, nodes, kind.name, libraries[i], o))
			}
		}
	}
	return result, nil
}

// worstOf adds bars to those there are; of two with the same measure it keeps the one with the worse value.
func worstOf(all, more []report.Bar) []report.Bar {
	for _, bar := range more {
		i := slices.IndexFunc(all, func(b report.Bar) bool { return b.Measure == bar.Measure && b.Unit == bar.Unit })
		switch {
		case i < 0:
			all = append(all, bar)
		case math.IsNaN(bar.Got) || bar.Got > all[i].Got:
			all[i] = bar
		}
	}
	return all
}

// faultRow adds a contestant's row, and returns its bars if it is ours.
func faultRow(t *report.Table, nodes int, kind string, l faultLibrary, o contest.Outcome[faultSample]) []report.Bar {
	where := fmt.Sprintf("%d nodes, one %s", nodes, kind)
	if o.Err != nil {
		t.Note("%s, %s: %v.", where, o.Name, o.Err)
	}
	milliseconds := func(of func(latencies) time.Duration) float64 {
		return contest.Of(o, func(s faultSample) float64 { return float64(of(s.faulty)) / float64(time.Millisecond) }).Median
	}
	slower := func(of func(latencies) time.Duration) float64 {
		return contest.Of(o, func(s faultSample) float64 { return float64(of(s.faulty)) / float64(of(s.healthy)) }).Median
	}
	acquire50 := func(l latencies) time.Duration { return l.acquire.p50 }
	acquire99 := func(l latencies) time.Duration { return l.acquire.p99 }
	release50 := func(l latencies) time.Duration { return l.release.p50 }
	release99 := func(l latencies) time.Duration { return l.release.p99 }
	// What must never happen counts over all rounds.
	var attempts, without, left, most int
	for _, s := range o.Slices {
		attempts += s.faulty.attempts
		without += s.faulty.failed + s.faulty.unfinished
		left = max(left, s.keys)
		most = max(most, s.goroutines)
		if s.faulty.first != nil {
			t.Note("%s, %s: acquires or releases failed, the first with: %v.", where, o.Name, s.faulty.first)
		}
	}
	keys, goroutines := unknownIfNone(left, o), unknownIfNone(most, o)
	if l.expiration < faultExpiration {
		keys = math.NaN() // not counted
	}
	row := []string{report.Count(float64(nodes)), kind, o.Name,
		report.Decimal(milliseconds(acquire50), 2), report.Decimal(slower(acquire50), 2), report.Decimal(milliseconds(acquire99), 2),
		report.Decimal(milliseconds(release50), 2), report.Decimal(slower(release50), 2), report.Decimal(milliseconds(release99), 2),
		fmt.Sprintf("%s of %s", report.Count(float64(attempts-without)), report.Count(float64(attempts))),
		report.Count(keys), report.Count(goroutines)}
	if l.kind != report.Us {
		t.Add(row...)
		return nil
	}
	longest := float64(faultPercentile) / float64(time.Millisecond)
	bars := []report.Bar{
		short("acquire p50", report.AtMost(t.Name, o.Name+": acquire p50", faultSlower, "× healthy", slower(acquire50))),
		short("p99", report.AtMost(t.Name, o.Name+": acquire p99", longest, "ms", milliseconds(acquire99))),
		short("release p50", report.AtMost(t.Name, o.Name+": release p50", faultSlower, "× healthy", slower(release50))),
		short("p99", report.AtMost(t.Name, o.Name+": release p99", longest, "ms", milliseconds(release99))),
		report.AtMost(t.Name, o.Name, 0, "acquires without a lock", unknownIfNone(without, o)),
		report.AtMost(t.Name, o.Name, faultGoroutines, "goroutines", goroutines),
	}
	if l.expiration >= faultExpiration {
		bars = append(bars, report.AtMost(t.Name, o.Name, 0, "keys left", keys))
	}
	want, came := report.Cells(bars...)
	t.Add(append(row, want, came)...)
	return bars
}

func short(text string, b report.Bar) report.Bar {
	b.Short = text
	return b
}

// unknownIfNone is n, if anything was measured.
func unknownIfNone[S any](n int, o contest.Outcome[S]) float64 {
	if len(o.Slices) == 0 {
		return math.NaN()
	}
	return float64(n)
}

// faultSlice measures one contestant on servers of its own: with all nodes, then with one that failed, and what is left
// when that came back.
func (r *Run) faultSlice(ctx context.Context, nodes int, kind fault, l faultLibrary) (faultSample, error) {
	var s faultSample
	servers, err := r.Fleet.Start(ctx, nodes)
	if err != nil {
		return s, err
	}
	defer servers.Close()
	before := settledGoroutines(ctx)
	locks, err := l.variants[0].Open(contestant.Use{Addrs: servers.Addrs(), Workers: faultWorkers, Expiration: l.expiration})
	if err != nil {
		return s, err
	}
	defer locks.Close()
	keys := contest.NewKeys(faultWorkers).Cursor()
	r.latencies(ctx, locks, keys, r.Size.RampUp, healthyPatience)
	s.healthy = r.latencies(ctx, locks, keys, r.Size.Healthy, healthyPatience)

	failing := servers[len(servers)/2]
	if err := kind.strike(failing); err != nil {
		return s, err
	}
	watch := watchGoroutines()
	s.faulty = r.latencies(ctx, locks, keys, r.Size.Faulty, r.Size.FaultPatience)
	s.goroutines = max(watch()-before-faultWorkers, 0)
	if err := kind.heal(ctx, failing); err != nil {
		return s, err
	}
	if l.expiration < faultExpiration {
		return s, nil // too short to tell what was left from what expired
	}
	left, err := servers.Leftover(ctx, r.Size.FaultGrace)
	s.keys = len(left)
	return s, err
}
