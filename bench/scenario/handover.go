package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-redsync/redsync/v4"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/report"
)

const (
	// handoverClients is over how many clients the waiters are spread, as over so many processes.
	handoverClients = 16
	handoverHold    = time.Millisecond
	handoverKey     = "ticket"
)

// handoverDelays are the pauses between attempts that are tried for the libraries that have to ask again and again.
var handoverDelays = []time.Duration{time.Millisecond, 5 * time.Millisecond}

// redsyncWaiting are redsync's default pauses and shorter ones.
func redsyncWaiting(options ...redsync.Option) []contestant.Variant {
	variants := contestant.Redsync(options...)[:1]
	for _, delay := range handoverDelays {
		variants = append(variants, contestant.RedsyncDelayed(delay, options...))
	}
	return variants
}

// handoverLibraries are those that wait on one node. For the peers one round will do: no bar hangs on their second digit.
func handoverLibraries() []library {
	var redislocks []contestant.Variant
	for _, delay := range handoverDelays {
		redislocks = append(redislocks, contestant.RedislockDelayed(delay))
	}
	const rounds = 1
	return []library{
		{name: tokenName, kind: report.Limit, variants: []contestant.Variant{contestant.Token()}},
		ours(),
		{name: "redislock", variants: redislocks, rounds: rounds},
		{name: "redsync", variants: redsyncWaiting(), rounds: rounds},
		{name: contestant.RueidislockReadmeName, variants: []contestant.Variant{contestant.RueidislockReadme}, rounds: rounds},
		{name: contestant.RueidislockDefaultName, variants: []contestant.Variant{contestant.RueidislockDefault}, rounds: rounds},
	}
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
		q.libraries = handoverLibraries()
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
		nodes: 1, waiters: waiters, clients: 1, libraries: handoverLibraries(), size: r.Size.Handover,
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
				report.AtMost(t.Name, where, 0, "overlaps", unknownIfNone(overlaps(o), o)),
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

func noteWaiters(t *report.Table, where string, o contest.Outcome[turns]) {
	if o.Err != nil {
		t.Note("%s, %s: %v.", where, o.Name, o.Err)
	}
	if n := overlaps(o); n > 0 {
		t.Note("%s, %s: %d times a waiter got the lock while another held it.", where, o.Name, n)
	}
	for _, s := range o.Slices {
		if s.failed > 0 {
			t.Note("%s, %s: acquires or releases failed, the first with: %v.", where, o.Name, s.first)
			return
		}
	}
}
