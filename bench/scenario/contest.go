package scenario

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
)

// pairExpiration is the expiration where nothing is meant to expire.
const pairExpiration = 10 * time.Second

// entry is a contestant of a contest in pairs per second, ready to run.
type entry struct {
	name  string
	kind  report.Kind
	label string // the variant that does best
	// drive does pairs for a while.
	drive func(ctx context.Context, load contest.Load) contest.Pairs
	// once does one pair, alone; nil if there is no such thing.
	once  func() error
	close func()
	// failed says why there is nothing to run.
	failed error
}

func (e entry) title() string {
	if e.label == "" {
		return e.name
	}
	return e.name + ", " + e.label
}

// ways are the entries for each way to use a library that differs for so many workers.
func (l library) ways(use contestant.Use, keys *contest.Cursor) []func() (entry, error) {
	var ways []func() (entry, error)
	for _, v := range l.variants {
		if use.Workers < v.From {
			continue
		}
		ways = append(ways, func() (entry, error) {
			locks, err := v.Open(use)
			if err != nil {
				return entry{}, err
			}
			return entry{
				name: l.name, kind: l.kind, label: v.Label, close: locks.Close,
				drive: func(ctx context.Context, load contest.Load) contest.Pairs {
					return contest.Drive(ctx, load, func(ctx context.Context, worker int) error {
						return locks.Pair(ctx, keys.Next(worker))
					})
				},
				once: func() error { return locks.Pair(context.Background(), keys.Next(0)) },
			}, nil
		})
	}
	return ways
}

// pipelineWays are the entries of the limit L2 for so many workers: one pipeline, or several at once where there are enough
// workers for that. A limit that had more locks under way than there are workers would be the limit of something else.
func pipelineWays(use contestant.Use, keys contest.Keys) []func() (entry, error) {
	var ways []func() (entry, error)
	size := min(use.Workers, contestant.PipelineSize)
	most := max(use.Workers/contestant.PipelineSize, 1)
	for count := 1; count <= most; count *= 2 {
		ways = append(ways, func() (entry, error) {
			use.Workers = count
			pipelines, err := contestant.OpenPipelines(use)
			if err != nil {
				return entry{}, err
			}
			e := entry{name: pipelinesName, kind: report.Limit, close: pipelines.Close}
			if count > 1 {
				e.label = fmt.Sprintf("%d at once", count)
			}
			e.drive = func(ctx context.Context, load contest.Load) contest.Pairs {
				load.Workers = count
				pairs := contest.Drive(ctx, load, func(ctx context.Context, worker int) error {
					return pipelines.Pairs(ctx, keys[worker][:size])
				})
				pairs.PerSecond *= float64(size)
				return pairs
			}
			return e, nil
		})
	}
	return ways
}

// enter keeps the way that does best in a short trial, and closes the others.
func (r *Run) enter(l library, workers int, ways []func() (entry, error)) entry {
	var best entry
	var most float64
	errs := []error{}
	for _, open := range ways {
		e, err := open()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var trial contest.Pairs
		if len(ways) > 1 {
			load := contest.Load{Workers: workers, RampUp: r.Size.RampUp, Time: r.Size.Trial}
			trial, err = contest.Bounded(r.Context, r.Size.Limit, func(ctx context.Context) (contest.Pairs, error) {
				return e.drive(ctx, load), nil
			})
			if err != nil {
				errs = append(errs, err)
				e.close()
				continue
			}
		}
		if best.drive == nil || trial.PerSecond > most {
			if best.drive != nil {
				best.close()
			}
			best, most = e, trial.PerSecond
			continue
		}
		e.close()
	}
	if best.drive == nil {
		return entry{name: l.name, kind: l.kind, close: func() {}, failed: errors.Join(errs...)}
	}
	return best
}

// field is what takes part in a contest of pairs, on servers that all share.
type field struct {
	servers redisserver.Servers
	workers int
	entries []entry
}

// lineUp starts the servers and opens the contestants.
func (r *Run) lineUp(nodes, workers int, libraries []library) (*field, error) {
	servers, err := r.Fleet.Start(r.Context, nodes)
	if err != nil {
		return nil, err
	}
	keys := contest.NewKeys(max(workers, 2)) // two for two pipelines
	f := &field{servers: servers, workers: workers}
	for i, l := range libraries {
		use := contestant.Use{Addrs: servers.Addrs(), Database: i, Workers: workers, Expiration: pairExpiration}
		ways := l.ways(use, keys.Cursor())
		if l.name == pipelinesName {
			ways = pipelineWays(use, keys)
		}
		f.entries = append(f.entries, r.enter(l, workers, ways))
		if err := r.Context.Err(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *field) close() {
	for _, e := range f.entries {
		e.close()
	}
	f.servers.Close()
}

// run has the contestants take their slices.
func (f *field) run(r *Run, size Slices) ([]contest.Outcome[contest.Pairs], error) {
	load := contest.Load{Workers: f.workers, RampUp: r.Size.RampUp, Time: size.Time}
	entrants := make([]contest.Entrant[contest.Pairs], len(f.entries))
	for i, e := range f.entries {
		entrants[i] = contest.Entrant[contest.Pairs]{Name: e.name, Slice: func(ctx context.Context) (contest.Pairs, error) {
			if e.failed != nil {
				return contest.Pairs{}, e.failed
			}
			return e.drive(ctx, load), nil
		}}
	}
	return contest.Run(r.Context, size.Rounds, r.Size.Limit, entrants)
}

// outcomeOf is the outcome of the contestant of that name; empty if it took no part.
func outcomeOf[S any](outcomes []contest.Outcome[S], name string) contest.Outcome[S] {
	i := slices.IndexFunc(outcomes, func(o contest.Outcome[S]) bool { return o.Name == name })
	if i < 0 {
		return contest.Outcome[S]{Name: name}
	}
	return outcomes[i]
}

// bestPeer is the contestant with the largest of the figures, those of us and of the limits apart, as text.
func bestPeer(entries []entry, figures []contest.Figure) string {
	best, name := math.Inf(-1), ""
	for i, e := range entries {
		if e.kind == report.Peer && figures[i].Known() && figures[i].Median > best {
			best, name = figures[i].Median, e.name
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s (%s)", report.Decimal(best, 2), name)
}

// noteFailures tells of pairs that failed and contestants that did not finish.
func noteFailures(t *report.Table, where string, outcomes []contest.Outcome[contest.Pairs]) {
	for _, o := range outcomes {
		if o.Err != nil {
			t.Note("%s, %s: %v.", where, o.Name, o.Err)
		}
		for _, s := range o.Slices {
			if s.Failed > 0 {
				t.Note("%s, %s: pairs failed, the first with: %v.", where, o.Name, s.First)
				break
			}
		}
	}
}
