package definition

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every field of a mutex, what it takes, and what it says to what it doesn't take. The lines follow a mutex with a url.
func TestValues(t *testing.T) {
	const units = "the units are ms, s, m and h"
	const written = "write it as 10m, 200ms or 1h30m; " + units
	const noEnd = "to forget no token, write forever"
	memory := func(value string) string {
		return "fencing: true\n    restart_guard: off\n    fencing_memory: " + value
	}
	const noLimit = "for no limit, leave max_hold out"
	const decimal = "write it in decimal digits, without quotes and leading zeros"
	for _, test := range []struct{ line, message, hint string }{
		{"expiration: 10ms", "", ""},
		{"expiration: 87600h", "", ""},
		{"expiration: 1h30m", "", ""},
		{"expiration: 9ms", "expiration must be at least 10ms; this is 9ms", ""},
		{"expiration: 0s", "expiration must be at least 10ms; this is 0s", ""},
		{"expiration: -1s", "expiration must be at least 10ms; this is -1s", ""},
		{"expiration: 87601h", "expiration must be at most 87600h; this is 87601h", ""},
		{"expiration: 10500us", "expiration must be whole milliseconds; this is 10500us", "Redis counts an expiration in milliseconds"},
		{"expiration: 30", "expiration has no unit: 30", "30s? " + units},
		{"expiration: 0", "expiration has no unit: 0", "0s? " + units},
		{"expiration: '30'", "expiration has no unit: 30", "30s? " + units},
		{"expiration: 1.5", "expiration has no unit: 1.5", "1.5s? " + units},
		{"expiration: 1d", `expiration must be a duration; "1d" is not`, "write days in hours: 24h; " + units},
		{"expiration: soon", `expiration must be a duration; "soon" is not`, written},
		{"expiration: 10 m", `expiration must be a duration; "10 m" is not`, written},
		{"expiration: 10M", `expiration must be a duration; "10M" is not`, written},
		{"expiration: true", `expiration must be a duration; "true" is not`, written},
		{"expiration: ''", `expiration must be a duration; "" is not`, written},
		{"expiration: 99999999999999999999h", "expiration is longer than any duration can be: 99999999999999999999h", ""},
		{"expiration: -99999999999999999999h", "expiration must be at least 10ms; this is -99999999999999999999h", ""},
		{"expiration: 9999999h9999999h", "expiration is longer than any duration can be: 9999999h9999999h", ""},
		{"expiration:", "expiration has no value", "give it a value, or remove the line"},
		{"expiration: [1s]", "expiration must be a duration; this is a list", ""},
		{"expiration: {a: 1s}", "expiration must be a duration; this is a mapping", ""},
		{"expiration: !x 1s", `expiration must be a duration; this is a value with the tag "!x"`, "remove the tag; text that begins with ! needs quotes"},
		{"expiration: !!str 1s", "", ""},
		{"expiration: redis://:geheim@a", `expiration must be a duration; "redis://:***@a" is not`, written},
		{"expiration_in_seconds: 1", "", ""},
		{"expiration_in_seconds: 315360000", "", ""},
		{"expiration_in_seconds: 315360001", "expiration_in_seconds must be at most 315360000; this is 315360001", ""},
		{"expiration_in_seconds: 99999999999999999999", "expiration_in_seconds must be at most 315360000; this is 99999999999999999999", ""},
		{"expiration_in_seconds: -99999999999999999999", "expiration_in_seconds must be at least 1; this is -99999999999999999999", ""},
		{"expiration_in_seconds: 0", "expiration_in_seconds must be at least 1; this is 0", ""},
		{"expiration_in_seconds: 0.5", `expiration_in_seconds must be a whole number; "0.5" is not`,
			"write it as a duration instead, for example expiration: 500ms"},
		{"expiration_in_seconds: '5'", `expiration_in_seconds must be a whole number; "5" is not`, decimal},
		{"expiration_in_seconds: 010", `expiration_in_seconds must be a whole number; "010" is not`, decimal},
		{"expiration_in_seconds: 0x10", `expiration_in_seconds must be a whole number; "0x10" is not`, decimal},
		{"expiration_in_seconds: 1_000", `expiration_in_seconds must be a whole number; "1_000" is not`, decimal},
		{"wait: 0", "", ""},
		{"wait: '0'", "", ""},
		{"wait: 0s", "", ""},
		{"wait: 5s", "", ""},
		{"wait: forever", "", ""},
		{"wait: 9000000000s", "", ""},
		{"wait: Forever", `wait must be a duration, 0 or forever; "Forever" is not`, "did you mean forever?"},
		{"wait: infinite", `wait must be a duration, 0 or forever; "infinite" is not`, "did you mean forever?"},
		{"wait: .inf", `wait must be a duration, 0 or forever; ".inf" is not`, "did you mean forever?"},
		{"wait: 1e3", "wait has no unit: 1e3", "1e3s? " + units},
		{"wait: 5", "wait has no unit: 5", "5s? " + units},
		{"wait: -1", "wait must be at least 0s; this is -1", "to wait until the context ends, write forever"},
		{"wait: -1s", "wait must be at least 0s; this is -1s", "to wait until the context ends, write forever"},
		{"max_retry: 0", "", ""},
		{"max_retry: 3", "", ""},
		{"max_retry: -1", "max_retry must be at least 0; this is -1", "to try until the context ends, write wait: forever"},
		{"max_retry: forever", `max_retry must be a whole number; "forever" is not`, "write wait: forever"},
		{"max_retry: 1000000001", "max_retry must be at most 1000000000; this is 1000000001", ""},
		{"retry_interval: 1ms", "", ""},
		{"retry_interval: 0s", "retry_interval must be at least 1ms; this is 0s", ""},
		{"retry_interval: 200", "retry_interval has no unit: 200", "200ms? " + units},
		{"retry_jitter: 0", "", ""},
		{"retry_jitter: 0ms", "", ""},
		{"retry_jitter: 200ms", "", ""},
		{"retry_jitter: 201ms", "retry_jitter is 201ms, more than retry_interval, which is 200ms", ""},
		{"drift_factor: 0", "", ""},
		{"drift_factor: -0.0", "", ""},
		{"drift_factor: 0.5", "", ""},
		{"drift_factor: 1e-3", "", ""},
		{"drift_factor: 1", "drift_factor must be below 1; this is 1", ""},
		{"drift_factor: -0.1", "drift_factor must be at least 0; this is -0.1", ""},
		{"drift_factor: .nan", `drift_factor must be a number; ".nan" is not`, "for example 0.01"},
		{"drift_factor: .inf", `drift_factor must be a number; ".inf" is not`, "for example 0.01"},
		{"drift_factor: 1 %", `drift_factor must be a number; "1 %" is not`, "for example 0.01"},
		{"drift_factor: '0.01'", `drift_factor must be a number; "0.01" is not`, "write it without quotes"},
		{"node_timeout: 1ms", "", ""},
		{"node_timeout: 0s", "node_timeout must be at least 1ms; this is 0s", ""},
		{"node_timeout: 50", "node_timeout has no unit: 50", "50ms? " + units},
		{"pool_size: 1", "", ""},
		{"pool_size: 1000", "", ""},
		{"pool_size: 0", "pool_size must be at least 1; this is 0", ""},
		{"pool_size: 1001", "pool_size must be at most 1000; this is 1001", ""},
		{"reconnection_interval: 1ms", "", ""},
		{"reconnection_interval: 0s", "reconnection_interval must be at least 1ms; this is 0s", ""},
		{"renew: true", "", ""},
		{"renew: false", "", ""},
		{"renew: off", "", ""},
		{"renew: no", `renew must be true or false; "no" is not`, "write true or false"},
		{"renew: 1", `renew must be true or false; "1" is not`, "write true or false"},
		{"renew: !!bool maybe", `renew must be true or false; "maybe" is not`, "write true or false"},
		{"renew: 'true'", `renew must be true or false; "true" is not`, "write true or false, without quotes"},
		{"max_hold: 1h1ms", "", ""},
		{"max_hold: 87600h", "", ""},
		{"max_hold: 87601h", "max_hold must be at most 87600h; this is 87601h", ""},
		{"max_hold: 9ms", "max_hold must be at least 10ms; this is 9ms", ""},
		{"max_hold: 0", "max_hold must be at least 10ms; this is 0", noLimit},
		{"max_hold: 0s", "max_hold must be at least 10ms; this is 0s", noLimit},
		{"max_hold: -1", "max_hold must be at least 10ms; this is -1", noLimit},
		{"max_hold: -1h", "max_hold must be at least 10ms; this is -1h", noLimit},
		{"max_hold: 2", "max_hold has no unit: 2", "2s? " + units},
		{"max_hold: forever", `max_hold must be a duration; "forever" is not`, noLimit},
		{"max_hold: None", `max_hold must be a duration; "None" is not`, noLimit},
		{"max_hold: .inf", `max_hold must be a duration; ".inf" is not`, noLimit},
		{"max_hold: soon", `max_hold must be a duration; "soon" is not`, written},
		{"max_hold: 1d", `max_hold must be a duration; "1d" is not`, "write days in hours: 24h; " + units},
		{"fencing: false", "", ""},
		{"fencing: off", "", ""},
		{"fencing: true\n    restart_guard: off", "", ""},
		{"fencing: on\n    restart_guard: off", "", ""},
		{"fencing: strict", `fencing must be true or false; "strict" is not`, "write true or false"},
		{"fencing: 1", `fencing must be true or false; "1" is not`, "write true or false"},
		{"fencing:", "fencing has no value", "give it a value, or remove the line"},
		{"restart_guard: off", "", ""},
		{"restart_guard: 'off'", "", ""},
		{"restart_guard: false", "", ""},
		{"restart_guard: False", "", ""},
		{"expiration: 1m\n    restart_guard: on", "", ""},
		{"expiration: 1m\n    restart_guard: \"on\"", "", ""},
		{"expiration: 1m\n    restart_guard: true", "", ""},
		{"restart_guard: yes", `restart_guard must be on or off; "yes" is not`, "write on or off"},
		{"restart_guard: ON", `restart_guard must be on or off; "ON" is not`, "write on or off"},
		{"restart_guard: 'true'", `restart_guard must be on or off; "true" is not`, "write on or off"},
		{"restart_guard: enabled", `restart_guard must be on or off; "enabled" is not`, "write on or off"},
		{"restart_guard: 30s", `restart_guard must be on or off; "30s" is not`, "write on or off"},
		{"restart_guard: 0", `restart_guard must be on or off; "0" is not`, "write on or off"},
		{"restart_guard: ''", `restart_guard must be on or off; "" is not`, "write on or off"},
		{"restart_guard: [on]", "restart_guard must be on or off; this is a list", ""},
		{"restart_guard:", "restart_guard has no value", "give it a value, or remove the line"},
		{memory("1s"), "", ""},
		{memory("87600h"), "", ""},
		{memory("forever"), "", ""},
		{memory("'forever'"), "", ""},
		{memory("999ms"), "fencing_memory must be at least 1s; this is 999ms", ""},
		{memory("87601h"), "fencing_memory must be at most 87600h; this is 87601h", ""},
		{memory("60"), "fencing_memory has no unit: 60", "60s? " + units},
		{memory("0"), "fencing_memory must be at least 1s; this is 0", noEnd},
		{memory("0s"), "fencing_memory must be at least 1s; this is 0s", noEnd},
		{memory("-1"), "fencing_memory must be at least 1s; this is -1", noEnd},
		{memory("-1h"), "fencing_memory must be at least 1s; this is -1h", noEnd},
		{memory("-99999999999999999999h"), "fencing_memory must be at least 1s; this is -99999999999999999999h", ""},
		{memory("Forever"), `fencing_memory must be a duration or forever; "Forever" is not`, "did you mean forever?"},
		{memory("infinite"), `fencing_memory must be a duration or forever; "infinite" is not`, "did you mean forever?"},
		{memory("never"), `fencing_memory must be a duration or forever; "never" is not`, written},
		{memory("7d"), `fencing_memory must be a duration or forever; "7d" is not`, "write days in hours: 24h; " + units},
		{memory("true"), `fencing_memory must be a duration or forever; "true" is not`, written},
		{memory("{a: 1h}"), "fencing_memory must be a duration or forever; this is a mapping", ""},
		{"doc: |\n      one\n      two\n", "", ""},
		{"doc: 7", "doc must be text; this is a number", `put it in quotes: "7"`},
		{"doc: [a]", "doc must be text; this is a list", ""},
		{"key: true", "key must be text; this is a boolean", `put it in quotes: "true"`},
		{"key: 2026-01-02", "", ""},
		{"key:", "key has no value", "give it a value, or remove the line"},
	} {
		want := ""
		if test.message != "" {
			want = test.message + "\n"
		}
		if test.hint != "" {
			want += "hint: " + test.hint + "\n"
		}
		got := headlines(mutexText(test.line))
		if _, after, ok := strings.Cut(got, ": "); ok {
			got = after
		}
		if got != want {
			t.Errorf("%s: got\n%swant\n%s", test.line, got, want)
		}
	}
}

func TestValuesArriveInTheMutex(t *testing.T) {
	got := accepted(t, mutexText("expiration_in_seconds: 90", "wait: forever", "retry_interval: 50ms", "retry_jitter: 5ms",
		"drift_factor: 0.25", "node_timeout: 70ms", "pool_size: 5", "reconnection_interval: 3s", "renew: on", "max_hold: 4h", "fencing: true",
		"fencing_memory: forever", "restart_guard: on", "replicas: 2", "key: a{{b}}", "doc: \"  one\\ntwo  \\n\\n\"")).Mutexes[0]
	got.places = nil
	want := Mutex{Name: "A", Doc: "  one\ntwo", URL: "redis://a", Key: Key{"a{{b}}", []Part{{Literal: "a{b}"}}},
		Expiration: 90 * time.Second, Wait: Forever, RetryInterval: 50 * time.Millisecond, RetryJitter: 5 * time.Millisecond,
		DriftFactor: 0.25, NodeTimeout: 70 * time.Millisecond, PoolSize: 5, ReconnectionInterval: 3 * time.Second,
		Renew: true, MaxHold: 4 * time.Hour, Fencing: true, FencingMemory: Forever, RestartGuard: true, Replicas: 2, Position: Position{3, 11}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReplicasNeedTimeToAcknowledge(t *testing.T) {
	const hasty = "warning: replicas have to acknowledge each lock within the node_timeout, which is 9ms\n"
	for lines, want := range map[string]string{
		"replicas: 1":                                  "",
		"replicas: 0":                                  "",
		"replicas: -1":                                 "5:15: replicas must be at least 0; this is -1\n",
		"replicas: 1|node_timeout: 10ms":               "",
		"replicas: 0|node_timeout: 9ms":                "",
		"replicas: 1|expiration: 10ms|drift_factor: 0": "", // the default is below 10ms then, and nobody's mistake
		"replicas: 2|node_timeout: 9ms":                "6:19: " + hasty + "5:15: replicas\nhint: give them 10ms at least\n",
	} {
		if got := headlines(mutexText(strings.Split(lines, "|")...)); got != want {
			t.Errorf("%s: got\n%swant\n%s", lines, got, want)
		}
	}
}

func TestTheTableOfFieldsIsSound(t *testing.T) {
	for _, f := range Fields() {
		if f.Description == "" || f.Name == "" {
			t.Errorf("%q is not described", f.Name)
		}
		if f.set == nil && f.In != InFile {
			t.Errorf("%s goes nowhere", f.Name)
		}
		tag := map[Kind]string{Switch: "!!bool", OnOff: "!!str", Count: "!!int", Seconds: "!!int", Fraction: "!!float", Wait: "!!str",
			Lifetime: "!!str"}[f.Kind]
		switch f.Kind {
		case Duration, Wait, Lifetime, Seconds, Count, Fraction, Switch, OnOff:
			for _, text := range append(f.Examples, f.Default) {
				if text == "" {
					continue
				}
				if _, hint, err := scalar(&f, text, tag); err != nil {
					t.Errorf("%s: %s: %v (%s)", f.Name, text, err, hint)
				}
			}
		case KeyTemplate:
			for _, text := range append(f.Examples, f.Default) {
				if _, problems := parseKey(text); len(problems) > 0 {
					t.Errorf("%s: %s: %v", f.Name, text, problems)
				}
			}
		case URL:
			for _, text := range f.Examples {
				if problems := checkURL(text); len(problems) > 0 {
					t.Errorf("%s: %s: %v", f.Name, text, problems)
				}
			}
		}
	}
	for _, f := range fields {
		for _, foreign := range f.Foreign {
			for _, other := range fields {
				if plainWord(foreign) == plainWord(other.Name) {
					t.Errorf("%s, another library's name for %s, is our %s", foreign, f.Name, other.Name)
				}
			}
		}
	}
}
