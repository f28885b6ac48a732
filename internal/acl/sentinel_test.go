package acl_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/redistest"
)

// watched are mutexes on a master that sentinels watch, who ask for a user as the servers do.
const watched = `
version: 1
defaults: {expiration: 30s, node_timeout: 1s, retry_interval: 5s}
mutexes:
- {name: Long, url: "WATCHED", key: long}
- {name: Report, url: "WATCHED", key: report}
- {name: Account, url: "WATCHED/2", key: "account:{id:int64}"}
- {name: Sku, url: "WATCHED", key: "sku:{sku:string}", replicas: 1, fencing: true, restart_guard: off}
`

// parseWatched reads the definitions with the master of the set.
func parseWatched(t *testing.T, set *redistest.SentinelSet) *definition.File {
	t.Helper()
	url := "redis+sentinel://worker:${PASSWORD}@" + strings.Join(set.SentinelAddrs(), ",") + "/" + set.Name
	const user = "?sentinel_username=worker&sentinel_password=${PASSWORD}&client_name=acl"
	text := strings.NewReplacer("WATCHED/2", url+"/2"+user, "WATCHED", url+user).Replace(watched)
	file, findings := definition.Parse("mutexes.yaml", []byte(text))
	if findings.HasErrors() {
		t.Fatalf("%s\n%+v", text, findings)
	}
	return file
}

// closeSentinels takes from everybody who names no user what a client may ask a sentinel, and gives worker the rule without
// skip. Sentinels go on talking with each other as that user: they may do all that the rule does not speak of.
func closeSentinels(t *testing.T, set *redistest.SentinelSet, rules []acl.Rule, skip string) {
	t.Helper()
	i := slices.IndexFunc(rules, func(r acl.Rule) bool { return r.Sentinels })
	if i < 0 {
		t.Fatal("no rule for the sentinels")
	}
	modifiers := rules[i].Modifiers()
	if skip != "" {
		at := slices.Index(modifiers, skip)
		modifiers = slices.Delete(modifiers, at, at+1)
	}
	for _, one := range set.Sentinels {
		for _, words := range [][]string{append([]string{"ACL", "SETUSER", "worker", ">" + password}, modifiers...), {"ACL", "LOG", "RESET"}} {
			if answer := one.CLI(words...); answer != "OK" {
				t.Fatalf("%q: %s", words, answer)
			}
		}
	}
}

func TestAMasterThatSentinelsWatchWorksUnderTheRules(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.SentinelOptions{})
	file := parseWatched(t, set)
	rules := acl.Rules(file, "")
	closeSentinels(t, set, rules, "")
	rule := rules[slices.IndexFunc(rules, func(r acl.Rule) bool { return r.FailsOver })]
	for _, s := range set.Servers {
		for _, words := range [][]string{append([]string{"ACL", "SETUSER", "worker", ">" + password}, rule.Modifiers()...), {"CONFIG", "RESETSTAT"}} {
			if answer := s.CLI(words...); answer != "OK" {
				t.Fatalf("%q: %s", words, answer)
			}
		}
	}
	master := set.Master()
	denied, err := run(t, file, []acl.Rule{rule}, []*redistest.Server{master})
	if err != nil || denied != "" {
		t.Errorf("%v\nrefused: %s\nrules: %+v", err, denied, rules)
	}
	for _, one := range set.Sentinels {
		if log := one.CLI("ACL", "LOG"); log != "" {
			t.Errorf("a sentinel refused %s", log)
		}
	}
	set.Failover()
	set.WaitForAnotherMaster(master)
	set.WaitComplete() // until then, what the old master still grants may be lost
	if denied, err := run(t, file, []acl.Rule{{Commands: []string{"+set"}}}, []*redistest.Server{set.Master()}); err != nil || denied != "" {
		t.Errorf("after a failover: %v\nrefused: %s", err, denied)
	}
}

// Sentinels need no more than this to be asked, and no less; SENTINEL SENTINELS is asked for, but can be done without.
func TestNothingInTheRuleOfSentinelsCanGo(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t, redistest.SentinelOptions{})
	for _, s := range set.Servers {
		if answer := s.CLI("ACL", "SETUSER", "worker", "on", ">"+password, "allkeys", "allchannels", "+@all"); answer != "OK" {
			t.Fatal(answer)
		}
	}
	file := parseWatched(t, set)
	rules := acl.Rules(file, "")
	rule := rules[slices.IndexFunc(rules, func(r acl.Rule) bool { return r.Sentinels })]
	for _, modifier := range slices.Concat(rule.Channels, rule.Commands) {
		closeSentinels(t, set, rules, modifier)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error, 1)
		go func() { done <- exercise(ctx, file, nil, environment()) }()
		for denials(set.Sentinels) == "" && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
		if ctx.Err() != nil {
			t.Errorf("without %s no sentinel refuses anything", modifier)
		}
		cancel()
		<-done
	}
}
