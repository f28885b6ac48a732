package acl

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// parse reads definitions that must have no errors.
func parse(t testing.TB, text string) *definition.File {
	t.Helper()
	file, findings := definition.Parse("mutexes.yaml", []byte("version: 1\n"+text))
	if findings.HasErrors() || file == nil {
		t.Fatalf("%s\n%+v", text, findings)
	}
	return file
}

// base are the commands that every mutex needs.
const base = "+set +get +del +pttl +pexpire +eval +evalsha +mget +publish +pubsub|numsub +subscribe +unsubscribe +ping"

func TestRuleOfAMutex(t *testing.T) {
	for name, test := range map[string]struct{ mutex, user, want string }{
		"a literal key": {
			"url: redis://h, key: 'report:nightly'", "mutexgen",
			"~report:nightly | &mutexgen:key:report:nightly &mutexgen:engine:* | " + base},
		"the default key": {
			"url: redis://h", "mutexgen",
			"~red_mutex_lock | &mutexgen:key:red_mutex_lock &mutexgen:engine:* | " + base},
		"parameters": {
			"url: redis://h, key: 'account:{id:int64}:{what:string}'", "mutexgen",
			"~account:*:* | &mutexgen:key:account:*:* &mutexgen:engine:* | " + base},
		"glob characters and a space": {
			`url: redis://h, key: 'a*b?[c]\ d'`, "mutexgen",
			`~a\*b\?\[c]\\[^!-~]d | &mutexgen:key:a\*b\?\[c]\\[^!-~]d &mutexgen:engine:* | ` + base},
		"fencing": {
			"url: redis://h, key: 'report:nightly', fencing: true, restart_guard: off", "mutexgen",
			"~report:nightly ~{report:nightly}:fence | &mutexgen:key:report:nightly &mutexgen:engine:* | " +
				"+set +get +del +pttl +pexpire +time +incr +eval +evalsha +mget +publish +pubsub|numsub +subscribe +unsubscribe +ping"},
		"a restart guard": {
			"url: redis://h, key: 'report:nightly', restart_guard: on, expiration: 10s", "mutexgen",
			"~report:nightly ~mutexgen:birth | &mutexgen:key:report:nightly &mutexgen:engine:* | " +
				"+set +get +del +pttl +pexpire +time +info|server +eval +evalsha +mget +publish +pubsub|numsub +subscribe +unsubscribe +ping"},
		"both": {
			"url: redis://h, key: 'n', fencing: true, restart_guard: on, expiration: 10s", "mutexgen",
			"~n ~{n}:fence ~mutexgen:birth | &mutexgen:key:n &mutexgen:engine:* | " +
				"+set +get +del +pttl +pexpire +time +incr +info|server +eval +evalsha +mget +publish +pubsub|numsub +subscribe +unsubscribe +ping"},
		"any key at all": {
			"url: redis://h, key: '{resource:string}', fencing: true, restart_guard: on, expiration: 10s", "mutexgen",
			"~* | &mutexgen:key:* &mutexgen:engine:* | " +
				"+set +get +del +pttl +pexpire +time +incr +info|server +eval +evalsha +mget +publish +pubsub|numsub +subscribe +unsubscribe +ping"},
		"a database and a name of the connection": {
			"url: 'redis://h/3?client_name=reports', key: n", "mutexgen",
			"~n | &mutexgen:key:n &mutexgen:engine:* | " + base + " +select|3 +client|setname"},
		"a database that a variable names": {
			"url: 'redis://h/${DB}', key: n", "mutexgen",
			"~n | &mutexgen:key:n &mutexgen:engine:* | " + base + " +select"},
		"a user in the URL": {
			"url: 'redis://locks:${PASSWORD}@h', key: n", "locks",
			"~n | &mutexgen:key:n &mutexgen:engine:* | " + base},
	} {
		t.Run(name, func(t *testing.T) {
			rules := Rules(parse(t, "mutexes:\n- {name: A, "+test.mutex+"}"), "")
			if len(rules) != 1 {
				t.Fatalf("%d rules", len(rules))
			}
			r := rules[0]
			got := strings.Join(r.Keys, " ") + " | " + strings.Join(r.Channels, " ") + " | " + strings.Join(r.Commands, " ")
			if got != test.want || r.User != test.user {
				t.Errorf("user %s:\n%s\nwant user %s:\n%s", r.User, got, test.user, test.want)
			}
		})
	}
}

func TestServersWithTheSameRuleShareIt(t *testing.T) {
	file := parse(t, `
mutexes:
- {name: Report, url: redis://a, key: report}
- {name: Transfer, servers: ["redis://a:6379/2", "redis://b", "redis://c"], key: "transfer:{id:int64}"}
- {name: Stock, cluster: [["redis://d", "redis://e", "redis://f"], ["redis://g", "redis://h", "redis://i"]], key: stock}
- {name: Audit, url: "${REDIS_URL:-redis://a}", key: audit}
`)
	type shared struct{ servers, mutexes, keys string }
	var got []shared
	for _, r := range Rules(file, "") {
		got = append(got, shared{strings.Join(r.Servers, " "), strings.Join(r.Mutexes, " "), strings.Join(r.Keys, " ")})
	}
	want := []shared{
		{"a:6379", "Report Transfer", "~report ~transfer:*"},
		{"b:6379 c:6379", "Transfer", "~transfer:*"},
		{"d:6379 e:6379 f:6379 g:6379 h:6379 i:6379", "Stock", "~stock"},
		{"${REDIS_URL:-redis://a}", "Audit", "~audit"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestUsersOfOneServerHaveRulesOfTheirOwnUnlessOneIsGiven(t *testing.T) {
	file := parse(t, `
mutexes:
- {name: A, url: "redis://one:${PASSWORD}@h", key: a}
- {name: B, url: "redis://two:${PASSWORD}@h", key: b}
- {name: C, url: "redis://h/1", key: c}
- {name: D, url: "redis://default:${PASSWORD}@h", key: d}
- {name: E, url: "redis://${USER}:${PASSWORD}@h", key: e}
- {name: F, url: "${REDIS_URL:-redis://somebody@h}", key: f}
- {name: G, url: "redis://o%6Ee@h", key: g}
- {name: H, url: "redis://a%20b@h", key: h}
`)
	var got []string
	for _, r := range Rules(file, "") {
		got = append(got, r.User+" "+strings.Join(r.Mutexes, ""))
	}
	if want := []string{"one AG", "two B", "mutexgen CDEH", "mutexgen F"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
	got = nil
	for _, r := range Rules(file, "three") {
		got = append(got, r.User+" "+strings.Join(r.Mutexes, ""))
	}
	if want := []string{"three ABCDEGH", "three F"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestDatabasesOfOneServerAreInOneRule(t *testing.T) {
	rules := Rules(parse(t, `
mutexes:
- {name: A, url: redis://h/12, key: n}
- {name: B, url: redis://h/2, key: n}
- {name: C, url: redis://h/2, key: o}
- {name: D, url: redis://h/0, key: n}
`), "")
	if len(rules) != 1 || !strings.HasSuffix(strings.Join(rules[0].Commands, " "), "+ping +select|2 +select|12") || len(rules[0].Keys) != 2 {
		t.Errorf("%+v", rules)
	}
}

func TestNoModifierCoversAnother(t *testing.T) {
	rules := Rules(parse(t, `
mutexes:
- {name: A, url: redis://h/1, key: "account:7:transfer"}
- {name: B, url: redis://h/2, key: "account:{id:int64}:transfer"}
- {name: C, url: redis://h/3, key: "account:{id:string}"}
- {name: D, url: redis://h/4, key: "account:x", fencing: true, restart_guard: off}
- {name: E, url: redis://h/5, key: "accounts"}
`), "")
	if got := strings.Join(rules[0].Keys, " "); got != "~account:* ~{account:x}:fence ~accounts" {
		t.Errorf("keys %s", got)
	}
	if got := strings.Join(rules[0].Channels, " "); got != "&mutexgen:key:account:* &mutexgen:key:accounts &mutexgen:engine:*" {
		t.Errorf("channels %s", got)
	}
}

func TestRulesOfNothing(t *testing.T) {
	for _, file := range []*definition.File{nil, {}, {Mutexes: []definition.Mutex{{}}}, {Mutexes: []definition.Mutex{{Name: "A"}}}} {
		if rules := Rules(file, ""); len(rules) != 0 {
			t.Errorf("%+v: %+v", file, rules)
		}
	}
	odd := []definition.Mutex{{URL: "\x00"}, {URL: "${", Servers: []string{"", "}", "\xff"}, Cluster: [][]string{nil, {"://@"}}, RestartGuard: true},
		{URL: "redis://h", Key: definition.Key{Parts: []definition.Part{{}, {Parameter: &definition.Parameter{}, Literal: "x\n"}, {Literal: "a\x00b\n\xff"}}}}}
	var text strings.Builder
	rules := Rules(&definition.File{Mutexes: odd}, "a\nb")
	if err := Write(&text, rules); err != nil || len(rules) == 0 {
		t.Errorf("%v, %v", rules, err)
	}
	if !slices.Equal(rules[len(rules)-1].Keys, []string{"~*a[^!-~]b[^!-~]\xff"}) {
		t.Errorf("keys %q", rules[len(rules)-1].Keys)
	}
}

// What takes long here is to find which patterns others cover.
func TestManyMutexesAndLongKeysTakeNoTime(t *testing.T) {
	key := func(parts ...string) definition.Key {
		var k definition.Key
		for i, part := range parts {
			if i > 0 {
				k.Parts = append(k.Parts, definition.Part{Parameter: &definition.Parameter{Name: "p", Type: "string"}})
			}
			k.Parts = append(k.Parts, definition.Part{Literal: part})
		}
		return k
	}
	var many, long definition.File
	for i := range 2000 {
		name := strconv.Itoa(i)
		many.Mutexes = append(many.Mutexes, definition.Mutex{Name: "M" + name, URL: "redis://h", Fencing: true, Key: key("account:"+name+":", ":transfer")})
	}
	for i := range 256 {
		same := strings.Repeat("a", 2000)
		long.Mutexes = append(long.Mutexes, definition.Mutex{Name: "M" + strconv.Itoa(i), URL: "redis://h",
			Key: key("", same+strconv.Itoa(i+1000), same+"b", "")})
	}
	start := time.Now()
	for _, file := range []*definition.File{&many, &long} {
		if rules := Rules(file, ""); len(rules) != 1 || len(rules[0].Channels) != len(file.Mutexes)+1 {
			t.Errorf("%d rules", len(rules))
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
