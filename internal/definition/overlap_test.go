package definition

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTemplatesThatCanMeet(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "ab", false},
		{"a:{x:string}", "a:b", true},
		{"a:{x:string}", "a:", false}, // a string is never empty
		{"a:{x:p.T}", "a:", true},     // an imported type may be
		{"a:{x:p.T}b", "a:b", true},
		{"a:{x:string}", "b:{x:string}", false},
		{"a:{x:string}", "a:{y:int}", true},
		{"a:{x:string}:c", "a:{y:string}:d", false},
		{"a:{x:string}:c", "a:{y:string}:cc", false},
		{"a:{x:string}c", "a:{y:string}:cc", true},
		{"user:{id:int64}", "user:admin", false},
		{"user:{id:int64}", "user:-7", true},
		{"user:{id:uint64}", "user:-7", false},
		{"user:{id:uint64}", "user:07", true},
		{"user:{id:int}", "user:-", false},
		{"user:{id:int}", "user:7-", false},
		{"{a:int}{{", "7{{", true},
		{"f:{b:bool}", "f:true", true},
		{"f:{b:bool}", "f:false", true},
		{"f:{b:bool}", "f:truefalse", false},
		{"f:{b:bool}", "f:tru", false},
		{"f:{b:bool}", "f:{x:int}", false},
		{"f:{b:bool}", "f:{x:string}", true},
		{"f:{b:bool}x", "f:{b:bool}", false},
		{"{a:int}:{b:int}", "{c:int}", false},
		{"{a:int}:{b:int}", "{c:string}", true},
		{"{a:int}-{b:int}", "1-2-3", false},
		{"{a:int}-{b:int}", "1--3", true},
		{"{a:string}:x", "y:{b:string}", true},
		{"{a:int}x", "1{b:string}", true},
		{"{a:int}x", "1{b:int}x", true},
		{"{a:string}", "日本", true},
	} {
		one, problems := parseKey(test.a)
		other, more := parseKey(test.b)
		if len(problems)+len(more) > 0 {
			t.Fatal(test.a, test.b, problems, more)
		}
		for _, pair := range [][2]Key{{one, other}, {other, one}} {
			a, b := newTemplate(pair[0]), newTemplate(pair[1])
			if got := (&meeting{budget: meetingBudget}).possible(&a, &b); got != test.want {
				t.Errorf("%s and %s: %v", pair[0].Template, pair[1].Template, got)
			}
		}
	}
}

func TestTheSameKeyOnTheSameNodes(t *testing.T) {
	const name = "hint: give it a key of its own\n"
	const begin = "hint: begin each key with a text of its own\n"
	for _, test := range []struct{ a, b, want string }{
		{"url: redis://a, key: k", "url: redis://a, key: k", "4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"url: redis://a, key: k", "url: 'rediss://u@A:6379/0', key: k", "4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"url: redis://a, key: k", "servers: [redis://a], key: k", "4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"url: redis://a, key: k", "url: redis://a/1, key: k", ""},
		{"url: redis://a, key: k", "url: redis://b, key: k", ""},
		{"url: redis://a, key: k", "url: redis://a, key: l", ""},
		{"url: '${A}', key: k", "url: '${A}', key: k", "4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"url: '${A}', key: k", "url: '${B}', key: k", ""},
		{"url: redis://a", "url: redis://a", "4:10: A and B lock the same key on the same nodes: \"red_mutex_lock\"\n3:10: A\n" + name},
		{"url: redis://a, key: 'k:{x:int}'", "url: redis://a, key: 'k:{y:int64}'",
			"4:%d: A and B lock the same key on the same nodes: \"k:{y:int64}\"\n3:%d: A\n" + name},
		{"url: redis://a, key: 'k:{x:string}'", "url: redis://a, key: k:b",
			"4:%d: warning: A and B can lock the same key on the same nodes: \"k:{x:string}\" and \"k:b\"\n3:%d: A\n" + begin},
		{"url: redis://a, key: k:b", "url: redis://a, key: 'k:{x:string}'",
			"4:%d: warning: A and B can lock the same key on the same nodes: \"k:b\" and \"k:{x:string}\"\n3:%d: A\n" + begin},
		{"url: redis://a, key: '{x:string}'", "url: redis://a, key: 'k:{x:string}'",
			"4:%d: warning: A and B can lock the same key on the same nodes: \"{x:string}\" and \"k:{x:string}\"\n3:%d: A\n" + begin},
		{"url: redis://a, key: 'user:{id:int64}'", "url: redis://a, key: user:admin", ""},
		{"servers: [redis://a, redis://b, redis://c], key: k", "servers: [redis://c, redis://b, redis://a], key: k",
			"4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"servers: [redis://a, redis://b, redis://c], key: k", "url: redis://b, key: k",
			"4:%d: warning: A and B lock the same key on some of the same nodes: \"k\"\n3:%d: A\n"},
		{"servers: [redis://a, redis://b, redis://c], key: 'k:{x:string}'", "url: redis://b, key: k:k",
			"4:%d: warning: A and B can lock the same key on some of the same nodes: \"k:{x:string}\" and \"k:k\"\n3:%d: A\n" + begin},
		{"cluster: [[redis://a], [redis://b]], key: k", "cluster: [[redis://a], [redis://b]], key: k",
			"4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
		{"cluster: [[redis://a], [redis://b]], key: k", "cluster: [[redis://b], [redis://a]], key: k",
			"4:%d: warning: A and B lock the same key on some of the same nodes: \"k\"\n3:%d: A\n"},
		{"cluster: [[redis://a]], key: k", "url: redis://a, key: k", "4:%d: A and B lock the same key on the same nodes: \"k\"\n3:%d: A\n" + name},
	} {
		want := test.want
		if strings.Contains(want, "%d") {
			column := func(fields string) int {
				return len("- {name: A, ") + strings.Index(fields, "key: ") + len("key: ") + 1
			}
			want = fmt.Sprintf(want, column(test.b), column(test.a))
		}
		got := headlines("version: 1\nmutexes:\n- {name: A, " + test.a + "}\n- {name: B, " + test.b + "}\n")
		if got != want {
			t.Errorf("%s | %s: got\n%swant\n%s", test.a, test.b, got, want)
		}
	}
}

func TestSeveralMutexesAtOneKeyAreNamedTogether(t *testing.T) {
	got := headlines("version: 1\ndefaults: {url: redis://a}\nmutexes:\n- {name: A, key: 'k:{x:string}'}\n- {name: B, key: 'k:b'}\n" +
		"- {name: C, key: 'k:b'}\n- {name: D, key: '{x:string}'}\n")
	want := "5:18: warning: A and B can lock the same key on the same nodes: \"k:{x:string}\" and \"k:b\"\n4:18: A\n" +
		"hint: begin each key with a text of its own\n" +
		"6:18: B and C lock the same key on the same nodes: \"k:b\"\n5:18: B\nhint: give it a key of its own\n" +
		"7:18: warning: A and D can lock the same key on the same nodes: \"k:{x:string}\" and \"{x:string}\"\n4:18: A\n5:18: B\n6:18: C\n" +
		"hint: begin each key with a text of its own\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// Many mutexes, usual and perverse, are read in far less than a second.
func TestManyMutexesAreReadQuickly(t *testing.T) {
	for name, key := range map[string]string{
		"literal":    "report:%d",
		"template":   "account:%d:{id:int64}",
		"suffix":     "{tenant:string}:report%d",
		"all meet":   "{tenant:string}%.0d",
		"never meet": "{tenant:string}:a%dx{id:int64}:b",
		"long":       strings.Repeat("a", 4000) + "%d:{id:int64}",
	} {
		var text strings.Builder
		text.WriteString("version: 1\ndefaults:\n  cluster: [[redis://a, redis://b, redis://c], [redis://d, redis://e, redis://f]]\nmutexes:\n")
		for i := range 1000 {
			fmt.Fprintf(&text, "  - name: Mutex%d\n    doc: a mutex.\n    key: '"+key+"'\n    expiration: 10s\n    wait: 5s\n", i, i)
		}
		begin := time.Now()
		_, findings := Parse("mutexes.yaml", []byte(text.String()))
		took := time.Since(begin)
		t.Logf("%s: %v, %d findings", name, took, len(findings))
		if took > 6*time.Second { // with the race detector a second or two, on a machine with nothing else to do
			t.Errorf("%s: %v", name, took)
		}
	}
}

// Keys made from one template and matched by the other, as a regular expression, must be seen as shared.
func TestMeetingIsNeverDenied(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	pattern := map[string]string{"int": "-?[0-9]+", "uint64": "[0-9]+", "bool": "(true|false)", "string": "(?s:.+)", "T": "(?s:.*)"}
	var templates []Key
	for range 150 {
		text := pick("", "a", "1", "t")
		for i := range 1 + random.IntN(3) {
			text += fmt.Sprintf("{p%d:%s}%s", i, pick("int", "uint64", "bool", "string", "x.T"), pick("-", "a", "1", "true", ":"))
		}
		key, problems := parseKey(text)
		for _, problem := range problems {
			if problem.Severity == Error {
				t.Fatal(text, problem)
			}
		}
		templates = append(templates, key)
	}
	shared := 0
	for _, a := range templates {
		var matches strings.Builder
		for _, part := range a.Parts {
			if part.Parameter != nil {
				matches.WriteString(pattern[part.Parameter.Type])
			} else {
				matches.WriteString(regexp.QuoteMeta(part.Literal))
			}
		}
		matcher := regexp.MustCompile("^" + matches.String() + "$")
		for _, b := range templates {
			var key strings.Builder
			for _, part := range b.Parts {
				switch {
				case part.Parameter == nil:
					key.WriteString(part.Literal)
				case part.Parameter.Type == "int":
					key.WriteString(pick("-1", "11", "0"))
				case part.Parameter.Type == "uint64":
					key.WriteString(pick("1", "11"))
				case part.Parameter.Type == "bool":
					key.WriteString(pick("true", "false"))
				case part.Parameter.Type == "string":
					key.WriteString(pick("a", "1", "true", "-1a1-", ":"))
				default:
					key.WriteString(pick("", "a", "1", "1-true"))
				}
			}
			one, other := newTemplate(a), newTemplate(b)
			if !matcher.MatchString(key.String()) {
				continue
			}
			shared++
			if m := (&meeting{budget: meetingBudget}); !m.possible(&one, &other) {
				t.Errorf("%s and %s share %s", a.Template, b.Template, key.String())
			}
		}
	}
	if shared < 300 {
		t.Errorf("only %d pairs share a key: the test says little", shared)
	}
}
