package scenario

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
)

const (
	// handoverClients is over how many clients the waiters are spread, as over so many processes.
	handoverClients = 16
	handoverHold    = time.Millisecond
	handoverKey     = "ticket"
)

// turns is what one slice of waiting for one key measured.
type turns struct {
	// perSecond is how often the lock was acquired, handed how often it was by another waiter than before. Who asks again
	// and again may get the lock back that it just gave away, which is quick, and of no use to the others.
	perSecond, handed float64
	// commands is how many commands the servers executed for each acquisition, on each node.
	commands float64
	// most and fewest are the turns of single waiters; starved is how many waiters had none.
	most, fewest, starved int
	failed                int64
	first                 error
}

func (t turns) rate() float64 { return t.handed }

// waiting is a contestant whose waiters wait for one key.
type waiting struct {
	library
	label   string // the variant that does best
	servers redisserver.Servers
	clients []contestant.Locks
	failed  error
}

// queueing is a contest of waiters.
type queueing struct {
	nodes, waiters, clients int
	libraries               []library
	size                    Slices
}

// handoverDelays are the pauses between attempts that are tried for the libraries that have to ask again and again.
var handoverDelays = []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond}

// redsyncWaiting are redsync's default pauses and shorter ones.
func redsyncWaiting(options ...redsync.Option) []contestant.Variant {
	variants := contestant.Redsync(options...)[:1]
	for _, delay := range handoverDelays {
		variants = append(variants, contestant.RedsyncDelayed(delay, options...))
	}
	return variants
}

// handoverLibraries are those that wait on one node. For the peers half of the rounds do: no bar hangs on their second
// digit.
func handoverLibraries(size Slices) []library {
	var redislocks []contestant.Variant
	for _, delay := range handoverDelays {
		redislocks = append(redislocks, contestant.RedislockDelayed(delay))
	}
	rounds := (size.Rounds + 1) / 2
	return []library{
		{name: tokenName, kind: report.Limit, variants: []contestant.Variant{contestant.Token()}},
		ours(),
		{name: "redislock", variants: redislocks, rounds: rounds},
		{name: "redsync", variants: redsyncWaiting(), rounds: rounds},
		{name: contestant.RueidislockReadmeName, variants: []contestant.Variant{contestant.RueidislockReadme}, rounds: rounds},
		{name: contestant.RueidislockDefaultName, variants: []contestant.Variant{contestant.RueidislockDefault}, rounds: rounds},
	}
}

// queue runs a contest of waiters.
func (r *Run) queue(q queueing) ([]*waiting, []contest.Outcome[turns], error) {
	r.Progress("  %s, waiters: %d, clients: %d", nodesText(q.nodes), q.waiters, q.clients)
	all := make([]*waiting, len(q.libraries))
	entrants := make([]contest.Entrant[turns], len(q.libraries))
	defer func() {
		for _, w := range all {
			if w != nil {
				w.close()
			}
		}
	}()
	for i, l := range q.libraries {
		w, err := r.enterWaiting(q, l)
		if err != nil {
			return nil, nil, err
		}
		all[i] = w
		entrants[i] = contest.Entrant[turns]{Name: l.name, Rounds: l.rounds, Slice: func(ctx context.Context) (turns, error) {
			if w.failed != nil {
				return turns{}, w.failed
			}
			return w.slice(ctx, q, r.Size.RampUp, q.size.Time)
		}}
	}
	outcomes, err := contest.Run(r.Context, q.size.Rounds, r.Size.Limit, entrants)
	return all, outcomes, err
}

// enterWaiting gives a library servers of its own, so that what they are asked is told apart, and keeps the variant that
// does best in a short trial.
func (r *Run) enterWaiting(q queueing, l library) (*waiting, error) {
	var best *waiting
	var most float64
	var errs []error
	for _, v := range l.variants {
		w, err := r.openWaiting(q, l, v)
		if err != nil {
			return nil, err
		}
		if w.failed != nil {
			errs = append(errs, w.failed)
			w.close()
			continue
		}
		var trial turns
		if len(l.variants) > 1 {
			trial, err = contest.Bounded(r.Context, r.Size.Limit, func(ctx context.Context) (turns, error) {
				return w.slice(ctx, q, r.Size.RampUp, 4*r.Size.Trial)
			})
			if err != nil {
				errs = append(errs, err)
				w.close()
				continue
			}
		}
		if best == nil || trial.handed > most {
			if best != nil {
				best.close()
			}
			best, most = w, trial.handed
			continue
		}
		w.close()
	}
	if best == nil {
		best = &waiting{library: l, failed: errs[0]}
	}
	return best, r.Context.Err()
}

func (r *Run) openWaiting(q queueing, l library, v contestant.Variant) (*waiting, error) {
	servers, err := r.Fleet.Start(r.Context, q.nodes)
	if err != nil {
		return nil, err
	}
	w := &waiting{library: l, servers: servers, label: v.Label}
	perClient := (q.waiters + q.clients - 1) / q.clients
	for range min(q.clients, q.waiters) {
		use := contestant.Use{Addrs: servers.Addrs(), Workers: perClient, Expiration: pairExpiration, Wait: true}
		locks, err := v.Open(use)
		if err != nil {
			w.failed = err
			break
		}
		w.clients = append(w.clients, locks)
	}
	return w, nil
}

func (w *waiting) close() {
	for _, c := range w.clients {
		c.Close()
	}
	w.clients = nil
	w.servers.Close()
}

// handoverDrain is how long those who wait at the end of a slice may still get their turn.
const handoverDrain = 300 * time.Millisecond

// slice has all waiters take turns for a while.
func (w *waiting) slice(ctx context.Context, q queueing, rampUp, d time.Duration) (turns, error) {
	if w.name == tokenName {
		if err := contestant.Forge(ctx, w.servers[0].Addr(), handoverKey); err != nil {
			return turns{}, err
		}
	}
	waitCtx, leave := context.WithCancel(ctx)
	defer leave()
	var (
		t      turns
		mu     sync.Mutex // guards t.failed and t.first
		stop   atomic.Bool
		all    sync.WaitGroup
		counts = make([]atomic.Int64, q.waiters)
		handed atomic.Int64
		holder atomic.Int64 // the waiter that had the lock last
	)
	for i := range counts {
		locks := w.clients[i%len(w.clients)]
		all.Go(func() {
			for !stop.Load() {
				release, err := locks.Acquire(waitCtx, handoverKey)
				if err == nil {
					if !stop.Load() {
						time.Sleep(handoverHold)
						counts[i].Add(1)
						if holder.Swap(int64(i)) != int64(i) || q.waiters == 1 { // who is alone gives to itself
							handed.Add(1)
						}
					}
					err = release(context.WithoutCancel(waitCtx))
				}
				if err != nil && waitCtx.Err() == nil && !stop.Load() {
					mu.Lock()
					t.failed++
					if t.first == nil {
						t.first = err
					}
					mu.Unlock()
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	type state struct {
		turns  []int64
		handed int64
		asked  redisserver.Count
		at     time.Time
	}
	look := func() (s state, err error) {
		s.asked, err = w.servers.Count(ctx)
		s.at, s.handed = time.Now(), handed.Load()
		for i := range counts {
			s.turns = append(s.turns, counts[i].Load())
		}
		return s, err
	}
	contest.Pause(ctx, rampUp+d/5)
	before, err := look()
	var after state
	if err == nil {
		contest.Pause(ctx, d)
		after, err = look()
	}
	stop.Store(true)
	// Who waits still gets its turn and gives it back at once, or leaves when its context ends.
	timer := time.AfterFunc(handoverDrain, leave)
	defer timer.Stop()
	all.Wait()
	if err != nil {
		return turns{}, err
	}
	var total int64
	t.fewest = math.MaxInt
	for i := range after.turns {
		n := int(after.turns[i] - before.turns[i])
		total += int64(n)
		t.most, t.fewest = max(t.most, n), min(t.fewest, n)
		if n == 0 {
			t.starved++
		}
	}
	took := after.at.Sub(before.at).Seconds()
	t.perSecond, t.handed = float64(total)/took, float64(after.handed-before.handed)/took
	t.commands = float64(after.asked.Since(before.asked, q.nodes).Total()) / float64(q.nodes) / float64(max(total, 1))
	return t, nil
}

func handoverColumns(first report.Column, ratio string) []report.Column {
	return []report.Column{
		first, report.Text("contestant"), report.Number("acquired/s"), report.Number("hand-overs/s"), report.Number(ratio),
		report.Number("in the rounds"), report.Number("commands a node and acquisition"), report.Number("turns of a waiter"), report.Number("starved"),
		report.Text("bar"), report.Text("result"),
	}
}

// handoverBars are what the waiters of one key have to reach.
type handoverBars struct {
	ratio    float64 // of the hand-overs
	unit     string
	commands float64 // on each node, for an acquisition
	// spread is the most turns over the fewest; zero: only nobody may starve.
	spread float64
}

// handovers is waiters over sixteen clients, and the chart of it over their number.
func handovers(r *Run) (Result, error) {
	t := &report.Table{
		Name: "handover", Title: "One key, held for 1 ms, waiters over sixteen clients",
		Columns: handoverColumns(report.Number("waiters"), "× L5"),
	}
	result := Result{Tables: []*report.Table{t}}
	var lines lines
	for _, waiters := range r.Size.Waiters {
		barred := waiters == 16 || waiters == 128
		q := queueing{nodes: 1, waiters: waiters, clients: handoverClients, size: r.Size.HandoverSweep}
		if barred {
			q.size = r.Size.Handover
		}
		q.libraries = handoverLibraries(q.size)
		all, outcomes, err := r.queue(q)
		if err != nil {
			return Result{}, err
		}
		for i, w := range all {
			lines.add(w.name, w.kind, waiters, contest.Of(outcomes[i], turns.rate).Median)
		}
		if barred {
			result.Bars = append(result.Bars, handoverRows(t, waiters, tokenName, all, outcomes, handoverBars{ratio: 0.85, unit: "× L5", commands: 8})...)
		}
	}
	result.Charts = []report.Chart{{
		Name: "handover", Title: "One key held for 1 ms at a time, waiters over sixteen clients",
		XLabel: "waiters", YLabel: "hand-overs per second", Series: lines.all,
	}}
	return result, nil
}

// handoversLocal is many waiters in one client.
func handoversLocal(r *Run) (Result, error) {
	t := &report.Table{
		Name: "handover-local", Title: "One key, held for 1 ms, all waiters in one client",
		Columns: handoverColumns(report.Number("waiters"), "× L5"),
	}
	waiters := slices.Max(r.Size.Waiters)
	all, outcomes, err := r.queue(queueing{
		nodes: 1, waiters: waiters, clients: 1, libraries: handoverLibraries(r.Size.Handover), size: r.Size.Handover,
	})
	if err != nil {
		return Result{}, err
	}
	bars := handoverRows(t, waiters, tokenName, all, outcomes, handoverBars{ratio: 0.9, unit: "× L5", commands: 5, spread: 1.3})
	return Result{Tables: []*report.Table{t}, Bars: bars}, nil
}

// handoversQuorum is waiters over sixteen clients and three nodes, beside the best of redsync's settings.
func handoversQuorum(r *Run) (Result, error) {
	t := &report.Table{
		Name: "handover-quorum", Title: "One key on three nodes, held for 1 ms, sixteen waiters over sixteen clients",
		Columns: handoverColumns(report.Number("waiters"), "× redsync's best"),
	}
	const waiters = 16
	all, outcomes, err := r.queue(queueing{
		nodes: 3, waiters: waiters, clients: handoverClients, size: r.Size.Handover,
		libraries: []library{
			ours(),
			{name: "redsync", variants: redsyncWaiting()},
			{name: "redsync, FailFast", variants: redsyncWaiting(contestant.FailFast)},
		},
	})
	if err != nil {
		return Result{}, err
	}
	best := outcomes[1]
	if contest.Of(outcomes[2], turns.rate).Median > contest.Of(best, turns.rate).Median || len(best.Slices) == 0 {
		best = outcomes[2]
	}
	bars := handoverRows(t, waiters, best.Name, all, outcomes, handoverBars{ratio: 1.5, unit: "× redsync", commands: 12})
	return Result{Tables: []*report.Table{t}, Bars: bars}, nil
}

// handoverRows adds the contestants' rows; base is whose hand-overs theirs are compared with.
func handoverRows(t *report.Table, waiters int, base string, all []*waiting, outcomes []contest.Outcome[turns], want handoverBars) []report.Bar {
	limit := outcomeOf(outcomes, base)
	where := fmt.Sprintf("%d waiters", waiters)
	var bars []report.Bar
	var entries []entry
	var ratios []contest.Figure
	for i, w := range all {
		entries = append(entries, entry{name: w.name, kind: w.kind, label: w.label})
		ratios = append(ratios, contest.Ratio(outcomes[i], limit, turns.rate))
	}
	for i, w := range all {
		o := outcomes[i]
		fewest, most, starved := spread(o)
		commands := contest.Of(o, func(t turns) float64 { return t.commands }).Median
		acquired := contest.Of(o, func(t turns) float64 { return t.perSecond }).Median
		row := []string{report.Count(float64(waiters)), entries[i].title(), report.Count(acquired),
			report.Count(contest.Of(o, turns.rate).Median),
			report.Decimal(ratios[i].Median, 2), report.Range(ratios[i].Min, ratios[i].Max, 2), report.Decimal(commands, 1),
			fmt.Sprintf("%d–%d", fewest, most), report.Count(unknownIfNone(starved, o))}
		if w.kind == report.Us {
			own := []report.Bar{
				report.AtLeast(t.Name, where, want.ratio, want.unit, ratios[i].Median),
				report.AtMost(t.Name, where, want.commands, "commands", commands),
				report.AtMost(t.Name, where, 0, "starved waiters", unknownIfNone(starved, o)),
			}
			own[0].Peer = bestPeer(entries, ratios)
			if want.spread > 0 {
				own = append(own, short("most/fewest turns",
					report.AtMost(t.Name, where+", most over fewest turns", want.spread, "", float64(most)/float64(fewest))))
			}
			wanted, came := report.Cells(own...)
			row = append(row, wanted, came)
			bars = append(bars, own...)
		}
		t.Add(row...)
		noteWaiters(t, where, o)
	}
	return bars
}

// spread is the fewest and most turns of a waiter in the round where they lay farthest apart, and the most waiters that
// starved in a round.
func spread(o contest.Outcome[turns]) (fewest, most, starved int) {
	worst := -1.0
	for _, s := range o.Slices {
		if apart := float64(s.most) / float64(s.fewest); apart > worst {
			worst, fewest, most = apart, s.fewest, s.most
		}
		starved = max(starved, s.starved)
	}
	return fewest, most, starved
}

func noteWaiters(t *report.Table, where string, o contest.Outcome[turns]) {
	if o.Err != nil {
		t.Note("%s, %s: %v.", where, o.Name, o.Err)
	}
	for _, s := range o.Slices {
		if s.failed > 0 {
			t.Note("%s, %s: acquires or releases failed, the first with: %v.", where, o.Name, s.first)
			return
		}
	}
}
