package scenario

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
	"github.com/mutexgen/mutexgen/bench/spinner"
)

func TestMain(m *testing.M) {
	spinner.Main()
	contestant.Silence()
	os.Exit(m.Run())
}

func smoke(t *testing.T) *Run {
	t.Helper()
	fleet, err := redisserver.NewFleet()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(fleet.Close)
	return &Run{Context: t.Context(), Fleet: fleet, Size: Smoke(), Progress: t.Logf}
}

// rows are how many rows each scenario's table has at the size of a smoke test.
var rows = map[string]int{
	"pair":            10 + 6 + 6,
	"pair-awake":      10 + 6 + 6,
	"throughput":      11 + 7 + 7,
	"fault":           2 * 2 * 5,
	"handover":        6,
	"handover-local":  6,
	"handover-quorum": 3,
	"renewal":         4,
	"fencing":         3 + 3,
	"deadline":        6 + 4,
}

// What the figures are is not for a test to say; that there are some is.
func TestEveryScenarioMeasuresEverybody(t *testing.T) {
	for _, s := range All {
		t.Run(s.Name, func(t *testing.T) {
			if testing.Short() && s.Name == "fault" {
				t.Skip("takes long")
			}
			result, err := smoke(t).Measure(s)
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Tables) != 1 || result.Tables[0].Name != s.Name {
				t.Fatalf("the tables are %+v", result.Tables)
			}
			table := result.Tables[0]
			if len(table.Rows) != rows[s.Name] {
				t.Errorf("%d rows, want %d", len(table.Rows), rows[s.Name])
			}
			ours := 0
			for _, row := range table.Rows {
				if slices.ContainsFunc(row, func(cell string) bool { return strings.HasPrefix(cell, contestant.OursName) }) {
					ours++
					if row[len(row)-1] == "" || row[len(row)-2] == "" {
						t.Errorf("a row of ours without a bar: %q", row)
					}
				} else if row[len(row)-1] != "" {
					t.Errorf("a row of somebody else with a result: %q", row)
				}
			}
			if ours == 0 || len(result.Bars) == 0 {
				t.Errorf("%d rows of ours, %d bars", ours, len(result.Bars))
			}
			for _, bar := range result.Bars {
				if bar.Scenario != s.Name {
					t.Errorf("a bar of another scenario: %+v", bar)
				}
				if math.IsNaN(bar.Got) {
					t.Errorf("not measured: %+v", bar)
				}
			}
			for _, chart := range result.Charts {
				if !strings.Contains(chart.SVG(), contestant.OursName) || len(chart.Series) < 5 {
					t.Errorf("the chart %s shows %d lines", chart.Name, len(chart.Series))
				}
			}
			t.Logf("\n%s", table.Markdown())
		})
	}
}

func TestACancelledScenarioEnds(t *testing.T) {
	r := smoke(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Context = ctx
	for _, s := range All {
		if _, err := r.Measure(s); err == nil {
			t.Errorf("%s went on", s.Name)
		}
	}
}

// broken is a library that cannot be opened, or fails or hangs once it is.
func broken(name string, locks contestant.Locks, err error) library {
	open := func(contestant.Use) (contestant.Locks, error) { return locks, err }
	return library{name: name, variants: []contestant.Variant{{Open: open}}}
}

type failing struct{ err error }

func (f failing) Pair(context.Context, string) error { return f.err }
func (f failing) Acquire(context.Context, string) (contestant.Release, error) {
	return nil, f.err
}
func (failing) Close() {}

func TestAPeerThatFailsIsReportedAndEndsNothing(t *testing.T) {
	r := smoke(t)
	cannot := errors.New("cannot be opened")
	fails := errors.New("fails every time")
	f, err := r.lineUp(1, 2, []library{broken("closed", nil, cannot), broken("failing", failing{fails}, nil), ours()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	outcomes, err := f.run(r, r.Size.Pair)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(outcomes[0].Err, cannot) {
		t.Errorf("who cannot be opened: %+v", outcomes[0])
	}
	if o := outcomes[1]; len(o.Slices) != 1 || o.Slices[0].Failed == 0 || !errors.Is(o.Slices[0].First, fails) {
		t.Errorf("who fails: %+v", o)
	}
	if o := outcomes[2]; o.Err != nil || len(o.Slices) != 1 || o.Slices[0].PerSecond <= 0 {
		t.Errorf("ours beside them: %+v", o)
	}
	var table report.Table
	noteFailures(&table, "1 node", outcomes)
	if notes := strings.Join(table.Notes, "\n"); !strings.Contains(notes, "closed: cannot be opened") || !strings.Contains(notes, fails.Error()) {
		t.Errorf("the notes are %q", notes)
	}
}

func TestAWaiterThatFailsIsReportedAndEndsNothing(t *testing.T) {
	r := smoke(t)
	cannot := errors.New("cannot be opened")
	fails := errors.New("fails every time")
	_, outcomes, err := r.queue(queueing{
		nodes: 1, waiters: 2, clients: 2, size: r.Size.Handover,
		libraries: []library{broken("closed", nil, cannot), broken("failing", failing{fails}, nil), ours()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(outcomes[0].Err, cannot) {
		t.Errorf("who cannot be opened: %+v", outcomes[0])
	}
	if o := outcomes[1]; len(o.Slices) != 1 || !errors.Is(o.Slices[0].first, fails) || o.Slices[0].starved != 2 {
		t.Errorf("who fails: %+v", o)
	}
	if o := outcomes[2]; o.Err != nil || len(o.Slices) != 1 || o.Slices[0].perSecond <= 0 {
		t.Errorf("ours beside them: %+v", o)
	}
}

func TestTheWorstOfTheBarsStands(t *testing.T) {
	bar := func(measure string, got float64) report.Bar { return report.AtMost("s", measure, 1, "", got) }
	all := worstOf(nil, []report.Bar{bar("a", 1), bar("b", 5)})
	all = worstOf(all, []report.Bar{bar("a", 3), bar("b", 2), bar("c", 1)})
	all = worstOf(all, []report.Bar{bar("a", 2), bar("c", math.NaN())})
	if len(all) != 3 || all[0].Got != 3 || all[1].Got != 5 || !math.IsNaN(all[2].Got) {
		t.Errorf("%+v", all)
	}
}

func TestSpreadIsThatOfTheWorstRound(t *testing.T) {
	o := contest.Outcome[turns]{Slices: []turns{{most: 10, fewest: 8}, {most: 30, fewest: 20, starved: 0}, {most: 9, fewest: 8}}}
	if fewest, most, starved := spread(o); fewest != 20 || most != 30 || starved != 0 {
		t.Errorf("%d to %d, %d starved", fewest, most, starved)
	}
	o.Slices = append(o.Slices, turns{most: 5, fewest: 0, starved: 3})
	if fewest, most, starved := spread(o); fewest != 0 || most != 5 || starved != 3 {
		t.Errorf("%d to %d, %d starved", fewest, most, starved)
	}
}

func TestAChartsLineIsInOrder(t *testing.T) {
	var l lines
	l.add("a", report.Us, 64, 1)
	l.add("b", report.Peer, 1, 9)
	l.add("a", report.Us, 1, 2)
	if len(l.all) != 2 || l.all[0].Points[0] != (report.Point{X: 1, Y: 2}) || l.all[0].Points[1] != (report.Point{X: 64, Y: 1}) {
		t.Errorf("%+v", l.all)
	}
}

// One pipeline, or two, four and so on, of 64 each.
func TestPipelinesHaveNoMoreLocksUnderWayThanThereAreGoroutines(t *testing.T) {
	for _, c := range []struct{ workers, ways int }{{1, 1}, {8, 1}, {63, 1}, {64, 1}, {128, 2}, {512, 4}} {
		ways := pipelineWays(contestant.Use{Workers: c.workers}, contest.NewKeys(max(c.workers, 2)))
		if len(ways) != c.ways {
			t.Errorf("for %d goroutines there are %d ways to pipeline, want %d", c.workers, len(ways), c.ways)
		}
	}
}
