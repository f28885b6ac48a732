package schematest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// What the schema refuses, so that an editor marks it. The lines are a mutex's, beside a name and, unless they bring nodes, a
// url. The parser refuses all of it too.
func TestWrongFieldsAreRefused(t *testing.T) {
	for _, lines := range []string{
		"ttl: 5s",
		"Expiration: 5s",
		"x-common: {}",
		"version: 1",
		"defaults: {}",
		"name: [A]",
		"doc: 7",
		"doc: [a]",
		"doc:",
		"url: 7",
		"url: ''",
		"url: localhost:6379",
		"url: http://localhost",
		"url: redis-sentinel://localhost",
		"url: redis:///a b",
		"url: $REDIS_URL",
		"url: ${REDIS_URL",
		"url: ${}",
		"url: ${REDIS-URL}",
		"url: ${1}",
		"url: redis://${A:default}",
		"url: [redis://a, redis://b, redis://c]",
		"url: ${" + strings.Repeat("A", 4096) + "}",
		"servers: redis://a",
		"servers: []",
		"servers: [redis://a, redis://b]",
		"servers: [redis://a, redis://b, redis://c, redis://d]",
		"servers: [redis://a, redis://b, redis://a]",
		"servers: [a]",
		"servers: [1]",
		"servers: [[redis://a]]",
		"servers: " + manyServers(62),
		"servers: " + manyServers(65),
		"cluster: []",
		"cluster: [redis://a, redis://b, redis://c]",
		"cluster: [[redis://a, redis://b]]",
		"cluster: [[redis://a], []]",
		"cluster: [[redis://a], [redis://a]]",
		"cluster: {a: [redis://a]}",
		"url: redis://a\n    servers: [redis://b]",
		"url: redis://a\n    cluster: [[redis://b]]",
		"servers: [redis://a]\n    cluster: [[redis://b]]",
		"key:",
		"key: ''",
		"key: 7",
		"key: true",
		"key: {id:int64}",
		"key: a{",
		"key: a}",
		"key: a{}",
		"key: a{id}",
		"key: a{id:}",
		"key: a{id:float}",
		"key: a{Id:string}",
		"key: a{id-x:string}",
		"key: a{id:UUID}",
		"key: a{id:github.com/google/uuid.uuid}",
		"key: a${HOST}",
		"key: \"a\\tb\"",
		"key: " + strings.Repeat("a", 4097),
		"expiration: 30",
		"expiration: 0",
		"expiration: 0s",
		"expiration: 9ms",
		"expiration: 9999us",
		"expiration: -1s",
		"expiration: 87601h",
		"expiration: 1d",
		"expiration: 10M",
		"expiration: 10 m",
		"expiration: soon",
		"expiration: forever",
		"expiration: ''",
		"expiration: true",
		"expiration: [1s]",
		"expiration:",
		"expiration_in_seconds: 0",
		"expiration_in_seconds: 0.5",
		"expiration_in_seconds: 315360001",
		"expiration_in_seconds: '5'",
		"expiration: 1s\n    expiration_in_seconds: 1",
		"wait: 5",
		"wait: -1",
		"wait: -1s",
		"wait: Forever",
		"wait: infinite",
		"wait: .inf",
		"wait: 1s\n    max_retry: 1",
		"max_retry: -1",
		"max_retry: 1000000001",
		"max_retry: forever",
		"retry_interval: 0",
		"retry_interval: 0s",
		"retry_interval: 200",
		"retry_interval: 25h",
		"retry_jitter: -1ms",
		"retry_jitter: 1",
		"drift_factor: 1",
		"drift_factor: -0.1",
		"drift_factor: .nan",
		"drift_factor: 1 %",
		"drift_factor: '0.01'",
		"node_timeout: 0s",
		"node_timeout: 999us",
		"pool_size: 0",
		"pool_size: 1001",
		"pool_size: 1.5",
		"reconnection_interval: 24h0m1ms\n    pool_size: 0",
		"renew: yes",
		"renew: 1",
		"renew: 'true'",
		"max_hold: 0",
		"max_hold: 9ms",
		"max_hold: forever",
		"fencing: strict",
		"fencing: 'false'",
		"fencing_memory: 0\n    fencing: true",
		"fencing_memory: 999ms\n    fencing: true",
		"fencing_memory: never\n    fencing: true",
		"restart_guard: ON",
		"restart_guard: enabled",
		"restart_guard: 30s",
		"replicas: 1001",
		"replicas: 1.5",
		"replicas: true",
		"replicas: -1",
		"<<:",
		"<<: redis",
	} {
		text := "version: 1\nmutexes:\n  - "
		if !strings.HasPrefix(lines, "name") {
			text += "name: A\n    "
		}
		if !strings.HasPrefix(lines, "url") && !strings.HasPrefix(lines, "servers") && !strings.HasPrefix(lines, "cluster") {
			text += "url: redis://a\n    "
		}
		mustRefuse(t, text+lines+"\n")
	}
}

func TestWrongNamesAreRefused(t *testing.T) {
	for _, name := range []string{"", "nightlyReport", "nightly-report", "Nightly Report", "_Report", "7Up", "A.B", "A\\n", "'A'", "Open",
		"Mutexes", "Close", "All", "Held", strings.Repeat("A", 201)} {
		mustRefuse(t, fmt.Sprintf("version: 1\nmutexes: [{name: \"%s\", url: redis://a}]\n", name))
	}
	for _, name := range []string{"7", "true", "[A]", "{A: B}", "null", "2026-01-02"} {
		mustRefuse(t, fmt.Sprintf("version: 1\nmutexes: [{name: %s, url: redis://a}]\n", name))
	}
	for _, name := range []string{"_", "func", "my-locks", "7locks", "7", "''", "a.b", "true", "[a]"} {
		mustRefuse(t, fmt.Sprintf("version: 1\npackage: %s\nmutexes: [{name: A, url: redis://a}]\n", name))
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	const mutexes = "mutexes: [{name: A, url: redis://a}]\n"
	for _, text := range []string{
		"[]", "7", "null", "{}",
		"version: 1\n",
		mutexes,
		"version: 2\n" + mutexes,
		"version: '1'\n" + mutexes,
		"version:\n" + mutexes,
		"version: 1\nmutexes:\n",
		"version: 1\nmutexes: []\n",
		"version: 1\nmutexes: [A]\n",
		"version: 1\nmutexes: [null]\n",
		"version: 1\nmutexes: {name: A, url: redis://a}\n",
		"version: 1\nmutexes: [{url: redis://a}]\n",
		"version: 1\nmutexes: [{name: A}]\n",
		"version: 1\ndefaults:\nmutexes: [{name: A}]\n",
		"version: 1\ndefaults: {expiration: 5s}\nmutexes: [{name: A}]\n",
		"version: 1\nx-anchors: {}\n" + mutexes,
		"version: 1\nname: A\n" + mutexes,
		"version: 1\nexpiration: 5s\n" + mutexes,
		"version: 1\ndefaults: []\n" + mutexes,
		"version: 1\ndefaults: {name: A}\n" + mutexes,
		"version: 1\ndefaults: {doc: a}\n" + mutexes,
		"version: 1\ndefaults: {key: a}\n" + mutexes,
		"version: 1\ndefaults: {url: redis://a, servers: [redis://b]}\n" + mutexes,
		"version: 1\ndefaults: {wait: 1s, max_retry: 1}\n" + mutexes,
		"version: 1\ndefaults: {expiration: 1ms}\n" + mutexes,
	} {
		mustRefuse(t, text)
	}
}

// mustRefuse says whether all views of a text are refused, and the text by the parser.
func mustRefuse(t *testing.T, text string) {
	t.Helper()
	if file, _ := definition.Parse("mutexes.yaml", []byte(text)); file != nil {
		t.Errorf("the parser accepts\n%s", text)
	}
	for _, v := range views {
		document, ok := v.seen([]byte(text))
		if !ok {
			t.Fatalf("not to be read:\n%s", text)
		}
		if v.name == "merge keys resolved" && strings.Contains(text, "<<") {
			continue // nothing is left of it
		}
		if schemaOf(t).Validate(document) == nil {
			t.Errorf("%s: the schema accepts\n%s", v.name, text)
		}
	}
}

func manyServers(count int) string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("redis://host%d", i))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// What a pattern can't tell. When one of these is refused, the schema has learnt something: move it up.
func TestOnlyTheParserKnowsThese(t *testing.T) {
	for _, line := range []string{
		"key: a{id:int}{no:int}",
		"key: a{id:int}:{id:int}",
		"expiration: 10500us",
		"expiration: 8ms1ms",
		"expiration: 0.001s",
		"expiration: 87600h1s",
		"retry_jitter: 1h",
		"max_hold: 1h",
		"fencing_memory: 1h",
		"pool_size: 0x10",
		"pool_size: 010",
		"url: redis://a:0",
	} {
		text := "version: 1\nmutexes:\n  - name: A\n    url: redis://a\n    " + line + "\n"
		if strings.HasPrefix(line, "url") {
			text = strings.Replace(text, "url: redis://a\n    ", "", 1)
		}
		if file, _ := definition.Parse("mutexes.yaml", []byte(text)); file != nil {
			t.Errorf("the parser accepts %s", line)
		}
		if why := schemaRefusal(t, []byte(text)); why != "" {
			t.Errorf("%s: %s", line, why)
		}
	}
}

// A program that resolves merge keys before it looks can't tell what gave way: it refuses what we take. Editors see more.
func TestWithoutATraceOfMergeKeysTheSchemaIsTooStrict(t *testing.T) {
	const text = "version: 1\nmutexes:\n  - &a\n    name: A\n    url: redis://a\n  - <<: *a\n    name: B\n    servers: [redis://b]\n"
	accepted(t, text)
	if why := schemaRefusal(t, []byte(text)); why != "" {
		t.Error(why)
	}
	resolved := map[string]any{"version": 1.0, "mutexes": []any{
		map[string]any{"name": "B", "url": "redis://a", "servers": []any{"redis://b"}}}}
	if schemaOf(t).Validate(resolved) == nil {
		t.Error("a url beside servers is valid")
	}
}
