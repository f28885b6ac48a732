// Package acl finds the smallest rules, in the terms of Redis's ACL SETUSER, under which the mutexes of a mutexes.yaml work.
// It asks no server. The rules are for Redis 6.2 and later, whose users have channels.
package acl

import (
	"slices"
	"strconv"

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
			all.add(m, parseURL(url), user)
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
	}
	return rules
}

// urls are those of all servers that a mutex may ask. Which group of a cluster a key belongs to is not looked into: another
// group beside them changes it.
func urls(m *definition.Mutex) []string { return slices.Concat(m.Groups()...) }

// site is one server for one user: ACL rules are a server's, for all of its databases.
type site struct {
	user             string
	servers, mutexes []string
	keys, channels   patterns
	fencing, guard   bool
	databases        []int
	// anyDatabase says that a variable names a database, undecided that one may; named, that connections are given a name.
	anyDatabase, undecided, named bool
}

type sites struct {
	inOrder []*site
	byName  map[[2]string]*site
}

// add takes in what a mutex needs on one of its servers.
func (all *sites) add(m *definition.Mutex, at address, user string) {
	if user == "" {
		user = at.user
	}
	if user == "" {
		user = DefaultUser
	}
	name := [2]string{at.server, user}
	s := all.byName[name]
	if s == nil {
		s = &site{user: user}
		if all.byName == nil {
			all.byName = map[[2]string]*site{}
		}
		all.byName[name] = s
		all.inOrder = append(all.inOrder, s)
	}
	s.servers = appendNew(s.servers, at.shown)
	s.mutexes = appendNew(s.mutexes, m.Name)
	key := keyPattern(m.Key)
	s.keys.add(key)
	s.channels.add("mutexgen:key:" + key)
	if m.Fencing {
		s.fencing = true
		for _, counter := range counterPatterns(m.Key) {
			s.keys.add(counter)
		}
	}
	s.guard = s.guard || m.RestartGuard
	s.undecided = s.undecided || at.undecided
	s.named = s.named || at.named
	switch {
	case at.anyDatabase:
		s.anyDatabase = true
	case at.database > 0:
		s.databases = appendNew(s.databases, at.database)
	}
}

func appendNew[E comparable](list []E, element E) []E {
	if slices.Contains(list, element) {
		return list
	}
	return append(list, element)
}

func (s *site) rule() Rule {
	if s.guard {
		s.keys.add("mutexgen:birth")
	}
	// Each engine listens to a channel of its own, with a random name, and others tell it there that they wait. The option
	// WithWait has any mutex wait, whatever its definition says.
	s.channels.add("mutexgen:engine:" + anything)
	return Rule{
		User: s.user, Servers: s.servers, Mutexes: s.mutexes, Undecided: s.undecided && !s.anyDatabase,
		Keys: s.keys.modifiers('~'), Channels: s.channels.modifiers('&'), Commands: s.commands(),
	}
}

// commands are those that the engine sends, or has its scripts call. HELLO and AUTH need no permission. To allow a command
// with its first argument only, as info and select here, is something that Redis 7 and later do, but log as deprecated.
func (s *site) commands() []string {
	commands := []string{"+set", "+get", "+del", "+pttl", "+pexpire"}
	if s.fencing || s.guard {
		commands = append(commands, "+time")
	}
	if s.fencing {
		commands = append(commands, "+incr")
	}
	if s.guard {
		commands = append(commands, "+info|server")
	}
	commands = append(commands, "+eval", "+evalsha", "+mget", "+publish", "+pubsub|numsub", "+subscribe", "+unsubscribe", "+ping")
	if s.anyDatabase {
		commands = append(commands, "+select")
	} else {
		slices.Sort(s.databases)
		for _, database := range s.databases {
			commands = append(commands, "+select|"+strconv.Itoa(database))
		}
	}
	if s.named {
		commands = append(commands, "+client|setname")
	}
	return commands
}
