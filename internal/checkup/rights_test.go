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
	return resident{key: key, literal: literal, timeout: time.Second, Settings: engine.Settings{
		Name: m.Name, Expiration: m.Expiration, DriftFactor: m.DriftFactor, Fencing: m.Fencing, RestartGuard: m.RestartGuard}}
}

func TestNeedsAreWhatTheRuleOfMutexgenACLAllows(t *testing.T) {
	for _, fields := range []string{"", ", fencing: true, restart_guard: off", ", restart_guard: on, expiration: 10s", ", fencing: true, restart_guard: on, expiration: 10s"} {
		for _, key := range []string{"n", "account:{id:int64}:transfer", "{resource:string}"} {
			file, findings := definition.Parse("m.yaml", []byte("version: 1\nmutexes:\n- {name: A, url: redis://h, key: '"+key+"'"+fields+"}\n"))
			if file == nil || findings.HasErrors() {
				t.Fatal(findings)
			}
			rule := acl.Rules(file, "")[0]
			var allowed, needed []string
			for _, command := range rule.Commands {
				allowed = append(allowed, strings.TrimPrefix(command, "+"))
			}
			for _, n := range needs(residentOf(&file.Mutexes[0]), 0) {
				needed = append(needed, n.name())
			}
			slices.Sort(allowed)
			slices.Sort(needed)
			if needed = slices.Compact(needed); !slices.Equal(allowed, needed) {
				t.Errorf("%s%s: the rule allows %q, needed are %q", key, fields, allowed, needed)
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
