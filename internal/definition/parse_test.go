package definition

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const example = `# yaml-language-server: $schema=mutexes.schema.json
version: 1
package: locks                  # else $GOPACKAGE, else the folder's name

defaults:                       # any field of a mutex but name, doc and key
  expiration: 30s

mutexes:
  - name: NightlyReport         # the Go type's and field's name: exported identifier
    doc: makes sure that one replica at a time builds the report.
    url: ${REDIS_URL:-redis://localhost:6379}
    key: report:nightly
    expiration: 10m

  - name: AccountTransfer       # typed key parameters
    servers: ["${REDIS_A}", "${REDIS_B}", "${REDIS_C}"]
    key: account:{account_id:int64}:transfer
    expiration: 10s
    wait: 5s

  - name: Inventory             # groups of servers; the key picks the group
    cluster:
      - ["redis://a1", "redis://a2", "redis://a3"]
      - ["redis://b1", "redis://b2", "redis://b3"]
    key: sku:{sku:string}
`

// rendered is what Write says of a text.
func rendered(text string) string {
	_, findings := Parse("mutexes.yaml", []byte(text))
	var out strings.Builder
	if err := report("mutexes.yaml", text).Write(&out, findings); err != nil {
		return err.Error()
	}
	return out.String()
}

// headlines are the lines of Write that name a place, without the file's name, and the hints.
func headlines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(rendered(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "mutexes.yaml:"); ok {
			out.WriteString(rest)
		} else if strings.HasPrefix(line, "  hint: ") {
			out.WriteString(strings.TrimLeft(line, " "))
		}
	}
	return out.String()
}

// mutexText is a file with one mutex, which has the lines given beside a name, a url and a key of its own.
func mutexText(lines ...string) string {
	return "version: 1\nmutexes:\n  - name: A\n    url: redis://a\n    " + strings.Join(lines, "\n    ") + "\n"
}

func accepted(t *testing.T, text string) *File {
	t.Helper()
	file, findings := Parse("mutexes.yaml", []byte(text))
	if file == nil || len(findings) > 0 {
		t.Fatalf("not accepted without findings:\n%s\n%s", text, rendered(text))
	}
	return file
}

func TestTheExampleHasItsValues(t *testing.T) {
	base := Mutex{Expiration: 30 * time.Second, RetryInterval: 200 * time.Millisecond, RetryJitter: 100 * time.Millisecond,
		DriftFactor: 0.01, PoolSize: 2, ReconnectionInterval: time.Second, Renew: true, FencingMemory: time.Hour}
	nightly, transfer, inventory := base, base, base

	nightly.Name, nightly.Position = "NightlyReport", Position{9, 11}
	nightly.Doc = "makes sure that one replica at a time builds the report."
	nightly.URL = "${REDIS_URL:-redis://localhost:6379}"
	nightly.Key = Key{"report:nightly", []Part{{Literal: "report:nightly"}}}
	nightly.Expiration = 10 * time.Minute

	transfer.Name, transfer.Position = "AccountTransfer", Position{15, 11}
	transfer.Servers = []string{"${REDIS_A}", "${REDIS_B}", "${REDIS_C}"}
	transfer.Key = Key{"account:{account_id:int64}:transfer", []Part{{Literal: "account:"},
		{Parameter: &Parameter{Name: "account_id", GoName: "accountID", Type: "int64"}}, {Literal: ":transfer"}}}
	transfer.Expiration, transfer.Wait = 10*time.Second, 5*time.Second

	inventory.Name, inventory.Position = "Inventory", Position{21, 11}
	inventory.Cluster = [][]string{{"redis://a1", "redis://a2", "redis://a3"}, {"redis://b1", "redis://b2", "redis://b3"}}
	inventory.Key = Key{"sku:{sku:string}", []Part{{Literal: "sku:"},
		{Parameter: &Parameter{Name: "sku", GoName: "sku", Type: "string"}}}}

	want := &File{Package: "locks", Mutexes: []Mutex{nightly, transfer, inventory}}
	got := accepted(t, example)
	for i := range got.Mutexes {
		got.Mutexes[i].places = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAMutexKnowsWhereItsFieldsStand(t *testing.T) {
	m := accepted(t, "version: 1\ndefaults: {expiration: 1m, wait: 1s}\nmutexes:\n- {name: A, url: redis://a, wait: 2s}\n").Mutexes[0]
	for _, c := range []struct {
		fields []string
		want   Position
	}{
		{[]string{"url"}, Position{4, 18}},
		{[]string{"wait"}, Position{4, 35}},
		{[]string{"expiration_in_seconds", "expiration"}, Position{2, 24}},
		{[]string{"key"}, Position{4, 10}},
		{nil, Position{4, 10}},
	} {
		if got := m.At(c.fields...); got != c.want {
			t.Errorf("At(%q) is %v, not %v", c.fields, got, c.want)
		}
	}
}

func TestAMutexWithoutFieldsHasTheBuiltInDefaults(t *testing.T) {
	got := accepted(t, "version: 1\nmutexes:\n- name: A\n  url: redis://a\n").Mutexes[0]
	got.places = nil
	want := Mutex{Name: "A", URL: "redis://a", Key: Key{"red_mutex_lock", []Part{{Literal: "red_mutex_lock"}}},
		Expiration: time.Hour, RetryInterval: 200 * time.Millisecond, RetryJitter: 100 * time.Millisecond, DriftFactor: 0.01,
		PoolSize: 2, ReconnectionInterval: time.Second, Renew: true, FencingMemory: time.Hour, Position: Position{3, 9}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	const text = `version: 1
defaults:
  ttl: 3600
  key: foo
  retry_jitter: 300ms
mutexes:
  - name: nightly-report
    url: redis://:geheim@localhost:6379/0
    expiration: 5ms
    expiration: 6s
    key: "a:{x}:{y:strin}"
  - name: Foo
    url: "${REDIS_URL"
    servers: [redis://a, redis://b]
    fencing_memory: 2h
    wait: -1
    max_retry: 3
    key: {id:int64}
  - name: FooLock
`
	const want = `mutexes.yaml:3:3: unknown field "ttl" in defaults
    ttl: 3600
    ^
  hint: here it is called expiration
mutexes.yaml:4:3: unknown field "key" in defaults
    key: foo
    ^
  hint: key belongs in a mutex
mutexes.yaml:5:17: retry_jitter is 300ms, more than retry_interval, which is 200ms
    retry_jitter: 300ms
                  ^
mutexes.yaml:7:11: name "nightly-report" is not a Go identifier
    - name: nightly-report
            ^
  hint: for example NightlyReport
mutexes.yaml:8:10: warning: a password stands in the URL, and so in generated code
      url: redis://:***@localhost:6379/0
           ^
  hint: take it, or the whole URL, from a variable: redis://:${REDIS_PASSWORD}@localhost:6379, ${REDIS_URL}
mutexes.yaml:9:17: expiration must be at least 10ms; this is 5ms
      expiration: 5ms
                  ^
mutexes.yaml:10:5: field "expiration" stands here twice
      expiration: 6s
      ^
  mutexes.yaml:9:5: the first one
mutexes.yaml:11:14: parameter x has no type
      key: "a:{x}:{y:strin}"
               ^
  hint: {x:string}
mutexes.yaml:11:20: unknown type "strin" of parameter y
      key: "a:{x}:{y:strin}"
                     ^
  hint: did you mean string?
mutexes.yaml:13:11: ${ without a closing brace
      url: "${REDIS_URL"
            ^
  hint: write ${VAR} or ${VAR:-default}
mutexes.yaml:14:5: servers stands beside url; a mutex has one of them
      servers: [redis://a, redis://b]
      ^
  mutexes.yaml:13:5: the other one
mutexes.yaml:14:14: servers has 2 nodes; the number must be odd
      servers: [redis://a, redis://b]
               ^
  hint: 2 nodes survive no more failures than 1 do
mutexes.yaml:15:21: fencing_memory without fencing: the locks have no tokens to remember
      fencing_memory: 2h
                      ^
  hint: write fencing: true beside it, or remove it
mutexes.yaml:16:11: wait must be at least 0s; this is -1
      wait: -1
            ^
  hint: to wait until the context ends, write forever
mutexes.yaml:17:5: max_retry stands beside wait; a mutex has one of them
      max_retry: 3
      ^
  mutexes.yaml:16:5: the other one
mutexes.yaml:18:10: key must be text; this is a mapping
      key: {id:int64}
           ^
  hint: put text that begins with { in quotes: key: "{id:int64}"
mutexes.yaml:19:11: a mutex without url, servers or cluster
    - name: FooLock
            ^
  hint: give it url, servers or cluster, or put one of them in defaults
mutexes.yaml:19:11: name FooLock collides with the type of the locks of Foo
    - name: FooLock
            ^
  mutexes.yaml:12:11: Foo
  hint: choose another name
`
	if got := rendered(text); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestTheFileItself(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "1:1: mutexes.yaml is empty\nhint: it begins with version: 1\n"},
		{"# nothing\n", "1:1: mutexes.yaml is empty\nhint: it begins with version: 1\n"},
		{"---\n", "1:1: mutexes.yaml is empty\nhint: it begins with version: 1\n"},
		{"~", "1:1: mutexes.yaml is empty\nhint: it begins with version: 1\n"},
		{"\ufeff", "1:1: mutexes.yaml is empty\nhint: it begins with version: 1\n"},
		{"- a\n", "1:1: the file must be a mapping of fields; this is a list\nhint: it begins with version: 1\n"},
		{"text\n", "1:1: the file must be a mapping of fields; this is text\nhint: it begins with version: 1\n"},
		{"!!set {a}\n", "1:1: the file must be a mapping of fields; this is a value with the tag \"!!set\"\nhint: it begins with version: 1\n"},
		{"package: locks\n", "1:1: mutexes is missing\nhint: list them under mutexes:, each with a name\n" +
			"1:1: version is missing\nhint: begin the file with version: 1\n"},
		{"version: 1\nmutexes: []\n", "2:10: mutexes is empty\nhint: list at least one, with a name\n"},
		{"version: 1\nmutexes:\n", "2:9: mutexes has no value\nhint: list at least one, with a name\n"},
		{"version: 1\nmutexes: {}\n", "2:10: mutexes must be a list of mutexes; this is a mapping\nhint: each begins with - name:\n"},
		{"version: 1\nmutexes: [1]\n", "2:11: a mutex must be a mapping of fields; this is a number\n"},
		{"version: 1\nmutexes: [~]\n", "2:11: a mutex has no value\nhint: give it a value, or remove the line\n"},
		{"version: 1\ndefaults: 1\nmutexes: [{name: A, url: redis://a}]\n", "2:11: defaults must be a mapping of fields; this is a number\n"},
		{"version: 1\ndefaults:\nmutexes: [{name: A, url: redis://a}]\n", ""},
		{"version: 1\nmutexes: [{url: redis://a}]\n", "2:11: a mutex without a name\nhint: for example name: NightlyReport\n"},
		{"\ufeffversion: 1\r\nmutexes:\r\n- {name: A, url: redis://a}\r\n", ""},
		{"\ufeffversion: 2\r\nmutexes:\r\n- {name: a, url: redis://a}\r\n", "1:10: unknown version \"2\"\n" +
			"hint: this mutexgen reads version: 1\n3:10: name \"a\" is not exported in Go\nhint: for example A\n"},
		{example + "---\n", "26:1: a second YAML document\nhint: one file holds one document: remove the --- that parts them\n"},
		{example + "...\n---\nversion: 1\n", "27:1: a second YAML document\nhint: one file holds one document: remove the --- that parts them\n"},
		{"---\n" + example + "...\n", ""},
		{"version: 1\nmutexes:\n- ? [a]\n  : b\n  name: A\n  url: redis://a\n", "3:5: a list where the name of a field should be\n"},
		{"version: 1\npackage: documentation\nmutexes: [{name: A, url: redis://a}]\n",
			"2:10: Go leaves out every file of a package documentation\nhint: choose another name\n"},
		{"version: 1\npackage: func\nmutexes: [{name: A, url: redis://a}]\n", "2:10: package \"func\" is a Go keyword\nhint: choose another name\n"},
		{"version: 1\npackage: _\nmutexes: [{name: A, url: redis://a}]\n", "2:10: package \"_\" is not a Go package name\n" +
			"hint: a package name has letters, digits and underscores, and no digit first\n"},
		{"version: 1\npackage: 'a\"\n\n  import \"os\"'\nmutexes: [{name: A, url: redis://a}]\n",
			"2:10: package \"a\\\"\\nimport \\\"os\\\"\" is not a Go package name\n" +
				"hint: a package name has letters, digits and underscores, and no digit first\n"},
		{"version: 1\npackage: main\nmutexes: [{name: A, url: redis://a}]\n", ""},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%q: got\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestVersionIsTheNumberOne(t *testing.T) {
	for version, want := range map[string]string{
		"1":     "",
		"0":     "1:10: unknown version \"0\"\nhint: this mutexgen reads version: 1\n",
		"1.0":   "1:10: unknown version \"1.0\"\nhint: this mutexgen reads version: 1\n",
		`"1"`:   "1:10: version must be the number 1; this is text\nhint: write it without quotes: version: 1\n",
		"v1":    "1:10: version must be the number 1; this is text\nhint: write it without quotes: version: 1\n",
		"[1]":   "1:10: version must be the number 1; this is a list\nhint: this mutexgen reads version: 1\n",
		"!!x 1": "1:10: version must be the number 1; this is a value with the tag \"!!x\"\nhint: write it without quotes: version: 1\n",
		"":      "1:9: version has no value\nhint: write version: 1\n",
	} {
		if got := headlines("version: " + version + "\nmutexes: [{name: A, url: redis://a}]\n"); got != want {
			t.Errorf("%q: got\n%swant\n%s", version, got, want)
		}
	}
}

func TestUnknownFieldSuggestsTheNearestOne(t *testing.T) {
	for name, want := range map[string]string{
		"expirationn":    "did you mean expiration?",
		"expriation":     "did you mean expiration?",
		"Expiration":     "did you mean expiration?",
		"maxRetry":       "did you mean max_retry?",
		"max-retry":      "did you mean max_retry?",
		"kye":            "did you mean key?",
		"server":         "did you mean servers?",
		"ttl":            "here it is called expiration",
		"lock_exp_sec":   "here it is called expiration_in_seconds",
		"retryCount":     "here it is called max_retry",
		"retryDelay":     "here it is called retry_interval",
		"retryJitter":    "did you mean retry_jitter?",
		"driftFactor":    "did you mean drift_factor?",
		"using":          "here it is called renew",
		"version":        "version belongs at the top of the file",
		"packages":       "package belongs at the top of the file",
		"quite_unlike":   "",
		"\"\"":           "",
		"\"\\e[31mred\"": "",
	} {
		got := headlines(mutexText(name + ": 1"))
		_, hint, _ := strings.Cut(got, "hint: ")
		if !strings.HasPrefix(got, "5:5: unknown field ") || strings.TrimSuffix(hint, "\n") != want {
			t.Errorf("%s: got %q, want the hint %q", name, got, want)
		}
	}
}

func TestFieldsOutOfPlaceAreSentWhereTheyBelong(t *testing.T) {
	got := headlines("version: 1\nexpiration: 1s\nname: A\ndefaults: {doc: a, version: 1}\nmutexes: [{name: A, url: redis://a}]\n")
	want := "2:1: unknown field \"expiration\"\nhint: expiration belongs in a mutex, or in defaults\n" +
		"3:1: unknown field \"name\"\nhint: name belongs in a mutex\n" +
		"4:12: unknown field \"doc\" in defaults\nhint: doc belongs in a mutex\n" +
		"4:20: unknown field \"version\" in defaults\nhint: version belongs at the top of the file\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDefaultsTakeEveryFieldOfAMutexButThree(t *testing.T) {
	for _, f := range Fields() {
		isException := f.Name == "name" || f.Name == "doc" || f.Name == "key"
		if f.In&InMutex != 0 && (f.In&InDefaults == 0) != isException {
			t.Errorf("%s is misplaced", f.Name)
		}
	}
}
