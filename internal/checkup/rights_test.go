package checkup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/engine"
)

// residentOf is a definition as judges see it.
func residentOf(m *definition.Mutex) resident {
	key, literal := LiteralKey(m.Key.Template)
	return resident{key: key, literal: literal, counter: "counter", timeout: time.Second, Settings: engine.Settings{
		Name: m.Name, Expiration: m.Expiration, DriftFactor: m.DriftFactor, Fencing: m.Fencing, RestartGuard: m.RestartGuard}}
}

func TestNeedsAreWhatTheRuleOfMutexgenACLAllows(t *testing.T) {
	for _, fields := range []string{"", ", replicas: 1", ", fencing: true, restart_guard: off", ", restart_guard: on, expiration: 10s", ", fencing: true, restart_guard: on, expiration: 10s"} {
		for _, at := range []struct{ key, url, kind string }{
			{"n", "redis://h", "server"}, {"account:{id:int64}:transfer", "redis://h", "server"}, {"{resource:string}", "redis://h", "server"},
			{"n", "redis+sentinel://h/master", "sentinel"}, {"n", "redis+cluster://h", "cluster"},
		} {
			if at.kind == "cluster" && strings.Contains(fields, "restart_guard: on") {
				continue // which a cluster can't have
			}
			file, findings := definition.Parse("m.yaml", []byte("version: 1\nmutexes:\n- {name: A, url: '"+at.url+"', key: '"+at.key+"'"+fields+"}\n"))
			if file == nil || findings.HasErrors() {
				t.Fatal(findings)
			}
			rules := acl.Rules(file, "")
			rule := rules[slices.IndexFunc(rules, func(r acl.Rule) bool { return !r.Sentinels })]
			var allowed, needed []string
			for _, command := range rule.Commands {
				allowed = append(allowed, strings.TrimPrefix(command, "+"))
			}
			for _, n := range needs(residentOf(&file.Mutexes[0]), &node{Node: Node{Kind: at.kind}, replicas: file.Mutexes[0].Replicas}) {
				needed = append(needed, n.name())
			}
			slices.Sort(allowed)
			slices.Sort(needed)
			if needed = slices.Compact(needed); !slices.Equal(allowed, needed) {
				t.Errorf("%s %s%s: the rule allows %q, needed are %q", at.url, at.key, fields, allowed, needed)
			}
		}
	}
}

func TestAnAnswerThatDoesNotFitTellsNothing(t *testing.T) {
	asked := []need{{command: []string{"get", "n"}, object: "n", needed: true}, {command: []string{"pubsub", "numsub"}}}
	for answer, want := range map[string]bool{"": false, "1": false, "111": false, "11": true, "??": true} {
		rights, absent, ok := denied(answer, asked, []string{"A", "A"})
		if ok != want || len(rights)+len(absent) > 0 {
			t.Errorf("%q: %v %v %v", answer, rights, absent, ok)
		}
	}
	rights, absent, _ := denied("0e", asked, []string{"A", "B"})
	if len(rights) != 1 || rights[0] != (Right{"A", "get", "n", true}) || !slices.Equal(absent, []string{"pubsub numsub"}) {
		t.Errorf("%+v %q", rights, absent)
	}
}
