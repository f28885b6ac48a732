package storm

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/fleet"
)

func settings(lossy bool, length time.Duration) Settings {
	s := Settings{
		Nodes: []fleet.Persistence{fleet.Nothing, fleet.Everysec, fleet.Always}, Processes: 4, Lossy: lossy,
		Length: length, Gap: 400 * time.Millisecond, ProcessGap: time.Second, Expiration: time.Second,
	}
	if lossy {
		s.Quarantine = 7 * time.Second
	}
	return s
}

func planOf(s Settings, seed uint64) []event { return s.plan(rand.New(rand.NewPCG(seed, 0))) }

func TestSeedDecidesThePlan(t *testing.T) {
	text := func(seed uint64) (lines []string) {
		for _, e := range planOf(settings(true, 30*time.Second), seed) {
			lines = append(lines, e.String())
		}
		return lines
	}
	if !reflect.DeepEqual(text(1), text(1)) {
		t.Error("two plans of one seed differ")
	}
	if reflect.DeepEqual(text(1), text(2)) {
		t.Error("two seeds have one plan")
	}
}

func TestEachPossibleFaultComesHoweverShortTheStorm(t *testing.T) {
	for seed := range uint64(50) {
		for _, lossy := range []bool{false, true} {
			seen := make(map[string]bool)
			for _, e := range planOf(settings(lossy, time.Second), seed) {
				seen[e.name()] = true
			}
			for _, f := range fleet.Faults(time.Second) {
				if possible := lossy || !f.Loses; seen[f.Name] != possible {
					t.Errorf("seed %d, lossy %t: %s: %t", seed, lossy, f.Name, seen[f.Name])
				}
			}
			if !seen[stopsWorker] || !seen[killsWorker] {
				t.Errorf("seed %d: no fault of a process", seed)
			}
		}
	}
}

func TestNoServerNoNetworkAndNoProcessHasTwoFaultsAtOnce(t *testing.T) {
	type where struct {
		what   string
		number int
	}
	for seed := range uint64(50) {
		free := make(map[where]time.Duration)
		begun := time.Duration(0)
		for _, e := range planOf(settings(true, time.Minute), seed) {
			if e.at < begun {
				t.Errorf("seed %d: %v comes out of turn", seed, e)
			}
			begun = e.at
			what, numbers := "process", []int{e.process}
			if e.fault != nil {
				what, numbers = "server", e.nodes
				if e.fault.Network {
					what = "network"
				}
				if d := e.until - e.at; d < e.fault.Least || d > e.fault.Most {
					t.Errorf("seed %d: %v lasts %v", seed, e, d)
				}
			}
			for _, number := range numbers {
				if at := (where{what, number}); e.at < free[at] || e.until < e.at {
					t.Errorf("seed %d: %v begins before %v", seed, e, free[at])
				} else {
					free[at] = e.until
				}
			}
		}
	}
}

func TestBurstsLeaveTimeForLocksBetweenThem(t *testing.T) {
	s := settings(true, 2*time.Minute)
	s.Bursts, s.Only = true, []string{"kill -9, comes back empty", "SIGSTOP"}
	quiet, many := time.Duration(0), 0
	for _, e := range planOf(s, 1) {
		if e.fault == nil || !e.fault.Loses {
			continue
		}
		if many++; len(e.nodes) < 2 || e.at < quiet {
			t.Errorf("%v", e)
		}
		quiet = e.until + s.Quarantine
	}
	if many < 10 {
		t.Errorf("%d in two minutes", many)
	}
}

func TestOnlyTheFaultsAskedForCome(t *testing.T) {
	s := settings(true, time.Minute)
	s.Only = []string{"SIGSTOP", "kill -9, comes back empty"}
	s.ProcessGap = 0
	times := make(map[string]int)
	for _, e := range planOf(s, 1) {
		times[e.name()]++
	}
	if len(times) != 2 || times["SIGSTOP"] == 0 || times["kill -9, comes back empty"] == 0 {
		t.Error(times)
	}
}

func TestFaultNeedsThePersistenceThatItIsAbout(t *testing.T) {
	for seed := range uint64(20) {
		s := settings(true, time.Minute)
		for _, e := range planOf(s, seed) {
			for _, n := range e.nodes {
				if e.fault.Needs != "" && s.Nodes[n] != e.fault.Needs {
					t.Errorf("seed %d: %v, but the node's is %s", seed, e, s.Nodes[n])
				}
			}
		}
	}
}
