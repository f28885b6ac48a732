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
		"replicas": {
			"url: redis://h, key: n, replicas: 1", "mutexgen",
			"~n | &mutexgen:key:n &mutexgen:engine:* | " + base + " +wait"},
		"a Redis Cluster": {
			"url: 'redis+cluster://c1,c2', key: n", "mutexgen",
			"~n | &mutexgen:key:n &mutexgen:engine:* | " + clusterBase},
		"a Redis Cluster, fencing and replicas": {
			"url: 'rediss+cluster://locks:${P}@c1,c2?client_name=x', key: 'n:{{t}}:{id:string}', replicas: 2, fencing: true, restart_guard: off", "locks",
			"~n:{t}:* | &mutexgen:key:n:{t}:* &mutexgen:engine:* | +set +get +del +pttl +pexpire +time +incr +eval +evalsha +publish +subscribe " +
				"+unsubscribe +ping +wait +cluster|slots +asking +client|setname"},
		"a Redis Cluster and a key whose counter may need a number": {
			"url: '${URL:-redis+cluster://c1}', key: 'a}}:{id:int64}', fencing: true, restart_guard: off", "mutexgen",
			"~a}:* ~{a}:*}:fence | &mutexgen:key:a}:* &mutexgen:engine:* | " +
				strings.Replace(clusterBase, "+eval ", "+time +incr +eval ", 1)},
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

// clusterBase are those on a Redis Cluster.
const clusterBase = "+set +get +del +pttl +pexpire +eval +evalsha +publish +subscribe +unsubscribe +ping +cluster|slots +asking"

func TestSentinelsHaveARuleOfTheirOwn(t *testing.T) {
	file := parse(t, `
mutexes:
- {name: A, url: "redis+sentinel://locks:${P}@s1,s2,s3/m/2?sentinel_username=look&sentinel_password=${SP}&client_name=x", key: a}
- {name: B, url: "redis+sentinel://s1,s2,s3/other", key: b, replicas: 1}
- {name: C, url: "${URL:-redis+sentinel://t1/m}", key: c}
- {name: D, servers: ["redis+sentinel://look@s3/n", "redis+sentinel://look@u1/n", "redis://h"], key: d}
`)
	const sentinels = "&+switch-master &+promoted-slave &+monitor | +sentinel|master +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe +ping"
	want := []string{
		"locks m@s1:26379,s2:26379,s3:26379 for A | ~a | &mutexgen:key:a &mutexgen:engine:* | " + base + " +select|2 +client|setname | fails over",
		"look s1:26379, s2:26379, s3:26379 for A |  | " + sentinels + " +client|setname | sentinels",
		"mutexgen other@s1:26379,s2:26379,s3:26379 for B | ~b | &mutexgen:key:b &mutexgen:engine:* | " + base + " +wait | fails over",
		"mutexgen s1:26379, s2:26379, s3:26379; s3:26379 for B D |  | " + sentinels + " | sentinels",
		"mutexgen ${URL:-redis+sentinel://t1/m} for C | ~c | &mutexgen:key:c &mutexgen:engine:* | " + base + " | fails over",
		"mutexgen the sentinels of ${URL:-redis+sentinel://t1/m} for C |  | " + sentinels + " | sentinels",
		"look n@s3:26379; n@u1:26379 for D | ~d | &mutexgen:key:d &mutexgen:engine:* | " + base + " | fails over",
		"mutexgen u1:26379 for D |  | " + sentinels + " | sentinels",
		"mutexgen h:6379 for D | ~d | &mutexgen:key:d &mutexgen:engine:* | " + base + " | ",
	}
	for i, r := range Rules(file, "") {
		what := ""
		if r.FailsOver {
			what += "fails over"
		}
		if r.Sentinels {
			what += "sentinels"
		}
		got := strings.Join([]string{r.User + " " + strings.Join(r.Servers, "; ") + " for " + strings.Join(r.Mutexes, " "), strings.Join(r.Keys, " "),
			strings.Join(r.Channels, " "), strings.Join(r.Commands, " "), what}, " | ")
		if i >= len(want) || got != want[i] {
			t.Errorf("rule %d is\n%s", i, got)
		}
	}
	for _, r := range Rules(file, "one") {
		if r.User != "one" {
			t.Errorf("a rule for %s", r.User)
		}
	}
}

// Of two rules for one user of one server, the server would forget the first.
func TestOneServerHasOneRuleForAUserHoweverItIsNamed(t *testing.T) {
	for yaml, want := range map[string]int{
		`[{name: A, url: "redis+cluster://c1,c2", key: a}, {name: B, url: "redis+cluster://c2,c3", key: b}]`:                                                                       1,
		`[{name: A, url: "redis+cluster://c1", key: a}, {name: B, url: "redis+cluster://c2", key: b}]`:                                                                             2,
		`[{name: A, url: "redis+cluster://c1", key: a, replicas: 1}, {name: B, url: "redis+cluster://c2", key: b}, {name: C, url: "redis+cluster://c1,c2", key: c}]`:               1,
		`[{name: A, url: "redis+cluster://c1", key: a}, {name: B, url: "redis+cluster://c2", key: b}, {name: C, url: "redis+cluster://other@c1,c2", key: c}]`:                      3,
		`[{name: A, url: "redis+sentinel://s1/m", key: a}, {name: B, url: "redis+sentinel://s2/m", key: b, fencing: true}, {name: C, url: "rediss+sentinel://s1,s2/m/1", key: c}]`: 2,
		`[{name: A, url: "redis+sentinel://s1/m", key: a}, {name: B, url: "redis+sentinel://s1/n", key: b}]`:                                                                       3,
		`[{name: A, url: "redis+sentinel://${S1}/m", key: a}, {name: B, url: "redis+sentinel://${S1:-s},s2/m", key: b}]`:                                                           2,
		`[{name: A, url: "redis+cluster://c1", key: a}, {name: B, url: "redis://c1", key: b}]`:                                                                                     1,
	} {
		rules := Rules(parse(t, "mutexes: "+yaml), "")
		if len(rules) != want {
			t.Errorf("%s: %d rules\n%+v", yaml, len(rules), rules)
		}
	}
	joined := Rules(parse(t, `
mutexes:
- {name: A, url: "redis+sentinel://s1/m?client_name=x", key: a, fencing: true, restart_guard: off}
- {name: B, url: "redis+sentinel://s2/m/1", key: b, replicas: 1}
- {name: C, url: "redis+sentinel://s1,s2/m/2", key: c}
`), "")[0]
	if got, want := joined.Command(), `ACL SETUSER mutexgen on resetkeys '~a' '~{a}:fence' '~b' '~c' resetchannels '&mutexgen:key:a' '&mutexgen:key:b' '&mutexgen:key:c' '&mutexgen:engine:*' `+
		`-@all +set +get +del +pttl +pexpire +time +incr +eval +evalsha +mget +publish '+pubsub|numsub' +subscribe +unsubscribe +ping +wait '+select|1' '+select|2' '+client|setname'`; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
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
