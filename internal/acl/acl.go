// Package acl finds the smallest rules, in the terms of Redis's ACL SETUSER, under which the mutexes of a mutexes.yaml work.
// It asks no server. The rules are for Redis 6.2 and later, whose users have channels.
package acl

import (
	"slices"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// DefaultUser is the user of a rule where neither the URL nor the caller names one.
const DefaultUser = "mutexgen"

// Rule is what one user may do on servers that have the same mutexes.
type Rule struct {
	User string
	// Servers are host:port or the path of a socket, as far as their URLs say; what depends on variables is as written. There
	// is no password in them.
	Servers []string
	// Mutexes are the names of the mutexes that live there.
	Mutexes []string
	// Keys, Channels and Commands are the modifiers of ACL SETUSER that allow what they are named after: ~report:nightly,
	// &mutexgen:key:report:nightly, +set. None of them is covered by another.
	Keys, Channels, Commands []string
	// Sentinels says that the servers are sentinels, which have users of their own.
	Sentinels bool
	// FailsOver says that sentinels watch some of the servers, and OfCluster that some are nodes of a Redis Cluster: the rule is
	// for servers that the URL does not name, too.
	FailsOver, OfCluster bool
	// Undecided says that a variable may name another database than the rule allows, which is the one by default.
	Undecided bool
}

// Modifiers are the rule as ACL SETUSER takes it behind the user's name. They replace all that the user could do, so that to
// apply them again changes nothing, and leave its password as it is. They say what `reset` would in parts, since that forgets
// passwords too.
func (r Rule) Modifiers() []string {
	return slices.Concat([]string{"on", "resetkeys"}, r.Keys, []string{"resetchannels"}, r.Channels, []string{"-@all"}, r.Commands)
}

// Rules are those of all servers of the file, in the order in which it names them; servers with the same rule share it. The
// user is the one given, or else for each server the one that its URL names, or else DefaultUser.
func Rules(file *definition.File, user string) []Rule {
	if file == nil {
		return nil
	}
	var all sites
	for i := range file.Mutexes {
		m := &file.Mutexes[i]
		for _, url := range urls(m) {
			at := parseURL(url)
			all.add(m, at, user)
			if at.sentinels != nil {
				all.addSentinels(m, at, user)
			}
		}
	}
	var rules []Rule
	for _, s := range all.inOrder {
		rule := s.rule()
		same := slices.IndexFunc(rules, func(r Rule) bool {
			return r.User == rule.User && slices.Equal(r.Mutexes, rule.Mutexes) && slices.Equal(r.Modifiers(), rule.Modifiers())
		})
		if same < 0 {
			rules = append(rules, rule)
			continue
		}
		rules[same].Servers = append(rules[same].Servers, rule.Servers...)
		rules[same].Undecided = rules[same].Undecided || rule.Undecided
		rules[same].FailsOver = rules[same].FailsOver || rule.FailsOver
		rules[same].OfCluster = rules[same].OfCluster || rule.OfCluster
	}
	return rules
}

// urls are those of all servers that a mutex may ask. Which group of a cluster a key belongs to is not looked into: another
// group beside them changes it.
func urls(m *definition.Mutex) []string { return slices.Concat(m.Groups()...) }
