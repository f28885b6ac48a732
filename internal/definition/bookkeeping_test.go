package definition

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestNobodyLocksWhatNodesKeepBesideTheLocksOfOthers(t *testing.T) {
	const (
		counter = "B locks the key at which nodes keep a fencing counter of A: "
		some    = "B locks a key at which nodes keep a fencing counter of A: "
		can     = "warning: B can lock a key at which nodes keep a fencing counter of A: "
		birth   = "B locks the key at which nodes keep when their data began: \"mutexgen:birth\"\n"
		might   = "warning: B can lock the key at which nodes keep when their data began: \"mutexgen:birth\""
	)
	const fenced, guarded, there = "fencing: true, restart_guard: off, url: redis://a, ", "restart_guard: on, url: redis://a, ", "url: redis://a, "
	for _, test := range []struct{ a, b, want string }{
		{fenced + "key: a", there + "key: '{{a}}:fence'", counter},
		{fenced + "key: a", there + "key: '{{a}}:fenc'", ""},
		{fenced + "key: a", there + "key: 'a:fence'", ""},
		{fenced + "key: a", "url: redis://b, key: '{{a}}:fence'", ""},
		{fenced + "key: a", "url: redis://a/1, key: '{{a}}:fence'", ""},
		{fenced + "key: a", "servers: [redis://a, redis://b, redis://c], key: '{{a}}:fence'", counter},
		{fenced + "key: a", "cluster: [[redis://a], [redis://b]], key: '{{a}}:fence'", can},
		{fenced + "key: '{{t}}a'", there + "key: '{{t}}a:fence'", counter},
		{fenced + "key: '{{t}}a'", there + "key: '{{{{t}}a}}:fence'", ""},
		{fenced + "key: '{{}}a'", there + "key: '{{{{}}a}}:fence'", counter},
		{fenced + "key: '{{}}{x:string}'", there + "key: '{{}}{x:string}:fence'", ""}, // a value of A's may be all of B's
		{fenced + "key: 'a:{x:int}'", there + "key: '{{a:{y:int64}}}:fence'", some},
		{fenced + "key: 'a:{x:int}'", there + "key: '{{a:5}}:fence'", can},
		{fenced + "key: 'a:{x:int}'", there + "key: '{{a:five}}:fence'", ""},
		{fenced + "key: 'a:{x:string}b'", there + "key: 'a:{y:string}b:fence'", can},
		{fenced + "key: '{{{x:int}}}'", there + "key: '{{{y:int}}}:fence'", some},
		{fenced + "key: '{{{x:int}}}'", there + "key: '{{{{{y:int}}}}}:fence'", ""},
		{fenced + "key: a", there + "key: '{y:string}:fence'", can},
		{fenced + "key: a", there + "key: 'b{y:string}'", ""},
		{fenced + "key: a", there + "key: '{y:string}:{z:int}'", ""}, // who locks anything by its name is trusted
		{there + "key: a", there + "key: '{{a}}:fence'", ""},
		{fenced + "key: a", fenced + "key: '{{a}}:fence'", counter},
		{guarded + "key: a", there + "key: mutexgen:birth", birth},
		{guarded + "key: a", "url: redis://b, key: mutexgen:birth", ""},
		{there + "key: a", guarded + "key: mutexgen:birth", birth},
		{there + "key: a", there + "key: mutexgen:birth", ""},
		{guarded + "key: a", "cluster: [[redis://a], [redis://b]], key: mutexgen:birth", might},
		{guarded + "key: a", there + "key: 'mutexgen:{x:string}'", might},
		{guarded + "key: a", there + "key: 'mutexgen:{x:int}'", ""},
		{guarded + "key: 'a:{x:int}'", guarded + "key: '{x:string}birth'", might},
		{guarded + "key: 'a:{x:int}'", there + "key: '{x:string}.{y:string}'", ""},
	} {
		got := headlines("version: 1\ndefaults: {expiration: 1m}\nmutexes:\n- {name: A, " + test.a + "}\n- {name: B, " + test.b + "}\n")
		found := strings.Contains(got, "nodes keep")
		if found != (test.want != "") || !strings.Contains(got, ": "+test.want) && found {
			t.Errorf("%s | %s: got\n%swant\n%s", test.a, test.b, got, test.want)
		}
	}
}

func TestBothPlacesAreNamed(t *testing.T) {
	got := headlines("version: 1\ndefaults: {url: redis://a, restart_guard: on, expiration: 1m}\nmutexes:\n" +
		"- {name: A, key: a, fencing: true}\n- {name: B, key: '{{a}}:fence'}\n- {name: C, key: mutexgen:birth}\n")
	want := "5:18: B locks the key at which nodes keep a fencing counter of A: \"{{a}}:fence\"\n4:18: A\nhint: give it another key\n" +
		"6:18: C locks the key at which nodes keep when their data began: \"mutexgen:birth\"\n2:43: restart_guard\nhint: give it another key\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestManyFencedMutexesAreReadQuickly(t *testing.T) {
	for name, key := range map[string]string{
		"usual":           "account:%d:{id:int64}",
		"like counters":   "{tenant:string}%d:fence",
		"all counters":    "{tenant:string}%.0d:fence",
		"never meet":      "{{{id:int64}%d}}:fence",
		"tags":            "{{a%d}}:{tenant:string}:fence",
		"like the birth":  "mutexgen:{tenant:string}%d",
		"may be anything": "{tenant:string}%.0d",
	} {
		var text strings.Builder
		text.WriteString("version: 1\ndefaults: {fencing: true, restart_guard: on, expiration: 1m}\nmutexes:\n")
		for i := range 1000 {
			fmt.Fprintf(&text, "  - {name: Mutex%d, url: redis://a%d, key: '"+key+"'}\n", i, i%10*i, i)
		}
		begin := time.Now()
		_, findings := Parse("mutexes.yaml", []byte(text.String()))
		took := time.Since(begin)
		t.Logf("%s: %v, %d findings", name, took, len(findings))
		if took > 3*time.Second { // a tenth of it, on a machine with nothing else to do
			t.Errorf("%s: %v", name, took)
		}
	}
}

// The key of a lock's counter, by the engine's rule, is among those that are compared.
func TestNoCounterIsMissed(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	tagged, untagged, sure := 0, 0, 0
	for range 2000 {
		text := pick("", "a", "{{", "}}", "{{}}")
		for i := range 1 + random.IntN(3) {
			text += fmt.Sprintf("{p%d:%s}%s", i, pick("int", "uint64", "bool", "string", "x.T"), pick("-", "{{", "}}", "{{t}}", ":"))
		}
		key, _ := parseKey(text)
		c := &claim{draft: &draft{Mutex: Mutex{Key: key}}}
		all := c.counters()
		var made strings.Builder
		for _, part := range key.Parts {
			switch {
			case part.Parameter == nil:
				made.WriteString(part.Literal)
			case part.Parameter.Type == "bool":
				made.WriteString(pick("true", "false"))
			case part.Parameter.Type == "string", part.Parameter.Import != "":
				made.WriteString(pick("a", "{", "}", "{}", "{a}", "}{"))
			default:
				made.WriteString(pick("0", "11"))
			}
		}
		lock := made.String()
		counter := "{" + lock + "}:fence"
		if _, rest, opened := strings.Cut(lock, "{"); opened && strings.Index(rest, "}") > 0 {
			counter = lock + ":fence"
			tagged++
		} else {
			untagged++
		}
		literal := newTemplate(Key{Parts: []Part{{Literal: counter}}})
		found := false
		for _, f := range all {
			found = found || (&meeting{budget: meetingBudget}).possible(&literal, &f.key)
			if f.certain {
				sure++
				if len(all) > 1 {
					t.Errorf("%s: certain, but one of two", text)
				}
			}
		}
		if !found {
			t.Errorf("%s: the counter of %q is %q, which is not found", text, lock, counter)
		}
	}
	if tagged < 200 || untagged < 200 || sure < 200 {
		t.Errorf("%d tagged, %d not, %d sure: the test says little", tagged, untagged, sure)
	}
}
