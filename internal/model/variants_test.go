package model

import (
	"fmt"
	"strings"
	"testing"
)

// The bounds that counterexamples need.
var (
	two    = bounds{nodes: 3, attempts: 2, counters: 2}
	three  = bounds{nodes: 3, attempts: 3, counters: 2}
	longer = bounds{nodes: 3, attempts: 2, counters: 2, extensions: 1}
	equal  = bounds{nodes: 3, attempts: 2}
	fresh  = bounds{nodes: 3, attempts: 2, losses: 1, ticks: 1}
	lossy  = bounds{nodes: 3, attempts: 2, counters: 1, losses: 1, ticks: 1}
	both   = bounds{nodes: 3, attempts: 2, counters: 1, extensions: 1, losses: 1}
	calm   = bounds{nodes: 3, attempts: 1, doubles: 1, calm: true}
)

// variants are ways to get the protocol wrong, and the promise that each of them breaks.
var variants = []struct {
	name   string
	wrong  string // what it does
	has    protocol
	bounds bounds
	breaks property
}{
	{"no write-back", "the token is the largest counter of a quorum, and nothing is written back",
		protocol{noWriteBack: true}, two, order},
	{"write-back on any node", "a raise counts on nodes that do not hold the attempt's own key",
		protocol{raiseAny: true}, two, order},
	{"counters from zero", "a node that lost its data waits out a quarantine, and then counts from zero",
		protocol{fromZero: true}, lossy, order},
	{"counters expire", "counters expire, and then begin at zero",
		protocol{forget: true}, two, order},
	{"one node's counter", "the token is one node's counter, though no quorum agrees on it",
		protocol{oneCounter: true}, two, order},
	{"raise as a vote", "a raise stands in for the answer to an acquire, even if it leaves more than the token",
		protocol{raiseAsVote: true, largerIsEqual: true}, two, order},
	{"raise as a vote, equal", "a raise stands in for the answer to an acquire, if it leaves the token",
		protocol{raiseAsVote: true}, lossy, order},
	{"no guard", "a node that lost its data votes at once",
		protocol{guard: noGuard}, fresh, exclusion},
	{"uptime only", "the guard looks at the uptime alone, which does not tell of a FLUSHALL",
		protocol{guard: onlyUptime}, fresh, exclusion},
	{"birth key only", "the guard looks at the birth key alone, which a file that lacks the last second still has",
		protocol{guard: onlyBirth}, fresh, exclusion},
	{"extension in quarantine", "a node in quarantine sets a missing key again for an extension",
		protocol{extendQuarantined: true}, both, exclusion},
	{"late answers", "an attempt counts answers that come after its deadline",
		protocol{lateVotes: true}, two, exclusion},
	{"no drift", "validity lasts as long as the keys do",
		protocol{holdOn: true}, two, exclusion},
	{"revival", "an extension revives a lock that is past its deadline",
		protocol{revive: true}, longer, order},
	{"plain DEL", "a release deletes whatever stands at the key",
		protocol{plainDelete: true}, three, exclusion},
	{"owner value reused", "an attempt has the owner value of one that ended",
		protocol{reuseOwner: true}, two, order},
	{"quorum off by one", "one node fewer than a majority is enough",
		protocol{halfQuorum: true}, equal, exclusion},
	{"repeats count", "a node counts again when it gets a request again",
		protocol{repeatIncrements: true}, calm, oneRound},
}

func TestEveryVariantIsFoundBroken(t *testing.T) {
	table := fmt.Sprintf("%-24s  %-85s  %6s  %8s  %14s  %s",
		"variant", "what it does", "events", "states", "states of ours", "what breaks")
	right := make(map[bounds]int)
	for _, v := range variants {
		if right[v.bounds] == 0 && (!raceDetector() || v.bounds.attempts+v.bounds.losses+v.bounds.extensions < 3) {
			r, err := explore(newFence(v.bounds, protocol{}), most)
			if err != nil || r.broken != nothing {
				t.Fatalf("%v: ours is broken too: %v, %s\n%s", v.bounds, err, r.broken, strings.Join(r.trace, "\n"))
			}
			right[v.bounds] = r.states
		}
		r, err := explore(newFence(v.bounds, v.has), most)
		if err != nil || r.broken != v.breaks {
			t.Errorf("%s: %v, broken %q, want %q", v.name, err, r.broken, v.breaks)
			continue
		}
		if len(r.trace) != r.depth+1 || r.depth < 2 {
			t.Errorf("%s: %d events, told in %d lines", v.name, r.depth, len(r.trace))
		}
		t.Logf("%s: %s, in %v:\n%s", v.name, v.wrong, v.bounds, strings.Join(r.trace, "\n"))
		table += fmt.Sprintf("\n%-24s  %-85s  %6d  %8d  %14d  %s",
			v.name, v.wrong, r.depth, r.states, right[v.bounds], r.broken)
	}
	t.Logf("how many events lead to a broken promise, and how many states are explored until then; and of ours within the "+
		"same bounds, where none is broken:\n%s", table)
}

// TestRulesThatAreNotNeeded is about what ours does though nothing breaks without it: whoever changes it need not fear for
// the promises. If one of them breaks here, the rule is needed after all.
func TestRulesThatAreNotNeeded(t *testing.T) {
	for _, rule := range []struct {
		name string
		has  protocol
	}{
		{"a raise counts only if the counter is then the token, not larger", protocol{largerIsEqual: true}},
		{"a node does not count again when it gets a request again", protocol{repeatIncrements: true}},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for _, b := range []bounds{
				{nodes: 3, attempts: 2, counters: 2, doubles: 1},
				{nodes: 3, attempts: 3, counters: 0, doubles: 1},
				{nodes: 3, attempts: 2, counters: 0, extensions: 1, losses: 1, ticks: 1},
			} {
				if b.attempts*(1+b.losses) > 2 && raceDetector() {
					break
				}
				t.Log(wantUnbroken(t, newFence(b, rule.has), most))
			}
		})
	}
}
