package definition

import (
	"reflect"
	"testing"
	"time"
)

func TestAMutexReplacesTheLocationOfTheDefaults(t *testing.T) {
	file := accepted(t, `version: 1
defaults:
  servers: [redis://a, redis://b, redis://c]
mutexes:
  - {name: A, key: a}
  - {name: B, key: b, url: redis://d}
  - {name: C, key: c, cluster: [[redis://e]]}
  - {name: D, key: d, servers: [redis://f]}
`)
	for i, want := range []Mutex{
		{Servers: []string{"redis://a", "redis://b", "redis://c"}},
		{URL: "redis://d"},
		{Cluster: [][]string{{"redis://e"}}},
		{Servers: []string{"redis://f"}},
	} {
		got := file.Mutexes[i]
		if got.URL != want.URL || !reflect.DeepEqual(got.Servers, want.Servers) || !reflect.DeepEqual(got.Cluster, want.Cluster) {
			t.Errorf("mutex %d is at %q %q %q", i, got.URL, got.Servers, got.Cluster)
		}
	}
}

func TestOneOfAPairReplacesTheOtherOneOfTheDefaults(t *testing.T) {
	file := accepted(t, `version: 1
defaults: {url: redis://a, wait: 5s, expiration: 20s}
mutexes:
  - {name: A, key: a}
  - {name: B, key: b, max_retry: 3, expiration_in_seconds: 7}
  - {name: C, key: c, max_retry: 0}
  - {name: D, key: d, wait: 1s, expiration: 8s}
`)
	for i, want := range []Mutex{
		{Wait: 5 * time.Second, Expiration: 20 * time.Second},
		{MaxRetry: 3, Expiration: 7 * time.Second},
		{Expiration: 20 * time.Second},
		{Wait: time.Second, Expiration: 8 * time.Second},
	} {
		got := file.Mutexes[i]
		if got.Wait != want.Wait || got.MaxRetry != want.MaxRetry || got.Expiration != want.Expiration {
			t.Errorf("mutex %d: wait %v, max_retry %d, expiration %v", i, got.Wait, got.MaxRetry, got.Expiration)
		}
	}
}

func TestFieldsThatContradictEachOther(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{mutexText("servers: [redis://b]", "cluster: [[redis://c]]"),
			"5:5: servers stands beside url; a mutex has one of them\n4:5: the other one\n" +
				"6:5: cluster stands beside url; a mutex has one of them\n4:5: the other one\n"},
		{mutexText("max_retry: 1", "wait: 0"), "6:5: wait stands beside max_retry; a mutex has one of them\n5:5: the other one\n"},
		{mutexText("expiration: 1s", "expiration_in_seconds: 1"),
			"6:5: expiration_in_seconds stands beside expiration; a mutex has one of them\n5:5: the other one\n"},
		{"version: 1\ndefaults: {wait: 1s, max_retry: 1, url: redis://a, servers: [redis://b]}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n",
			"2:22: max_retry stands beside wait; a mutex has one of them\n2:12: the other one\n" +
				"2:52: servers stands beside url; a mutex has one of them\n2:36: the other one\n"},
		{"version: 1\ndefaults: {wait: 1s, max_retry: 1}\nmutexes:\n- {name: A, url: redis://a, wait: 2s}\n",
			"2:22: max_retry stands beside wait; a mutex has one of them\n2:12: the other one\n"},
		{"version: 1\nmutexes: [{name: A}]\n", "2:18: a mutex without url, servers or cluster\n" +
			"hint: give it url, servers or cluster, or put one of them in defaults\n"},
		{"version: 1\ndefaults: {retry_jitter: 50ms, url: redis://a}\nmutexes:\n- {name: A, key: a, retry_interval: 20ms}\n" +
			"- {name: B, key: b}\n", "2:26: retry_jitter is 50ms, more than retry_interval, which is 20ms\n4:37: retry_interval\n"},
		{mutexText("expiration: 100ms", "node_timeout: 97ms"),
			"5:17: expiration 100ms is too short for node_timeout, which is 97ms, and a drift of 3ms\n6:19: node_timeout\n" +
				"hint: a longer expiration, or a shorter node_timeout\n"},
		{mutexText("expiration: 100ms", "node_timeout: 96ms"), ""},
		{mutexText("node_timeout: 1h"),
			"5:19: expiration 1h0m0s is too short for node_timeout, which is 1h0m0s, and a drift of 36.002s\n" +
				"hint: a longer expiration, or a shorter node_timeout\n"},
		{mutexText("expiration: 10ms", "drift_factor: 0.8"),
			"5:17: expiration 10ms is too short: the drift takes 10ms of it, and no validity is left\n6:19: drift_factor\n" +
				"hint: a longer expiration, or a smaller drift_factor\n"},
		{mutexText("expiration: 10ms", "drift_factor: 0.3"),
			"5:17: expiration 10ms is too short for the default node_timeout, which is 5ms, and a drift of 5ms\n" +
				"6:19: drift_factor\nhint: a longer expiration, or a shorter node_timeout\n"},
		{mutexText("expiration: 10ms"), ""},
		// Said once, where it is said for all mutexes.
		{"version: 1\ndefaults: {url: redis://a, expiration: 1s, node_timeout: 2s}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n" +
			"- {name: C, key: c, expiration: 10s}\n",
			"2:40: expiration 1s is too short for node_timeout, which is 2s, and a drift of 12ms\n2:58: node_timeout\n" +
				"hint: a longer expiration, or a shorter node_timeout\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}

// What a max_hold is checked against: the expiration, wherever that stands, and whether anything is renewed.
func TestMaxHoldMustBeOfUse(t *testing.T) {
	const hint = "hint: a shorter expiration, for renewal makes a lock outlast it, or a longer max_hold\n"
	const off = "warning: max_hold does not concern Synchronize, which renews no lock with renew: false\n"
	const offHint = "hint: remove one of them, unless it is for AcquireLock with mutex.WithRenewal\n"
	for _, test := range []struct{ text, want string }{
		{mutexText("max_hold: 1h"), "5:15: max_hold is 1h0m0s, but a lock lasts for the default expiration anyway, which is 1h0m0s\n" + hint},
		{mutexText("max_hold: 60001ms", "expiration: 1m"), ""},
		{mutexText("max_hold: 1m", "expiration: 1m"),
			"5:15: max_hold is 1m0s, but a lock lasts for its expiration anyway, which is 1m0s\n6:17: expiration\n" + hint},
		{mutexText("expiration_in_seconds: 60", "max_hold: 59s"),
			"6:15: max_hold is 59s, but a lock lasts for its expiration anyway, which is 1m0s\n5:28: expiration_in_seconds\n" + hint},
		// Each mutex that the defaults don't suit is told.
		{"version: 1\ndefaults: {url: redis://a, expiration: 1m, max_hold: 2m}\nmutexes:\n- {name: A, key: a}\n" +
			"- {name: B, key: b, expiration: 3m}\n- {name: C, key: c, expiration: 3m}\n- {name: D, key: d, max_hold: 10s}\n",
			"5:33: max_hold is 2m0s, but a lock lasts for its expiration anyway, which is 3m0s\n2:54: max_hold\n" + hint +
				"6:33: max_hold is 2m0s, but a lock lasts for its expiration anyway, which is 3m0s\n2:54: max_hold\n" + hint +
				"7:31: max_hold is 10s, but a lock lasts for its expiration anyway, which is 1m0s\n2:40: expiration\n" + hint},
		// What is wrong in the defaults is said once.
		{"version: 1\ndefaults: {url: redis://a, expiration: 1m, max_hold: 1m}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n",
			"2:54: max_hold is 1m0s, but a lock lasts for its expiration anyway, which is 1m0s\n2:40: expiration\n" + hint},
		{"version: 1\ndefaults: {url: redis://a, max_hold: 1m}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n",
			"2:38: max_hold is 1m0s, but a lock lasts for the default expiration anyway, which is 1h0m0s\n" + hint},
		// Without renewal it is for AcquireLock alone.
		{mutexText("max_hold: 2h", "renew: false"), "5:15: " + off + "6:12: renew\n" + offHint},
		{mutexText("max_hold: 1h", "renew: false"),
			"5:15: max_hold is 1h0m0s, but a lock lasts for the default expiration anyway, which is 1h0m0s\n" + hint +
				"5:15: " + off + "6:12: renew\n" + offHint},
		{"version: 1\ndefaults: {url: redis://a, renew: false}\nmutexes:\n- {name: A, key: a, max_hold: 2h}\n",
			"4:31: " + off + "2:35: renew\n" + offHint},
		// The defaults are for whom they suit.
		{"version: 1\ndefaults: {url: redis://a, max_hold: 2h}\nmutexes:\n- {name: A, key: a, renew: false}\n" +
			"- {name: B, key: b, renew: false, expiration: 3h}\n- &c {name: C, key: c, max_hold: 3h}\n- {<<: *c, name: D, key: d, renew: false}\n", ""},
		{"version: 1\ndefaults: {url: redis://a, renew: off, max_hold: 2h}\nmutexes:\n- {name: A, key: a, renew: on}\n- {name: B, key: b}\n", ""},
		// What is wrong by itself is not compared.
		{mutexText("max_hold: 1", "renew: false"), "5:15: max_hold has no unit: 1\nhint: 1s? the units are ms, s, m and h\n"},
		{mutexText("max_hold: 1m", "expiration: 5"), "6:17: expiration has no unit: 5\nhint: 5s? the units are ms, s, m and h\n"},
		{mutexText("max_hold: 2h", "renew: no"), "6:12: renew must be true or false; \"no\" is not\nhint: write true or false\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestEachMutexSaysWhetherItsLocksAreRenewed(t *testing.T) {
	file := accepted(t, `version: 1
defaults: {url: redis://a, renew: off, max_hold: 5h}
mutexes:
  - {name: A, key: a}
  - {name: B, key: b, renew: true}
  - {name: C, key: c, renew: true, max_hold: 2h}
`)
	for i, want := range []Mutex{{MaxHold: 5 * time.Hour}, {Renew: true, MaxHold: 5 * time.Hour}, {Renew: true, MaxHold: 2 * time.Hour}} {
		if got := file.Mutexes[i]; got.Renew != want.Renew || got.MaxHold != want.MaxHold {
			t.Errorf("mutex %d: renew %t, max_hold %v", i, got.Renew, got.MaxHold)
		}
	}
}

func TestTheDefaultJitterFollowsAShortInterval(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"retry_interval: 50ms":  25 * time.Millisecond,
		"retry_interval: 200ms": 100 * time.Millisecond,
		"retry_interval: 5s":    100 * time.Millisecond,
	} {
		if got := accepted(t, mutexText(line)).Mutexes[0].RetryJitter; got != want {
			t.Errorf("%s: jitter %v, want %v", line, got, want)
		}
	}
}

func TestDefaultNodeTimeoutFitsTheExpiration(t *testing.T) {
	for expiration, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond:  5 * time.Millisecond,
		20 * time.Millisecond:  10 * time.Millisecond,
		100 * time.Millisecond: 10 * time.Millisecond,
		time.Second:            50 * time.Millisecond,
		20 * time.Second:       time.Second,
		time.Hour:              time.Second,
	} {
		if got := defaultNodeTimeout(expiration); got != want {
			t.Errorf("%v: %v, want %v", expiration, got, want)
		}
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	file := accepted(t, `version: 1
defaults: &common
  expiration: 7s
  wait: 3s
  servers: &nodes [redis://a, redis://b, redis://c]
mutexes:
  - {name: A, key: a, servers: *nodes, <<: *common}
  - name: B
    key: b
    <<: [{pool_size: 4, max_retry: 2}, {pool_size: 5, retry_interval: 1s}]
    wait: 1s
  - &c
    name: C
    key: c
    url: redis://d
  - <<: *c
    name: D
    key: d
`)
	a, b, d := file.Mutexes[0], file.Mutexes[1], file.Mutexes[3]
	if len(a.Servers) != 3 || a.Wait != 3*time.Second || a.Expiration != 7*time.Second {
		t.Errorf("A is %+v", a)
	}
	if b.PoolSize != 4 || b.RetryInterval != time.Second || b.Wait != time.Second || b.MaxRetry != 0 {
		t.Errorf("B is %+v", b)
	}
	if d.Name != "D" || d.URL != "redis://d" || d.Key.Template != "d" {
		t.Errorf("D is %+v", d)
	}
}

// What is wrong where an anchor stands, too, is said there only.
func TestFindingsBehindAnAliasStandAtItsUse(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"version: 1\npackage: &s p\nmutexes:\n- name: A\n  key: a\n  url: *s\n", "6:8: not a URL\nhint: for example redis://localhost:6379\n"},
		{"version: 1\ndefaults: &d {pool_size: 0, url: redis://a}\nmutexes:\n- {name: A, <<: *d}\n",
			"2:26: pool_size must be at least 1; this is 0\n"},
		{"version: 1\nmutexes:\n- {name: A, url: redis://a, <<: 7}\n", "3:33: << merges a mapping; this is a number\nhint: for example <<: *common\n"},
		{"version: 1\nmutexes:\n- {name: A, url: redis://a, <<: {wait: 1s, wait: 2s}}\n",
			"3:44: field \"wait\" stands here twice\n3:34: the first one\n"},
		{"version: 1\nmutexes:\n- &m {name: A, url: redis://a, <<: *m}\n", "3:36: merge keys are nested too deeply: over 10 of them\nhint: write out what they stand for\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}
