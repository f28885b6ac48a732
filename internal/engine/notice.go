package engine

import (
	"slices"
	"strconv"
	"strings"
)

// Who waits hears of releases through Redis's publish and subscribe. On a key's channel goes the beginning of the owner
// value that was released, for all who listen. On an engine's channel goes one of
//
//	wake <id> <engines> <key>             the lock was released and it is this engine's turn; engines, a comma between
//	                                      two, wait after it, "-" stands for none
//	wait <engine> <number> <hops> <key>   that engine waits for the key; number grows with each of its announcements
//
// All of it is advice: whatever is lost, forged or late costs an attempt or a wait until the next one is due, no more.

const channelPrefix = "mutexgen:"

func keyChannel(key string) string       { return channelPrefix + "key:" + key }
func engineChannel(engine string) string { return channelPrefix + "engine:" + engine }

// maxOthers is how many engines a list names at most. Those beyond it are told by nobody, and ask again by themselves.
const maxOthers = 256

// maxHops is how often an announcement is sent on after a lock that moves away from it.
const maxHops = 4

func wakeMessage(id string, others []string, key string) string {
	names := "-"
	if len(others) > 0 {
		names = strings.Join(others, ",")
	}
	return "wake " + id + " " + names + " " + key
}

func waitMessage(engine string, number uint64, hops int, key string) string {
	return "wait " + engine + " " + strconv.FormatUint(number, 10) + " " + strconv.Itoa(hops) + " " + key
}

// hear takes a message that came by way of a node.
func (s *lines) hear(node *Node, channel, message string) {
	if key, ok := strings.CutPrefix(channel, channelPrefix+"key:"); ok {
		if isID(message) {
			id := strings.Clone(message)
			s.at(node, key, func(ln *line, index int) { ln.wakeUp(index, id, nil, false) })
		}
		return
	}
	kind, message, _ := strings.Cut(message, " ")
	switch kind {
	case "wake":
		id, message, _ := strings.Cut(message, " ")
		names, key, ok := strings.Cut(message, " ")
		if ok && isID(id) {
			s.heardWake(node, strings.Clone(id), s.names(names), key)
		}
	case "wait":
		engine, message, _ := strings.Cut(message, " ")
		number, message, _ := strings.Cut(message, " ")
		hops, key, ok := strings.Cut(message, " ")
		n, err := strconv.ParseUint(number, 10, 60)
		h, err2 := strconv.ParseUint(hops, 10, 8)
		if ok && err == nil && err2 == nil && h <= maxHops && s.isName(engine) {
			s.heardWait(node, strings.Clone(engine), n, int(h), key)
		}
	}
}

// names are those of a list of engines, without this one.
func (s *lines) names(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if len(names) == maxOthers {
			break
		}
		if s.isName(name) {
			names = append(names, strings.Clone(name)) // not the whole message for a name's sake
		}
	}
	return names
}

// isID tells whether id can be one of ours: the beginning of an owner value, or a goneID.
func isID(id string) bool { return id != "" && len(id) <= 32 }

// isName tells whether name can be another engine's.
func (s *lines) isName(name string) bool {
	if name == "" || name == "-" || len(name) > 64 || name == s.engine.owners.name {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// heardWake takes word that it is this engine's turn.
func (s *lines) heardWake(node *Node, id string, others []string, key string) {
	wanted := false
	s.at(node, key, func(ln *line, index int) {
		if ln.wakeUp(index, id, others, true) {
			wanted = true
		}
	})
	if wanted {
		return
	}
	// Nobody waits here any more. The other nodes' word goes the same way.
	s.passTurn([]*Node{node}, id, others, key)
}

// passTurn tells the next of others, or everybody if there is none, that it is their turn.
func (s *lines) passTurn(nodes []*Node, id string, others []string, key string) {
	if len(others) > 0 {
		s.tell(nodes, engineChannel(others[0]), wakeMessage(id, others[1:], key))
	} else {
		s.tell(nodes, keyChannel(key), id)
	}
}

// wakeUp takes one node's word that the lock was released. It returns false if nobody waits. ByName says that it is this
// engine's turn.
func (ln *line) wakeUp(index int, id string, others []string, byName bool) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if !byName {
		ln.next = "" // whoever had the lock, it is free now
	}
	if ln.first == nil {
		if ln.holder == nil {
			return false
		}
		ln.addOthers(others) // they are served after the lock that is held already
		return true
	}
	ln.addOthers(others)
	if !ln.spoken(index, id) || ln.holder != nil {
		return true
	}
	if strings.HasPrefix(id, gone) {
		// The first time the lock went elsewhere meanwhile. If that is the answer again and again, its owner value names
		// an engine that does not know of it.
		if ln.gone++; ln.gone > 1 {
			ln.askIn(splitPause << min(ln.gone, 8))
			ln.poke()
			return true
		}
	} else {
		ln.gone = 0
		ln.named = ln.named || byName
	}
	ln.next = ""
	ln.woken, ln.ready = true, true
	ln.poke()
	return true
}

// spoken takes a node's word of a release. It returns true if that made it a quorum's. ln.mu is held.
func (ln *line) spoken(index int, id string) bool {
	r := announcedRelease{id: id}
	at := slices.IndexFunc(ln.releases[:], func(r announcedRelease) bool { return r.id == id })
	if at >= 0 {
		r = ln.releases[at]
	} else {
		at = len(ln.releases) - 1 // the oldest is forgotten
	}
	before := count(r.nodes)
	r.nodes |= 1 << index
	copy(ln.releases[1:at+1], ln.releases[:at])
	ln.releases[0] = r
	t := tally{nodes: len(ln.nodes), granted: count(r.nodes)}
	return before < t.quorum() && t.won()
}

// addOthers puts engines on the list, those that aren't yet. ln.mu is held.
func (ln *line) addOthers(names []string) {
	for _, name := range names {
		if len(ln.others) < maxOthers && !slices.Contains(ln.others, name) {
			ln.others = append(ln.others, name)
		}
	}
}

// heardWait takes word that an engine waits for the key, because somebody here holds the lock, or did.
func (s *lines) heardWait(node *Node, engine string, number uint64, hops int, key string) {
	if s.at(node, key, func(ln *line, _ int) { ln.heardWait(engine, number, hops) }) {
		return
	}
	if l := s.engine.held.at(node, key); l != nil {
		s.mu.Lock()
		ln := s.find(l.mutex, key)
		if ln == nil {
			ln = s.add(l.mutex, key)
		}
		s.mu.Unlock()
		ln.heardWait(engine, number, hops)
		return
	}
	s.tell([]*Node{node}, engineChannel(engine), wakeMessage(goneID(number), nil, key))
}

func (ln *line) heardWait(engine string, number uint64, hops int) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	mark := number*(maxHops+1) + uint64(hops) // it may come back from where it was sent on to
	if mark <= ln.seen[engine] {
		return // another node's word of the same
	}
	if ln.seen == nil || len(ln.seen) > 4*maxOthers {
		ln.seen = make(map[string]uint64)
	}
	ln.seen[engine] = mark
	switch {
	case ln.holder != nil || ln.first != nil:
		ln.addOthers([]string{engine})
		ln.listen() // so as to stand in line, and not overtake them, for the next lock
	case ln.next != "" && ln.next != engine && hops < maxHops:
		ln.tell(ln.nodes, ln.next, waitMessage(engine, number, hops+1, ln.key))
	default:
		ln.tell(ln.nodes, engine, wakeMessage(goneID(number), nil, ln.key))
	}
}

// gone begins the id in the answer to an announcement for a lock that went where nobody knows: ask for yourself.
const gone = "gone"

func goneID(number uint64) string { return gone + strconv.FormatUint(number, 10) }

// announcement is the message that this engine waits. ln.mu is held.
func (ln *line) announcement() string {
	e := ln.engine
	return waitMessage(e.owners.name, e.lines.announcements.Add(1), 0, ln.key)
}

// announce tells an engine that this one waits. ln.mu is held.
func (ln *line) announce(to string) {
	ln.tell(ln.nodes, to, ln.announcement())
}

// tell sends a message to an engine.
func (ln *line) tell(nodes []*Node, engine, message string) {
	ln.engine.lines.tell(nodes, engineChannel(engine), message)
}

// tell sends a message by way of nodes. Nobody waits for what comes of it.
func (s *lines) tell(nodes []*Node, channel, message string) {
	q := &question{op: notice, channel: channel, message: message}
	for i, node := range nodes {
		node.ask(&call{question: q, asker: nobody{}, index: i})
	}
}

// nobody is an asker that doesn't care.
type nobody struct{}

func (nobody) wanted() bool    { return true }
func (nobody) hear(int, reply) {}
