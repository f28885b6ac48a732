package acl_test

import (
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/redistest"
)

const replicated = `
version: 1
defaults: {expiration: 30s, node_timeout: 1s, retry_interval: 5s, replicas: 1}
mutexes:
- {name: Long, url: "redis://worker:${PASSWORD}@SERVER", key: long}
- {name: Account, url: "redis://worker:${PASSWORD}@SERVER/2", key: "account:{id:int64}"}
- {name: Fenced, url: "redis://worker:${PASSWORD}@SERVER", key: fenced, fencing: true, restart_guard: off}
`

// startReplicated starts a server with a replica that has all that the server has.
func startReplicated(t *testing.T) *redistest.Server {
	t.Helper()
	master, _ := redistest.StartReplicas(t, 1)
	master.CLI("CONFIG", "RESETSTAT") // what was called until now was called by us
	return master
}

func TestWhoWaitsForReplicasNeedsTheRightTo(t *testing.T) {
	t.Run("exactly the rule", func(t *testing.T) {
		t.Parallel()
		master := startReplicated(t)
		servers := []*redistest.Server{master}
		file := parse(t, replicated, master)
		rules := acl.Rules(file, "")
		apply(t, rules, "", master)
		if denied, err := run(t, file, rules, servers); err != nil || denied != "" {
			t.Errorf("%v\nrefused: %s\nrules: %+v", err, denied, rules)
		}
	})
	t.Run("less than that", func(t *testing.T) {
		t.Parallel()
		master := startReplicated(t)
		file := parse(t, replicated, master)
		rules := acl.Rules(file, "")
		apply(t, rules, "+wait", master)
		if denied, err := run(t, file, rules, []*redistest.Server{master}); !strings.Contains(denied, "wait") {
			t.Errorf("the server refused %q; %v", denied, err)
		}
	})
}
