package scenario

import (
	"fmt"
	"math"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/report"
	"github.com/mutexgen/mutexgen/bench/spinner"
)

// pairBars are the bars of one goroutine: the least ratio to L1, and the most allocations of a pair.
var pairBars = []struct {
	nodes       int
	ratio       float64
	allocations float64
}{
	{1, 1.0, 16},
	{3, 1.05, 24},
	{5, 1.1, 32},
}

// pairs is one goroutine on cores that have nothing else to do. They fall asleep while it waits for an answer, so that
// this measures more than anything else how soon the machine wakes them.
func pairs(r *Run) (Result, error) {
	return r.pairTable(&report.Table{Name: "pair", Title: "Acquire and release, one goroutine"}, true)
}

// pairsAwake is the same on cores that never sleep: what is left is the work of the libraries.
func pairsAwake(r *Run) (Result, error) {
	stop, err := spinner.Start()
	if err != nil {
		t := &report.Table{Name: "pair-awake", Title: awakeTitle, Columns: []report.Column{report.Text("not measured")}}
		t.Add(err.Error())
		return Result{Tables: []*report.Table{t}}, nil
	}
	defer stop()
	return r.pairTable(&report.Table{Name: "pair-awake", Title: awakeTitle}, false)
}

const awakeTitle = "Acquire and release, one goroutine, every core kept awake by a process of idle priority"

func (r *Run) pairTable(t *report.Table, allocations bool) (Result, error) {
	t.Columns = []report.Column{
		report.Number("nodes"), report.Text("contestant"), report.Number("µs a pair"), report.Number("× L1"), report.Number("in the rounds"),
	}
	if allocations {
		t.Columns = append(t.Columns, report.Number("allocations"))
	}
	t.Columns = append(t.Columns, report.Text("bar"), report.Text("result"))

	result := Result{Tables: []*report.Table{t}}
	for _, bar := range pairBars {
		c, err := r.pairContest(bar.nodes, 1, r.Size.Pair, allocations)
		if err != nil {
			return Result{}, err
		}
		for i, e := range c.entries {
			microseconds := contest.Of(c.outcomes[i], func(p contest.Pairs) float64 { return 1e6 / p.PerSecond })
			ratio := c.ratios[commandsName][i]
			row := []string{report.Count(float64(bar.nodes)), e.title(), report.Decimal(microseconds.Median, 1),
				report.Decimal(ratio.Median, 2), report.Range(ratio.Min, ratio.Max, 2)}
			if allocations {
				row = append(row, report.Decimal(c.allocations[i], 0))
			}
			if e.kind == report.Us {
				where := fmt.Sprintf("one goroutine, %s", nodesText(bar.nodes))
				bars := []report.Bar{report.AtLeast(t.Name, where, bar.ratio, "× L1", ratio.Median)}
				bars[0].Peer = bestPeer(c.entries, c.ratios[commandsName])
				if allocations {
					most := report.AtMost(t.Name, where, bar.allocations, "allocations", c.allocations[i])
					most.Peer = leastPeer(c.entries, c.allocations, 0)
					bars = append(bars, most)
				}
				want, came := report.Cells(bars...)
				row = append(row, want, came)
				result.Bars = append(result.Bars, bars...)
			}
			t.Add(row...)
		}
		noteFailures(t, nodesText(bar.nodes), c.outcomes)
	}
	return result, nil
}

// pairResult is a contest of pairs that is over.
type pairResult struct {
	entries  []entry
	outcomes []contest.Outcome[contest.Pairs]
	// ratios are to the limits, by their names, for each entry.
	ratios map[string][]contest.Figure
	// allocations are those of a pair for each entry, NaN where they were not measured.
	allocations []float64
}

// pairContest has everybody do pairs on so many nodes in so many goroutines.
func (r *Run) pairContest(nodes, workers int, size Slices, allocations bool) (pairResult, error) {
	r.Progress("  %s, goroutines: %d", nodesText(nodes), workers)
	libraries := []library{{name: commandsName, kind: report.Limit, variants: contestant.Commands()}}
	if workers > 1 {
		libraries = append(libraries, library{name: pipelinesName, kind: report.Limit})
	}
	libraries = append(libraries, ours())
	if nodes == 1 {
		libraries = append(libraries, overOneNode()...)
	} else {
		libraries = append(libraries, overNodes()...)
	}
	f, err := r.lineUp(nodes, workers, libraries)
	if err != nil {
		return pairResult{}, err
	}
	defer f.close()
	outcomes, err := f.run(r, size)
	if err != nil {
		return pairResult{}, err
	}
	result := pairResult{entries: f.entries, outcomes: outcomes, ratios: make(map[string][]contest.Figure)}
	for _, limit := range []string{commandsName, pipelinesName} {
		base := outcomeOf(outcomes, limit)
		for _, o := range outcomes {
			result.ratios[limit] = append(result.ratios[limit], contest.Ratio(o, base, contest.Pairs.Rate))
		}
	}
	for i, e := range f.entries {
		n := math.NaN()
		if allocations && e.once != nil && outcomes[i].Err == nil {
			if measured, err := contest.Allocations(r.Size.AllocationPairs, e.once); err == nil {
				n = measured
			}
		}
		result.allocations = append(result.allocations, n)
	}
	return result, nil
}

// leastPeer is the peer with the smallest value, as text.
func leastPeer(entries []entry, values []float64, digits int) string {
	best := -1
	for i, e := range entries {
		if e.kind == report.Peer && !math.IsNaN(values[i]) && (best < 0 || values[i] < values[best]) {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s)", report.Decimal(values[best], digits), entries[best].name)
}

func nodesText(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
