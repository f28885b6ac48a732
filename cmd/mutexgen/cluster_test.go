package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// onACluster are mutexes on a Redis Cluster; the counters of one have names of their own there.
const onACluster = `version: 1
defaults: {url: "${CLUSTER}", expiration: 1m, replicas: 1, fencing_memory: 1h, restart_guard: off}
mutexes:
  - name: Report
    key: report:nightly
    fencing: true
  - name: Account
    key: account:{id:int64}
  - name: Odd
    key: "odd}}{name:string}"
    fencing: true
`

// clustered is a sandbox with those definitions, on six servers without anything wrong.
func clustered(t *testing.T) (*sandbox, *redistest.Cluster) {
	t.Helper()
	c := redistest.StartCluster(t, 10*time.Second, sound...)
	s := newSandbox(t, onACluster)
	s.variables = map[string]string{"CLUSTER": "redis+cluster://" + strings.Join(c.Addrs()[:3], ",")}
	return s, c
}

func TestDoctorNamesTheOneThingThatIsWrongWithACluster(t *testing.T) {
	t.Parallel()
	s, c := clustered(t)
	want := func(what, finding, server string) {
		t.Helper()
		result, code := s.diagnose()
		findings := result.Files[0].Findings
		if finding == "" {
			if len(findings) > 0 || code != exitOK {
				t.Errorf("%s: exit code %d, %+v", what, code, findings)
			}
			return
		}
		if len(findings) != 1 || code != exitFound || findings[0].Code != finding || findings[0].Server != server {
			t.Errorf("%s: exit code %d, %+v; want %s of %q", what, code, findings, finding, server)
		}
	}
	want("nothing", "", "")

	second := c.Servers[1]
	for _, setting := range [][]string{{"maxmemory", "100mb"}, {"maxmemory-policy", "allkeys-lru"}} {
		cli(t, second, "CONFIG", "SET", setting[0], setting[1])
	}
	want("a master that evicts", "eviction", second.Addr())
	cli(t, second, "CONFIG", "SET", "maxmemory-policy", "noeviction")

	c.Servers[4].Kill() // its replica
	waitUntil(t, "the master has no replica", func() bool { return strings.Contains(second.CLI("INFO", "replication"), "connected_slaves:0") })
	want("a master without replica", "too-few-replicas", second.Addr())
	c.Servers[4].Restart()
	c.WaitHealthy()
	want("nothing any more", "", "")

	for i := range 3 { // at whichever of them the first key that comes to mind is
		cli(t, c.Servers[i], "CONFIG", "SET", "min-replicas-to-write", "2")
		want("a master that wants more replicas than it has", "too-few-replicas", c.Servers[i].Addr())
		cli(t, c.Servers[i], "CONFIG", "SET", "min-replicas-to-write", "0")
	}

	for _, server := range c.Servers {
		cli(t, server, "CLUSTER", "DELSLOTS", "5")
	}
	for _, full := range []string{"yes", "no"} {
		for _, server := range c.Servers {
			cli(t, server, "CONFIG", "SET", "cluster-require-full-coverage", full)
		}
		state := map[string]string{"yes": "cluster_state:fail", "no": "cluster_state:ok"}[full]
		for _, server := range c.Servers[:3] {
			waitUntil(t, state, func() bool { return strings.Contains(server.CLI("CLUSTER", "INFO"), state) })
		}
		want("a slot without master, full coverage: "+full, "cluster-slots", "")
	}
}

// The rule doesn't let its user read all that the doctor would like to know, which is no fault.
func TestDoctorIsContentWithAUserOfAClusterByTheRuleOfACL(t *testing.T) {
	t.Parallel()
	s, c := clustered(t)
	s.variables["CLUSTER"] = strings.Replace(s.variables["CLUSTER"], "//", "//mutexgen:secret@", 1)
	if code := s.run("acl"); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, &s.stderr)
	}
	_, rule, _ := strings.Cut(s.stdout.String(), "\nACL SETUSER ")
	rule, _, _ = strings.Cut(strings.ReplaceAll(rule, "'", ""), "\n")
	admit := func(more ...string) {
		t.Helper()
		for _, server := range c.Servers {
			words := append(append([]string{"ACL", "SETUSER"}, strings.Fields(rule)...), ">secret")
			cli(t, server, append(words, more...)...)
		}
	}
	admit("+cluster|slots", "+asking") // the rule cannot know that the variable names a cluster
	result, code := s.diagnose()
	if code != exitOK || len(result.Files[0].Findings) == 0 {
		t.Errorf("exit code %d, %+v", code, result.Files[0].Findings)
	}
	for _, f := range result.Files[0].Findings {
		if f.Severity != mutex.SeverityNote || f.Code != "unread" {
			t.Errorf("%+v", f)
		}
	}
	s.printed([]string{"Odd", "x"}, []string{"odd}x", "free"}, nil)

	admit("+cluster|slots")
	result, code = s.diagnose()
	if f := result.Files[0].Findings[0]; code != exitFound || f.Code != "acl" || !strings.Contains(f.Message, "+asking;") {
		t.Errorf("without ASKING: exit code %d, %+v", code, result.Files[0].Findings)
	}
}

func TestStatusTellsWhoHoldsALockOfACluster(t *testing.T) {
	t.Parallel()
	s, c := clustered(t)
	set, err := mutex.OpenSet([]mutex.Definition{{Name: "Odd", URL: s.variables["CLUSTER"], Key: "{k:string}", Expiration: time.Minute,
		NodeTimeout: time.Second, PoolSize: 1, ReconnectionInterval: time.Second, Fencing: true, FencingMemory: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	lock, err := mutex.At[account](set.Opened("Odd"), mutex.NewKey("odd}x")).AcquireLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"where its slot was", "where its slot is"} {
		a, code := s.held("Odd", "x")
		if one := a.Mutexes[0]; code != exitOK || one.State != "held" || one.Token != lock.Token() || one.Remaining < 50*time.Second {
			t.Errorf("%s: exit code %d, %+v", where, code, a)
		}
		a, code = s.held("-scan", "100", "Odd")
		if code != exitOK || len(a.Mutexes) != 1 || a.Mutexes[0].Key != "odd}x" {
			t.Errorf("%s: exit code %d, found are %+v", where, code, a)
		}
		slot := c.Slot("odd}x")
		c.MoveSlot(slot, c.OtherMaster(slot))
	}
}
