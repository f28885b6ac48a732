package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/locks"
	"github.com/mutexgen/mutexgen/bench/report"
	"github.com/mutexgen/mutexgen/mutex"
)

// fencingBar is what a lock with a token may cost at most, in times of one without.
const fencingBar = 1.35

// fencingSample is what a lock costs, in the middle of those of one slice, in microseconds.
type fencingSample struct{ acquire, pair float64 }

// safety is a lock with or without a token, or at nodes with a restart guard.
type safety struct {
	name string
	pair func(ctx context.Context, m *locks.Mutexes, key string) (acquire, whole time.Duration, err error)
}

var safeties = []safety{
	{"neither", func(ctx context.Context, m *locks.Mutexes, key string) (time.Duration, time.Duration, error) {
		return timed(ctx, m.Resource.For(key))
	}},
	{contestant.OursName + ", `fencing: true`", func(ctx context.Context, m *locks.Mutexes, key string) (time.Duration, time.Duration, error) {
		return timed(ctx, m.Fenced.For(key))
	}},
	{"`restart_guard: on`", func(ctx context.Context, m *locks.Mutexes, key string) (time.Duration, time.Duration, error) {
		return timed(ctx, m.Guarded.For(key))
	}},
}

// timed acquires and releases a lock.
func timed[M any](ctx context.Context, m mutex.Mutex[M]) (acquire, whole time.Duration, err error) {
	start := time.Now()
	lock, err := m.AcquireLock(ctx)
	if err != nil {
		return 0, 0, err
	}
	acquire = time.Since(start)
	err = m.ReleaseLock(ctx, lock)
	return acquire, time.Since(start), err
}

// fencing is what tokens, and a restart guard, cost one goroutine.
func fencing(r *Run) (Result, error) {
	t := &report.Table{
		Name:  "fencing",
		Title: "Acquire and release, one goroutine, with a fencing token or a restart guard",
		Columns: []report.Column{
			report.Number("nodes"), report.Text("mutex"), report.Number("µs an acquire"), report.Number("× neither"),
			report.Number("µs with its release"), report.Number("× neither"), report.Number("in the rounds"),
			report.Text("bar"), report.Text("result"),
		},
	}
	result := Result{Tables: []*report.Table{t}}
	for _, nodes := range []int{1, 3} {
		r.Progress("  %s", nodesText(nodes))
		outcomes, err := r.fencingContest(nodes)
		if err != nil {
			return Result{}, err
		}
		for i, o := range outcomes {
			acquire := func(s fencingSample) float64 { return s.acquire }
			pair := func(s fencingSample) float64 { return s.pair }
			dearerAcquire, dearer := contest.Ratio(o, outcomes[0], acquire), contest.Ratio(o, outcomes[0], pair)
			row := []string{
				report.Count(float64(nodes)), o.Name,
				report.Decimal(contest.Of(o, acquire).Median, 1), report.Decimal(dearerAcquire.Median, 2),
				report.Decimal(contest.Of(o, pair).Median, 1), report.Decimal(dearer.Median, 2), report.Range(dearer.Min, dearer.Max, 2),
			}
			if i == 1 {
				bar := report.AtMost(t.Name, nodesText(nodes)+", a lock with a token", fencingBar, "× neither", dearer.Median)
				want, came := report.Cells(bar)
				row = append(row, want, came)
				result.Bars = append(result.Bars, bar)
			}
			t.Add(row...)
			if o.Err != nil {
				t.Note("%s, %s: %v.", nodesText(nodes), o.Name, o.Err)
			}
		}
	}
	return result, nil
}

func (r *Run) fencingContest(nodes int) ([]contest.Outcome[fencingSample], error) {
	servers, err := r.Fleet.Start(r.Context, nodes)
	if err != nil {
		return nil, err
	}
	defer servers.Close()
	opened, err := contestant.OpenOurs(contestant.Use{Addrs: servers.Addrs()})
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	keys := contest.NewKeys(1).Cursor()
	// The servers are new, so they don't vote for some seconds where there is a guard.
	lock, err := opened.Guarded.AcquireLock(r.Context, keys.Next(0), mutex.WithWait(10*time.Second))
	if err != nil {
		return nil, fmt.Errorf("the servers stay in quarantine: %w", err)
	}
	if err := opened.Guarded.ReleaseLock(r.Context, lock); err != nil {
		return nil, err
	}
	entrants := make([]contest.Entrant[fencingSample], len(safeties))
	for i, s := range safeties {
		entrants[i] = contest.Entrant[fencingSample]{Name: s.name, Slice: func(ctx context.Context) (fencingSample, error) {
			var acquires, pairs []float64
			for end := time.Now().Add(r.Size.Pair.Time); time.Now().Before(end) || len(pairs) < 10; {
				acquire, whole, err := s.pair(ctx, opened, keys.Next(0))
				if err != nil {
					return fencingSample{}, err
				}
				acquires, pairs = append(acquires, micros(acquire)), append(pairs, micros(whole))
			}
			// The first ones make connections, and have the servers learn the scripts.
			acquires, pairs = acquires[len(acquires)/10:], pairs[len(pairs)/10:]
			return fencingSample{acquire: contest.Median(acquires), pair: contest.Median(pairs)}, nil
		}}
	}
	return contest.Run(r.Context, r.Size.Pair.Rounds, 2*r.Size.Limit, entrants)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
