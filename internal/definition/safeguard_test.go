package definition

import (
	"testing"
	"time"
)

const (
	undecided = "warning: fencing without restart_guard: when nodes have lost their data, a token may not be larger than all before it\n" +
		"hint: restart_guard: on keeps such nodes from voting until it is safe; restart_guard: off accepts this. Either ends this warning\n"
	noTokens     = "fencing_memory without fencing: the locks have no tokens to remember\n"
	noTokensHint = "hint: write fencing: true beside it, or remove it\n"
)

func TestFencingAsksForADecisionAboutRestarts(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{mutexText("fencing: true"), "5:14: " + undecided},
		{mutexText("fencing: true", "restart_guard: off"), ""},
		{mutexText("fencing: true", "restart_guard: on", "expiration: 1m"), ""},
		{mutexText("fencing: false"), ""},
		// Whoever writes something wrong has decided.
		{mutexText("fencing: true", "restart_guard: maybe"), "6:20: restart_guard must be on or off; \"maybe\" is not\nhint: write on or off\n"},
		{mutexText("fencing: maybe"), "5:14: fencing must be true or false; \"maybe\" is not\nhint: write true or false\n"},
		// It may be decided for all mutexes, and is asked once where it is for all.
		{"version: 1\ndefaults: {url: redis://a, restart_guard: off}\nmutexes:\n- {name: A, key: a, fencing: true}\n", ""},
		{"version: 1\ndefaults: {url: redis://a, fencing: true}\nmutexes:\n- {name: A, key: a, restart_guard: off}\n", ""},
		{"version: 1\ndefaults: {url: redis://a, fencing: true}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n", "2:37: " + undecided},
		{"version: 1\ndefaults: {url: redis://a, fencing: true}\nmutexes:\n- {name: A, key: a, fencing: false}\n", ""},
		{"version: 1\ndefaults: {url: redis://a}\nmutexes:\n- &m {name: A, key: a, fencing: true, restart_guard: off}\n- {<<: *m, name: B, key: b}\n", ""},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestAFencingMemoryNeedsFencing(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{mutexText("fencing_memory: 2h"), "5:21: " + noTokens + noTokensHint},
		{mutexText("fencing_memory: 2h", "fencing: false"), "5:21: " + noTokens + "6:14: fencing\n" + noTokensHint},
		{mutexText("fencing_memory: 2h", "fencing: true", "restart_guard: off"), ""},
		{"version: 1\ndefaults: {url: redis://a, fencing: false}\nmutexes:\n- {name: A, key: a, fencing_memory: 2h}\n",
			"4:37: " + noTokens + "2:37: fencing\n" + noTokensHint},
		// What is wrong by itself is not compared.
		{mutexText("fencing_memory: 2h", "fencing: maybe"), "6:14: fencing must be true or false; \"maybe\" is not\nhint: write true or false\n"},
		// The defaults are for whom they suit.
		{"version: 1\ndefaults: {url: redis://a, fencing_memory: 2h}\nmutexes:\n- {name: A, key: a}\n- &c {name: B, key: b, restart_guard: off, fencing: true}\n" +
			"- {<<: *c, name: C, key: c, fencing: false}\n", ""},
		{"version: 1\nmutexes:\n- &c {name: B, url: redis://a, key: b, restart_guard: off, fencing: true, fencing_memory: 2h}\n" +
			"- {<<: *c, name: C, key: c, fencing: false}\n", ""},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestALongQuarantineIsWarnedOf(t *testing.T) {
	const hint = "hint: a shorter expiration does, for renewal makes a lock outlast it\n"
	warning := func(expiration, quarantine string) string {
		return "warning: with restart_guard and an expiration of " + expiration +
			", nodes that restarted or are new don't vote for " + quarantine + "\n"
	}
	for _, test := range []struct{ text, want string }{
		{mutexText("restart_guard: on"), "5:20: " + warning("1h0m0s", "1h0m38s") + hint},
		{mutexText("restart_guard: off"), ""},
		{mutexText("restart_guard: on", "expiration: 295s"), ""},
		{mutexText("restart_guard: on", "expiration: 296s"), "5:20: " + warning("4m56s", "5m1s") + "6:17: expiration\n" + hint},
		{mutexText("restart_guard: on", "expiration: 200s", "drift_factor: 0.5"),
			"5:20: " + warning("3m20s", "5m2s") + "6:17: expiration\n" + hint},
		{mutexText("restart_guard: on", "expiration_in_seconds: 600"),
			"5:20: " + warning("10m0s", "10m8s") + "6:28: expiration_in_seconds\n" + hint},
		{mutexText("restart_guard: on", "renew: false"), "5:20: " + warning("1h0m0s", "1h0m38s") +
			"hint: a shorter expiration, with renew: true where the work takes longer\n"},
		{mutexText("restart_guard: on", "expiration: 87600h", "drift_factor: 0.9"),
			"5:20: " + warning("87600h0m0s", "166440h0m2s") + "6:17: expiration\n" + hint},
		// Each mutex that the defaults don't suit is told, and what is wrong with them is said once.
		{"version: 1\ndefaults: {url: redis://a, restart_guard: on, expiration: 1m}\nmutexes:\n- {name: A, key: a}\n" +
			"- {name: B, key: b, expiration: 10m}\n- {name: C, key: c, expiration: 10m, restart_guard: off}\n",
			"5:33: " + warning("10m0s", "10m8s") + "2:43: restart_guard\n" + hint},
		{"version: 1\ndefaults: {url: redis://a, restart_guard: on}\nmutexes:\n- {name: A, key: a}\n- {name: B, key: b}\n",
			"2:43: " + warning("1h0m0s", "1h0m38s") + hint},
		// What is wrong by itself is not compared.
		{mutexText("restart_guard: on", "expiration: 5"), "6:17: expiration has no unit: 5\nhint: 5s? the units are ms, s, m and h\n"},
		{mutexText("restart_guard: on", "drift_factor: 2"), "6:19: drift_factor must be below 1; this is 2\n"},
	} {
		if got := headlines(test.text); got != test.want {
			t.Errorf("%s\ngot\n%swant\n%s", test.text, got, test.want)
		}
	}
}

func TestEachMutexSaysWhetherItsLocksHaveTokens(t *testing.T) {
	file := accepted(t, `version: 1
defaults: {url: redis://a, expiration: 30s, fencing: on, fencing_memory: 5h, restart_guard: on}
mutexes:
  - {name: A, key: a}
  - {name: B, key: b, fencing: false, restart_guard: off}
  - {name: C, key: c, fencing_memory: forever, restart_guard: false}
  - {name: D, key: d, fencing_memory: 1s, restart_guard: 'on'}
`)
	for i, want := range []Mutex{
		{Fencing: true, FencingMemory: 5 * time.Hour, RestartGuard: true},
		{FencingMemory: 5 * time.Hour},
		{Fencing: true, FencingMemory: Forever},
		{Fencing: true, FencingMemory: time.Second, RestartGuard: true},
	} {
		got := file.Mutexes[i]
		if got.Fencing != want.Fencing || got.FencingMemory != want.FencingMemory || got.RestartGuard != want.RestartGuard {
			t.Errorf("mutex %d: fencing %t, memory %v, guard %t", i, got.Fencing, got.FencingMemory, got.RestartGuard)
		}
	}
}
