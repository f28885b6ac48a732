package scenario

import (
	"fmt"
	"slices"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/report"
)

type throughputBar struct {
	nodes, goroutines int
	ratio             float64
}

// throughputBars are the least ratios to L2, which with so many goroutines is several times L1.
var throughputBars = []throughputBar{
	{1, 64, 1.0},
	{1, 512, 0.9},
	{3, 64, 0.9},
	{5, 64, 0.9},
	{3, 512, 1.2},
	{5, 512, 1.2},
}

// throughput is many goroutines, each on keys of its own, and the chart of it over their number.
func throughput(r *Run) (Result, error) {
	t := &report.Table{
		Name: "throughput", Title: "Acquire and release, many goroutines on distinct keys",
		Columns: []report.Column{
			report.Number("nodes"), report.Number("goroutines"), report.Text("contestant"), report.Number("pairs/s"),
			report.Number("× L2"), report.Number("in the rounds"), report.Number("× L1"), report.Text("bar"), report.Text("result"),
		},
	}
	result := Result{Tables: []*report.Table{t}}
	var lines lines
	addLines := func(goroutines int, c pairResult) {
		for i, e := range c.entries {
			lines.add(e.name, e.kind, goroutines, contest.Of(c.outcomes[i], contest.Pairs.Rate).Median)
		}
	}
	for _, goroutines := range r.Size.Goroutines {
		if slices.ContainsFunc(throughputBars, func(b throughputBar) bool { return b.nodes == 1 && b.goroutines == goroutines }) {
			continue // measured below, more exactly
		}
		c, err := r.pairContest(1, goroutines, r.Size.Sweep, false)
		if err != nil {
			return Result{}, err
		}
		addLines(goroutines, c)
	}
	for _, bar := range throughputBars {
		if !slices.Contains(r.Size.Goroutines, bar.goroutines) {
			continue
		}
		c, err := r.pairContest(bar.nodes, bar.goroutines, r.Size.Throughput, false)
		if err != nil {
			return Result{}, err
		}
		if bar.nodes == 1 {
			addLines(bar.goroutines, c)
		}
		where := fmt.Sprintf("%d goroutines, %s", bar.goroutines, nodesText(bar.nodes))
		for i, e := range c.entries {
			rate := contest.Of(c.outcomes[i], contest.Pairs.Rate)
			toPipelines, toCommands := c.ratios[pipelinesName][i], c.ratios[commandsName][i]
			row := []string{report.Count(float64(bar.nodes)), report.Count(float64(bar.goroutines)), e.title(), report.Count(rate.Median),
				report.Decimal(toPipelines.Median, 2), report.Range(toPipelines.Min, toPipelines.Max, 2), report.Decimal(toCommands.Median, 2)}
			if e.kind == report.Us {
				b := report.AtLeast(t.Name, where, bar.ratio, "× L2", toPipelines.Median)
				b.Peer = bestPeer(c.entries, c.ratios[pipelinesName])
				want, came := report.Cells(b)
				row = append(row, want, came)
				result.Bars = append(result.Bars, b)
			}
			t.Add(row...)
		}
		noteFailures(t, where, c.outcomes)
	}
	result.Charts = []report.Chart{{
		Name: "throughput", Title: "Locks acquired and released per second, one node",
		XLabel: "goroutines, each on keys of its own", YLabel: "acquire and release, per second", LogY: true,
		Series: lines.all,
	}}
	return result, nil
}

// lines gathers the lines of a chart from contests.
type lines struct{ all []report.Series }

// add adds a contestant's point. Points come in any order of x.
func (l *lines) add(name string, kind report.Kind, x int, y float64) {
	i := slices.IndexFunc(l.all, func(s report.Series) bool { return s.Name == name })
	if i < 0 {
		i = len(l.all)
		l.all = append(l.all, report.Series{Name: name, Kind: kind, Style: styleOf(name)})
	}
	points := append(l.all[i].Points, report.Point{X: float64(x), Y: y})
	slices.SortFunc(points, func(a, b report.Point) int { return int(a.X - b.X) })
	l.all[i].Points = points
}

// styleOf is the peer's place among all, which stands for a colour and a marker.
func styleOf(name string) int {
	return slices.IndexFunc(overOneNode(), func(l library) bool { return l.name == name })
}
