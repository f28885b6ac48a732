package model

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestCountersInWholeSecondsNeedOneRound measures why counters begin with a node's clock in whole seconds: with
// microseconds tokens would be in order too, but nodes would hardly ever agree on a counter in the first round.
func TestCountersInWholeSecondsNeedOneRound(t *testing.T) {
	const acquires = 20_000
	for _, gap := range []time.Duration{time.Millisecond, 100 * time.Millisecond, 3 * time.Second} {
		micro := secondRounds(t, acquires, gap, func(clock time.Duration) int64 { return clock.Microseconds() })
		whole := secondRounds(t, acquires, gap, func(clock time.Duration) int64 { return int64(clock/time.Second) << 20 })
		t.Logf("an acquire every %5v: %5.1f %% need a second round with microseconds, %.2f %% with whole seconds",
			gap, 100*float64(micro)/acquires, 100*float64(whole)/acquires)
		if micro < acquires/2 || whole > acquires/50 {
			t.Errorf("of %d acquires, one every %v, %d need a second round with microseconds, %d with whole seconds",
				acquires, gap, micro, whole)
		}
		if gap == 3*time.Second && whole == 0 {
			t.Error("never in a second round, though clocks differ: nothing was measured")
		}
	}
}

// secondRounds has so many acquires, about one every gap, and counts those whose first two answers of three differ.
// Clocks are up to a millisecond off, and a request takes 50 to 500 microseconds there, and as long back.
func secondRounds(t *testing.T, acquires int, gap time.Duration, begin func(clock time.Duration) int64) int {
	random := rand.New(rand.NewPCG(1, uint64(gap)))
	way := func() time.Duration { return 50*time.Microsecond + time.Duration(random.IntN(450))*time.Microsecond }
	type node struct {
		off     time.Duration
		counter int64
	}
	nodes := make([]node, 3)
	for i := range nodes {
		nodes[i].off = time.Duration(random.IntN(2000)-1000) * time.Microsecond
	}
	var last int64
	second := 0
	now := 1_800_000_000 * time.Second
	for range acquires {
		now += time.Duration(random.ExpFloat64() * float64(gap))
		type answer struct {
			at      time.Duration
			counter int64
		}
		var answers []answer
		for i := range nodes {
			n := &nodes[i]
			arrives := now + way()
			n.counter = max(n.counter+1, begin(arrives+n.off))
			answers = append(answers, answer{arrives + way(), n.counter})
		}
		slices.SortFunc(answers, func(a, b answer) int { return int(a.at - b.at) })
		token := max(answers[0].counter, answers[1].counter)
		now = answers[1].at
		if answers[0].counter != answers[1].counter {
			second++
			now += way() + way()
			for i := range nodes {
				nodes[i].counter = max(nodes[i].counter, token)
			}
		}
		if token <= last {
			t.Fatalf("token %d after %d", token, last)
		}
		last = token
	}
	return second
}
