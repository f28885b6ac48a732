package acl

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// site is one server for one user: ACL rules are a server's, for all of its databases.
type site struct {
	user             string
	servers, mutexes []string
	keys, channels   patterns
	fencing, guard   bool
	// replicas says that some are waited for; kinds what the servers are; sentinels that they are these, and keep no keys.
	replicas, sentinels bool
	kinds               [redisCluster + 1]bool
	databases           []int
	// anyDatabase says that a variable names a database, undecided that one may; named, that connections are given a name.
	anyDatabase, undecided, named bool
}

type sites struct {
	inOrder []*site
	byPlace map[[2]string]*site // by place and user
}

// at is the site of an address. Where it shows that two are one, they become one: of two rules for one user, a server would
// forget the first.
func (all *sites) at(places []string, user string) *site {
	var s *site
	for _, place := range places {
		switch other := all.byPlace[[2]string{place, user}]; {
		case other == nil || other == s:
		case s == nil:
			s = other
		default:
			all.join(s, other)
		}
	}
	if s == nil {
		s = &site{user: user}
		all.inOrder = append(all.inOrder, s)
	}
	if all.byPlace == nil {
		all.byPlace = map[[2]string]*site{}
	}
	for _, place := range places {
		all.byPlace[[2]string{place, user}] = s
	}
	return s
}

// join makes one site of two.
func (all *sites) join(s, other *site) {
	s.add(other)
	all.inOrder = slices.DeleteFunc(all.inOrder, func(one *site) bool { return one == other })
	for place, one := range all.byPlace {
		if one == other {
			all.byPlace[place] = s
		}
	}
}

// add takes over what the other needs.
func (s *site) add(other *site) {
	for _, server := range other.servers {
		s.servers = appendNew(s.servers, server)
	}
	for _, name := range other.mutexes {
		s.mutexes = appendNew(s.mutexes, name)
	}
	for _, key := range other.keys {
		s.keys.add(key)
	}
	for _, channel := range other.channels {
		s.channels.add(channel)
	}
	for _, database := range other.databases {
		s.databases = appendNew(s.databases, database)
	}
	for kind, is := range other.kinds {
		s.kinds[kind] = s.kinds[kind] || is
	}
	s.fencing, s.guard, s.replicas = s.fencing || other.fencing, s.guard || other.guard, s.replicas || other.replicas
	s.anyDatabase, s.undecided, s.named = s.anyDatabase || other.anyDatabase, s.undecided || other.undecided, s.named || other.named
}

// userFor is the user given, or the one that the URL names, or else DefaultUser.
func userFor(given string, at *address) string { return cmp.Or(given, at.user, DefaultUser) }

// addSentinels takes in what a mutex needs of those who watch its master.
func (all *sites) addSentinels(m *definition.Mutex, at address, user string) {
	s := all.at(at.sentinels.places, userFor(user, at.sentinels))
	s.sentinels = true
	s.servers = appendNew(s.servers, at.sentinels.shown)
	s.mutexes = appendNew(s.mutexes, m.Name)
	s.named = s.named || at.named
	for _, channel := range []pattern{"+switch-master", "+promoted-slave", "+monitor"} {
		s.channels.add(channel)
	}
}

// add takes in what a mutex needs on one of its servers.
func (all *sites) add(m *definition.Mutex, at address, user string) {
	s := all.at(at.places, userFor(user, &at))
	s.kinds[at.kind] = true
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
		if at.kind == redisCluster && mayEndATag(m.Key) {
			s.keys.add(key + ":fence:" + anything)
		}
	}
	s.guard = s.guard || m.RestartGuard
	s.replicas = s.replicas || m.Replicas > 0
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
	if !s.sentinels {
		s.channels.add("mutexgen:engine:" + anything)
	}
	return Rule{
		User: s.user, Servers: s.servers, Mutexes: s.mutexes, Undecided: s.undecided && !s.anyDatabase,
		Keys: s.keys.modifiers('~'), Channels: s.channels.modifiers('&'), Commands: s.commands(),
		Sentinels: s.sentinels, FailsOver: s.kinds[sentinelMaster], OfCluster: s.kinds[redisCluster],
	}
}

// commands are those that the engine sends, or has its scripts call. HELLO and AUTH need no permission. To allow a command
// with its first argument only, as info and select here, is something that Redis 7 and later do, but log as deprecated.
func (s *site) commands() []string {
	var commands []string
	if s.sentinels {
		// The third is not needed: without it, nobody hears of sentinels that the URL does not name.
		commands = []string{"+sentinel|master", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "+subscribe", "+ping"}
		return s.naming(commands)
	}
	commands = append(commands, "+set", "+get", "+del", "+pttl", "+pexpire")
	if s.fencing || s.guard {
		commands = append(commands, "+time")
	}
	if s.fencing {
		commands = append(commands, "+incr")
	}
	if s.guard {
		commands = append(commands, "+info|server")
	}
	commands = append(commands, "+eval", "+evalsha")
	// In a Redis Cluster, no command has keys of several locks, and nobody can tell who listens to other nodes.
	alone := s.kinds[oneServer] || s.kinds[sentinelMaster]
	if alone {
		commands = append(commands, "+mget")
	}
	commands = append(commands, "+publish")
	if alone {
		commands = append(commands, "+pubsub|numsub")
	}
	commands = append(commands, "+subscribe", "+unsubscribe", "+ping")
	if s.replicas {
		commands = append(commands, "+wait")
	}
	if s.kinds[redisCluster] {
		commands = append(commands, "+cluster|slots", "+asking")
	}
	if s.anyDatabase {
		commands = append(commands, "+select")
	} else {
		slices.Sort(s.databases)
		for _, database := range s.databases {
			commands = append(commands, "+select|"+strconv.Itoa(database))
		}
	}
	return s.naming(commands)
}

// naming adds what connections need that the URL gives a name.
func (s *site) naming(commands []string) []string {
	if s.named {
		return append(commands, "+client|setname")
	}
	return commands
}
