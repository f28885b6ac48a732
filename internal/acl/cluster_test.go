package acl_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/redistest"
)

// clustered are mutexes on a Redis Cluster.
const clustered = `
version: 1
defaults: {expiration: 30s, node_timeout: 1s, retry_interval: 5s, url: "CLUSTER"}
mutexes:
- {name: Long, key: long}
- {name: Account, key: "account:{id:int64}"}
- {name: Sku, key: "sku:{sku:string}", replicas: 1, fencing: true, restart_guard: off}
- {name: Odd, key: "odd}}:{id:int64}", fencing: true, restart_guard: off}
`

func parseClustered(t *testing.T, c *redistest.Cluster) *definition.File {
	t.Helper()
	url := "redis+cluster://worker:${PASSWORD}@" + strings.Join(c.Addrs(), ",") + "?client_name=acl"
	file, findings := definition.Parse("mutexes.yaml", []byte(strings.ReplaceAll(clustered, "CLUSTER", url)))
	if findings.HasErrors() {
		t.Fatalf("%+v", findings)
	}
	return file
}

// admit has all nodes know worker by the rule, but for skip.
func admit(t *testing.T, c *redistest.Cluster, rule acl.Rule, skip string) {
	t.Helper()
	modifiers := rule.Modifiers()
	if skip != "" {
		at := slices.Index(modifiers, skip)
		modifiers = slices.Delete(modifiers, at, at+1)
	}
	for _, s := range c.Servers {
		for _, words := range [][]string{append([]string{"ACL", "SETUSER", "worker", ">" + password}, modifiers...), {"CONFIG", "RESETSTAT"}, {"ACL", "LOG", "RESET"}} {
			if answer := s.CLI(words...); answer != "OK" {
				t.Fatalf("%q: %s", words, answer)
			}
		}
	}
}

func TestARedisClusterWorksUnderTheRule(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2*time.Second)
	file := parseClustered(t, c)
	rules := acl.Rules(file, "")
	if len(rules) != 1 {
		t.Fatalf("%d rules", len(rules))
	}
	admit(t, c, rules[0], "")
	stop := moveSlots(t, c)
	denied, err := run(t, file, rules, c.Servers)
	stop()
	if err != nil || denied != "" {
		t.Errorf("%v\nrefused: %s\nrules: %+v", err, denied, rules)
	}
}

func TestNothingInTheRuleOfARedisClusterCanGo(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2*time.Second)
	file := parseClustered(t, c)
	rule := acl.Rules(file, "")[0]
	// The others are needed on any server: see TestNothingInTheRuleCanGo.
	for _, modifier := range []string{"~account:*", "~{sku:*}:fence", "&mutexgen:key:account:*", "+cluster|slots", "+asking", "+wait"} {
		admit(t, c, rule, modifier)
		stop := func() {}
		if modifier == "+asking" {
			stop = moveSlots(t, c)
		}
		denied, err := run(t, file, []acl.Rule{rule}, c.Servers)
		stop()
		if denied == "" {
			t.Errorf("without %s no node refuses anything; %v", modifier, err)
		}
	}
}

// moveSlots has the slots of some keys on their way to another master until stop: who asks for one is told to ask there.
func moveSlots(t *testing.T, c *redistest.Cluster) (stop func()) {
	var moves []*redistest.Move
	for _, key := range []string{"account:7", "account:3", "account:11"} {
		slot := c.Slot(key)
		moves = append(moves, c.BeginMove(slot, c.OtherMaster(slot)))
	}
	return func() {
		for _, m := range moves {
			m.Keys()
			m.End()
		}
	}
}
