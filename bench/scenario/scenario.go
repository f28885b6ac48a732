// Package scenario is what is measured: one file for each kind of work that a lock has to do, with the bars that this
// library has to reach there.
package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
)

// Scenario is one table, or a few that belong together.
type Scenario struct {
	// Name is what -run and the markers in the documentation call it.
	Name string
	// About says in a line what is measured.
	About string
	run   func(*Run) (Result, error)
}

// All are the scenarios in the order of the report.
var All = []Scenario{
	{"pair", "acquire and release, one goroutine", pairs},
	{"pair-awake", "the same, with every core kept awake", pairsAwake},
	{"throughput", "acquire and release, many goroutines on distinct keys", throughput},
	{"fault", "one node of three or five hangs or is killed", faults},
	{"handover", "many wait for one key, over sixteen clients", handovers},
	{"handover-local", "many wait for one key, in one client", handoversLocal},
	{"handover-quorum", "sixteen wait for one key on three nodes", handoversQuorum},
	{"renewal", "many locks, renewed", renewals},
	{"fencing", "what fencing tokens and a restart guard cost", fencing},
	{"deadline", "acquires whose contexts end at once", deadlines},
}

// Run is one run of the benchmark.
type Run struct {
	Context context.Context
	Fleet   *redisserver.Fleet
	Size    Size
	// Progress is told what is measured now.
	Progress func(format string, arguments ...any)
}

// Result is what a scenario measured.
type Result struct {
	Tables []*report.Table
	Charts []report.Chart
	Bars   []report.Bar
}

// Measure runs one scenario.
func (r *Run) Measure(s Scenario) (Result, error) {
	start := time.Now()
	r.Progress("%s: %s", s.Name, s.About)
	result, err := s.run(r)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	r.Progress("%s: took %v", s.Name, time.Since(start).Round(100*time.Millisecond))
	return result, nil
}

// library is a contestant in a scenario: the ways to use it, of which the best takes part.
type library struct {
	name     string
	kind     report.Kind
	variants []contestant.Variant
	// rounds, if not zero, is how many rounds it takes part in: who needs much time gets less of it.
	rounds int
}

// ours is this library.
func ours() library {
	return library{name: contestant.OursName, kind: report.Us, variants: []contestant.Variant{contestant.Ours()}}
}

// The limits' names in the tables.
const (
	commandsName  = "L1: one command per round trip"
	pipelinesName = "L2: pipelines of 64"
	tokenName     = "L5: BLPOP token"
)

// overOneNode and overNodes are the libraries that lock on one node, and on several.
func overOneNode() []library {
	return append(overNodes(),
		library{name: "redislock", variants: contestant.Redislock()},
		library{name: "redislock, AutoPipeline", variants: contestant.RedislockOverAutoPipeline()},
		library{name: contestant.RueidislockReadmeName, variants: []contestant.Variant{contestant.RueidislockReadme}},
		library{name: contestant.RueidislockDefaultName, variants: []contestant.Variant{contestant.RueidislockDefault}},
	)
}

func overNodes() []library {
	return []library{
		{name: "redsync", variants: contestant.Redsync()},
		{name: "redsync, FailFast", variants: contestant.Redsync(contestant.FailFast)},
		{name: "redsync, rueidis", variants: contestant.RedsyncOverRueidis()},
		{name: "redsync, AutoPipeline", variants: contestant.RedsyncOverAutoPipeline()},
	}
}
