package compat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// decisions is what a change of each field says, from one value to the other and back: a roll-back is a deploy, too. Codes
// in capitals are of errors.
var decisions = []struct{ field, one, other, there, back string }{
	{"version", "1", "1", "", ""},
	{"package", "locks", "mutexes", "", ""},
	{"defaults", "{expiration: 20s}", "{wait: 1s}", "", ""}, // the mutex has both
	{"mutexes", "[{name: A, key: a, url: redis://a}]", "[{name: B, key: b, url: redis://a}]", "dropped", "dropped"},
	{"name", "A", "B", "renamed", "renamed"},
	{"doc", "one", "other", "", ""},
	{"url", "redis://a", "redis://b", "NODES-CHANGED", "NODES-CHANGED"},
	{"servers", "[redis://a]", "[redis://b]", "NODES-CHANGED", "NODES-CHANGED"},
	{"cluster", "[[redis://a], [redis://b]]", "[[redis://b], [redis://a]]", "GROUP-ORDER-CHANGED", "GROUP-ORDER-CHANGED"},
	{"key", "'a:{x:string}'", "'b:{x:string}'", "KEY-CHANGED", "KEY-CHANGED"},
	{"expiration", "10s", "20s", "", "expiration-shorter"},
	{"expiration_in_seconds", "10", "20", "", "expiration-shorter"},
	{"wait", "0", "forever", "", ""},
	{"max_retry", "0", "5", "", ""},
	{"retry_interval", "1s", "2s", "", ""},
	{"retry_jitter", "1ms", "2ms", "", ""},
	{"drift_factor", "0.01", "0.02", "validity-shorter", "drift-smaller"},
	{"node_timeout", "1ms", "1s", "", ""},
	{"pool_size", "1", "9", "", ""},
	{"reconnection_interval", "1s", "9s", "", ""},
	{"renew", "false", "true", "", "renew-off"},
	{"max_hold", "30m", "40m", "", "max-hold-shorter"},
	{"fencing", "false", "true", "fencing-on", "FENCING-OFF"},
	{"fencing_memory", "1h", "forever", "", "fencing-memory-shorter"},
	{"restart_guard", "off", "on", "restart-guard-on quarantine", "restart-guard-off"},
	{"replicas", "1", "2", "replicas-more", "replicas-fewer"},
}

func TestEveryFieldIsDecided(t *testing.T) {
	decided := map[string]bool{}
	for _, d := range decisions {
		decided[d.field] = true
		one, other := fileWith(t, d.field, d.one), fileWith(t, d.field, d.other)
		if got := codes(Compare(one, other)); got != d.there {
			t.Errorf("%s from %s to %s says %q, not %q", d.field, d.one, d.other, got, d.there)
		}
		if got := codes(Compare(other, one)); got != d.back {
			t.Errorf("%s from %s to %s says %q, not %q", d.field, d.other, d.one, got, d.back)
		}
	}
	for _, field := range definition.Fields() {
		if !decided[field.Name] {
			t.Errorf("what a change of %s means in a rolling deploy is not decided", field.Name)
		}
	}
}

// fileWith has one mutex, and a value of the field where the field may stand.
func fileWith(t *testing.T, field, value string) Version {
	t.Helper()
	top := map[string]string{"version": "1"}
	own := map[string]string{"name": "A", "key": "a", "url": "redis://a", "expiration": "10s", "wait": "1s"}
	for _, group := range [][]string{{"url", "servers", "cluster"}, {"expiration", "expiration_in_seconds"}, {"wait", "max_retry"}} {
		for _, one := range group {
			if strings.Contains(" "+strings.Join(group, " ")+" ", " "+field+" ") {
				delete(own, one)
			}
		}
	}
	switch field {
	case "version", "package", "defaults", "mutexes":
		top[field] = value
	case "fencing_memory":
		own["fencing"] = "true"
		own[field] = value
	default:
		own[field] = value
	}
	source := ""
	for name, value := range top {
		source += fmt.Sprintf("%s: %s\n", name, value)
	}
	if field != "mutexes" {
		source += "mutexes:\n  -\n"
		for name, value := range own {
			source += fmt.Sprintf("    %s: %s\n", name, value)
		}
	}
	return version(t, "mutexes.yaml", source)
}

// codes are those of the findings, in capitals where they are errors.
func codes(findings definition.Findings) string {
	var all []string
	for _, finding := range findings {
		code := finding.Code
		if finding.Severity == definition.Error {
			code = strings.ToUpper(code)
		}
		all = append(all, code)
	}
	return strings.Join(all, " ")
}
