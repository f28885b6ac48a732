package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/report"
)

const (
	deadlineWorkers = 4
	// deadlineMost is about as long as a few round trips take: a deadline may come at any point of an acquire.
	deadlineMost = 600 * time.Microsecond
)

// deadlineSample is what was left of acquires whose contexts ended.
type deadlineSample struct {
	got, left, blocked int
	unreleased         error
}

// deadlines is acquires whose contexts end before, while or after they get their lock; what they got is released.
func deadlines(r *Run) (Result, error) {
	t := &report.Table{
		Name: "deadline",
		Title: fmt.Sprintf("%s acquires with deadlines of 0 to %d µs, and the release of what they got",
			report.Count(float64(r.Size.Deadlines)), deadlineMost.Microseconds()),
		Columns: []report.Column{
			report.Number("nodes"), report.Text("contestant"), report.Number("acquired"), report.Number("keys left"),
			report.Number("blocked until they expire"), report.Text("bar"), report.Text("result"),
		},
	}
	result := Result{Tables: []*report.Table{t}}
	for _, nodes := range []int{1, 3} {
		r.Progress("  %s", nodesText(nodes))
		libraries := []library{
			ours(),
			{name: "redsync", variants: contestant.Redsync()},
			{name: "redsync, FailFast", variants: contestant.Redsync(contestant.FailFast)},
			{name: "redsync, ContextTimeoutEnabled", variants: contestant.RedsyncWithSocketDeadlines()},
		}
		if nodes == 1 {
			libraries = append(libraries,
				library{name: "redislock", variants: contestant.Redislock()},
				library{name: contestant.RueidislockReadmeName, variants: []contestant.Variant{contestant.RueidislockReadme}})
		}
		entrants := make([]contest.Entrant[deadlineSample], len(libraries))
		for i, l := range libraries {
			entrants[i] = contest.Entrant[deadlineSample]{Name: l.name, Slice: func(ctx context.Context) (deadlineSample, error) {
				return r.deadlineSlice(ctx, nodes, l)
			}}
		}
		outcomes, err := contest.Run(r.Context, 1, 2*r.Size.Limit, entrants)
		if err != nil {
			return Result{}, err
		}
		for i, o := range outcomes {
			figure := func(of func(deadlineSample) int) float64 {
				return contest.Of(o, func(s deadlineSample) float64 { return float64(of(s)) }).Median
			}
			left := figure(func(s deadlineSample) int { return s.left })
			blocked := figure(func(s deadlineSample) int { return s.blocked })
			row := []string{report.Count(float64(nodes)), o.Name, report.Count(figure(func(s deadlineSample) int { return s.got })),
				report.Count(left), report.Count(blocked)}
			if libraries[i].kind == report.Us {
				bars := []report.Bar{
					report.AtMost(t.Name, nodesText(nodes), 0, "keys left", left),
					report.AtMost(t.Name, nodesText(nodes), 0, "blocked", blocked),
				}
				want, came := report.Cells(bars...)
				row = append(row, want, came)
				result.Bars = append(result.Bars, bars...)
			}
			t.Add(row...)
			if o.Err != nil {
				t.Note("%s, %s: %v.", nodesText(nodes), o.Name, o.Err)
			}
			for _, s := range o.Slices {
				if s.unreleased != nil {
					t.Note("%s, %s: releases failed, the first with: %v.", nodesText(nodes), o.Name, s.unreleased)
				}
			}
		}
	}
	return result, nil
}

func (r *Run) deadlineSlice(ctx context.Context, nodes int, l library) (deadlineSample, error) {
	var s deadlineSample
	servers, err := r.Fleet.Start(ctx, nodes)
	if err != nil {
		return s, err
	}
	defer servers.Close()
	locks, err := l.variants[0].Open(contestant.Use{Addrs: servers.Addrs(), Workers: deadlineWorkers, Expiration: pairExpiration})
	if err != nil {
		return s, err
	}
	defer locks.Close()
	// Connections and scripts are there before a deadline comes.
	warm := contest.NewKeys(deadlineWorkers).Cursor()
	contest.Drive(ctx, contest.Load{Workers: deadlineWorkers, Time: r.Size.RampUp}, func(ctx context.Context, worker int) error {
		return locks.Pair(ctx, warm.Next(worker))
	})
	var got atomic.Int64
	var first sync.Once
	var all sync.WaitGroup
	for w := range deadlineWorkers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 0)) // the same deadlines for everybody
			for i := w; i < r.Size.Deadlines && ctx.Err() == nil; i += deadlineWorkers {
				attempt, cancel := context.WithTimeout(ctx, time.Duration(random.Int64N(int64(deadlineMost))))
				release, err := locks.Acquire(attempt, fmt.Sprintf("order:%06d", i))
				cancel()
				if err != nil {
					continue
				}
				got.Add(1)
				if err := release(ctx); err != nil {
					first.Do(func() { s.unreleased = err })
				}
			}
		})
	}
	all.Wait()
	s.got = int(got.Load())
	left, err := servers.Leftover(ctx, r.Size.DeadlineGrace)
	s.left = len(left)
	for _, standing := range left {
		if standing > nodes/2 {
			s.blocked++
		}
	}
	return s, err
}
