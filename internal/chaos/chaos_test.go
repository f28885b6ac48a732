package chaos

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
	"github.com/mutexgen/mutexgen/internal/chaos/report"
	"github.com/mutexgen/mutexgen/internal/chaos/storm"
)

// Four processes of four workers each contend for a few locks while all faults befall nodes and processes, again and again.
// Where nodes may lose their data the mutexes have restart guards; elsewhere they need none. No two may hold a lock at once,
// and tokens increase.
func TestChaos(t *testing.T) {
	t.Parallel() // with the control, which bears it
	began := time.Now()
	random := rand.New(rand.NewPCG(*seed, 1))
	total := storm.NewOutcome()
	for i := 0; i == 0 || time.Since(began) < *duration; i++ {
		pair := [...]storm.Settings{guarded(random, *duration > 0), unguarded(random, *duration > 0)}
		seeds := [...]uint64{random.Uint64(), random.Uint64()}
		outcomes := make(chan *storm.Outcome, len(pair))
		t.Run(fmt.Sprint("pair ", i), func(t *testing.T) {
			for j, s := range pair {
				t.Run(s.Name, func(t *testing.T) {
					t.Parallel()
					o := storm.Run(t, s, seeds[j])
					for _, v := range o.Violations {
						t.Error(v)
					}
					outcomes <- o
				})
			}
		})
		close(outcomes)
		for o := range outcomes {
			total.Add(o)
		}
	}
	for _, kind := range storm.Kinds() {
		if total.Faults[kind] == 0 {
			t.Errorf("never: %s", kind)
		}
	}
	if holds := storm.Sum(total.Holds); holds < 100 || total.Tokens < 20 {
		t.Errorf("%d locks held, %d tokens: that shows little", holds, total.Tokens)
	}
	tell(t, "what was tried in %v:\n\n%v\n%v", time.Since(began).Round(time.Second), total, report.Place(*seed))
}

// guarded is a storm in which nodes may lose their data.
func guarded(random *rand.Rand, long bool) storm.Settings {
	s := storm.Settings{
		Nodes: []fleet.Persistence{fleet.Nothing, fleet.Everysec, fleet.Always, fleet.Nothing, fleet.Everysec},
		Keep:  *keep, Mutexes: []string{"Guarded", "GuardedOnly"}, Processes: 4, Workers: 4, Keys: 2, Lossy: true,
		Length: 7 * time.Second, Gap: 400 * time.Millisecond, ProcessGap: 2 * time.Second,
	}
	if long {
		vary(&s, random)
		sets := [][]string{{"Guarded", "GuardedOnly"}, {"Guarded", "GuardedBrief"}, {"GuardedLong", "Guarded"}, {"Guarded"}}
		s.Mutexes = sets[random.IntN(len(sets))]
		s.Bursts = random.IntN(3) > 0
		if losing := random.IntN(6); s.Bursts && losing < 3 {
			s.Only = []string{[]string{"kill -9, comes back empty", "kill -9, AOF everysec, its last second lost", "FLUSHALL"}[losing]}
		}
		if s.Bursts {
			for i := range s.Nodes { // else there is no majority that such a thing can befall
				s.Nodes[i] = fleet.Everysec
			}
		}
	}
	s.Name = fmt.Sprintf("nodes may lose their data, %d nodes", len(s.Nodes))
	return s
}

// unguarded is one in which they may not.
func unguarded(random *rand.Rand, long bool) storm.Settings {
	s := storm.Settings{
		Nodes: []fleet.Persistence{fleet.Nothing, fleet.Everysec, fleet.Always},
		Keep:  *keep, Mutexes: []string{"Plain", "Fenced"}, Processes: 4, Workers: 4, Keys: 2,
		Length: 12 * time.Second, Gap: 400 * time.Millisecond, ProcessGap: 2 * time.Second,
	}
	if long {
		vary(&s, random)
		sets := [][]string{{"Plain", "Fenced"}, {"Brief", "Fenced"}, {"Steady", "Fenced"}, {"Fenced"}}
		s.Mutexes = sets[random.IntN(len(sets))]
	}
	s.Name = fmt.Sprintf("nodes keep their data, %d nodes", len(s.Nodes))
	return s
}

// vary draws what differs from one storm to the next.
func vary(s *storm.Settings, random *rand.Rand) {
	s.Nodes = make([]fleet.Persistence, 3+2*random.IntN(2))
	for i := range s.Nodes {
		s.Nodes[i] = []fleet.Persistence{fleet.Nothing, fleet.Everysec, fleet.Always}[random.IntN(3)]
	}
	s.Keys = 1 + random.IntN(5)
	if s.Tenacious = random.IntN(4) == 0; s.Tenacious {
		s.Keys = 6
	}
	s.Length = time.Minute
	s.Gap = []time.Duration{400, 800, 1600, 3200}[random.IntN(4)] * time.Millisecond
	s.ProcessGap = []time.Duration{1000, 3000}[random.IntN(2)] * time.Millisecond
}

// The judges must be able to find what they look for: where nodes lose their data and nothing guards against that, there are
// two holders before long.
func TestWithoutRestartGuardTheJudgesFindViolations(t *testing.T) {
	t.Parallel()
	s := storm.Settings{
		Name: "control", Keep: *keep, Nodes: []fleet.Persistence{fleet.Nothing, fleet.Nothing, fleet.Nothing},
		Mutexes: []string{"Fenced"}, Processes: 4, Workers: 4, Keys: 8, Tenacious: true,
		Lossy: true, Only: []string{"kill -9, comes back empty"}, Length: 3 * time.Second, Gap: 100 * time.Millisecond,
	}
	found := make(map[string]int)
	const tries = 4
	for try := range uint64(tries) {
		o := storm.Run(t, s, *seed+try)
		for _, v := range o.Violations {
			found[v.Rule]++
		}
		t.Logf("%d locks, %d nodes killed: %v", storm.Sum(o.Holds), storm.Sum(o.Faults), found)
		if found["two holders"] > 0 && found["model"] > 0 {
			return
		}
	}
	t.Errorf("nothing found in %d storms: %v", tries, found)
}
