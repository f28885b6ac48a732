package model

import (
	"fmt"
	"strings"
	"testing"
)

// TestClocks is about when tokens go backwards, by how many seconds clocks may be apart: twice what each may be wrong by.
func TestClocks(t *testing.T) {
	for _, c := range []struct {
		name   string
		what   string // the seconds that the table's columns are about
		spread int    // at most
		most   int
		bounds func(spread, seconds int) clockBounds
		broken func(spread, seconds int) bool
	}{
		{
			"the rule of life holds whatever clocks say, for a second at least",
			"memory", 4, 3,
			func(spread, memory int) clockBounds {
				return clockBounds{spread: spread, memory: memory, life: true, attempts: 3, horizon: 2*memory + spread + 3}
			},
			func(spread, memory int) bool { return memory == 0 },
		},
		{
			"a life of the memory alone has to be longer than clocks are apart",
			"memory", 4, 4,
			func(spread, memory int) clockBounds {
				return clockBounds{spread: spread, memory: memory, attempts: 3, horizon: memory + spread + 3}
			},
			func(spread, memory int) bool { return memory <= spread },
		},
		{
			"the memory has to be longer than clocks are set back by",
			"memory", 2, 3,
			func(spread, memory int) clockBounds {
				return clockBounds{spread: spread, memory: memory, life: true, attempts: 3, steps: 2, horizon: memory + spread + 2}
			},
			func(spread, memory int) bool { return memory <= spread },
		},
		{
			"the quarantine has to be longer than clocks are apart",
			"quarantine", 3, 3,
			func(spread, quarantine int) clockBounds {
				return clockBounds{
					spread: spread, memory: 2, quarantine: quarantine, life: true,
					attempts: 3, losses: 1, horizon: quarantine + spread + 2,
				}
			},
			func(spread, quarantine int) bool { return quarantine <= spread },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			spreads := c.spread
			if raceDetector() {
				spreads = min(spreads, 1)
			}
			table := fmt.Sprintf("%10s ", c.what)
			for seconds := range c.most + 1 {
				table += fmt.Sprintf(" %8ds", seconds)
			}
			var sample []string
			states := 0
			for spread := range spreads + 1 {
				table += fmt.Sprintf("\n%2ds apart: ", spread)
				for seconds := range c.most + 1 {
					r, err := explore(c.bounds(spread, seconds), most)
					if err != nil {
						t.Fatal(err)
					}
					if broken := r.broken == order; broken != c.broken(spread, seconds) {
						t.Errorf("%ds apart, %s %ds: broken %v\n%s", spread, c.what, seconds, broken, strings.Join(r.trace, "\n"))
					}
					states += r.states
					if r.broken != nothing {
						table += fmt.Sprintf(" %9s", "backwards")
						sample = r.trace
					} else {
						table += fmt.Sprintf(" %9d", r.states)
					}
				}
			}
			t.Logf("%d states\n%s", states, table)
			t.Logf("for instance, each node's clock, and its counter:\n%s", strings.Join(sample, "\n"))
		})
	}
}
