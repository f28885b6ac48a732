package checkup

import (
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Right is something that a user may not do and a mutex does.
type Right struct {
	Mutex string `json:"mutex"`
	// Command is the command, with its subcommand, Object the key or channel that it is for, or such a one.
	Command string `json:"command"`
	Object  string `json:"object,omitempty"`
	// Needed says that without it no lock can be had, extended or released; else it only takes longer.
	Needed bool `json:"needed"`
}

// need is a command that a mutex has a server carry out.
type need struct {
	command []string
	object  string
	needed  bool
}

// needs are what a mutex asks of a server whose key is a sample. `mutexgen acl` prints them as a rule.
func needs(r resident, n *node) []need {
	key, counter := r.key, r.counter
	channel := engine.KeyChannel(key)
	own := engine.EngineChannels + "x"
	must := func(object string, command ...string) need { return need{command, object, true} }
	may := func(object string, command ...string) need { return need{command, object, false} }
	all := []need{
		must(key, "set", key, "x", "px", "1"), must(key, "get", key), must(key, "del", key), must(key, "pttl", key),
		must(key, "pexpire", key, "1"), must("", "eval", "return 1", "0"), must("", "evalsha", "x", "0"),
		may(channel, "publish", channel, "x"), may(own, "publish", own, "x"),
		may(channel, "subscribe", channel), may(own, "subscribe", own), may("", "unsubscribe"), may("", "ping"),
	}
	if n.Kind == "cluster" {
		all = append(all, must("", "cluster", "slots"), must("", "asking"))
	} else {
		all = append(all, may(key, "mget", key), may("", "pubsub", "numsub"))
	}
	if r.Fencing || r.RestartGuard {
		all = append(all, must("", "time"))
	}
	if r.Fencing {
		all = append(all, must(counter, "incr", counter), must(counter, "get", counter), must(counter, "set", counter, "1"),
			must(counter, "pexpire", counter, "1"))
	}
	if r.RestartGuard {
		birth := engine.BirthKey
		all = append(all, must(birth, "get", birth), must(birth, "set", birth, "1"), may("", "info", "server"))
	}
	if n.replicas > 0 {
		all = append(all, must("", "wait", "1", "1"))
	}
	return all
}

// name is the command as ACL rules write it: set, pubsub|numsub.
func (n need) name() string {
	switch n.command[0] {
	case "pubsub", "info", "cluster":
		return n.command[0] + "|" + n.command[1]
	}
	return n.command[0]
}

// rightsScript asks the server what the user who runs it may do, and does none of it.
// ARGV: for each command the number of its words, then these. Returns a character for each: '1' allowed, '0' not, 'e' there
// is no such command; or nothing, if the server can't tell (before Redis 7).
const rightsScript = `
if not redis.acl_check_cmd then
  return ''
end
local answers, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  local known, allowed = pcall(redis.acl_check_cmd, unpack(ARGV, i + 1, i + n))
  answers[#answers + 1] = not known and 'e' or allowed and '1' or '0'
  i = i + n + 1
end
return table.concat(answers)`

// denied reads the script's answer to what was asked of it. It is false if that tells nothing.
func denied(answer string, asked []need, by []string) (rights []Right, absent []string, ok bool) {
	if len(answer) != len(asked) {
		return nil, nil, false
	}
	for i, n := range asked {
		switch answer[i] {
		case '0':
			rights = append(rights, Right{Mutex: by[i], Command: n.name(), Object: clean(n.object), Needed: n.needed})
		case 'e':
			if name := strings.ReplaceAll(n.name(), "|", " "); !slices.Contains(absent, name) {
				absent = append(absent, name)
			}
		}
	}
	return rights, absent, true
}
