package engine

import (
	"math"
	"strconv"
	"time"
)

// simKey is a lock's key on a simulated node. A zero ends is never.
type simKey struct {
	owner string
	ends  time.Time // by the node's clock
}

// simCounter is a fencing counter there, or whatever else stands at its key.
type simCounter struct {
	text string
	ends time.Time
}

// otherType is the owner of a key that is not a string.
const otherType = "\x00other type"

// simClock is a node's clock. The zero value agrees with everybody's.
type simClock struct {
	// ahead is by how much it is wrong, and rate by how much, of a second, it gains each second from base on.
	ahead time.Duration
	rate  float64
	base  time.Time
	// asleep is for how long the machines of all clients were suspended, which the nodes' were not; nil: they never were.
	asleep func() time.Duration
}

func (c *simClock) now() time.Time {
	now := time.Now()
	if c.asleep != nil {
		now = now.Add(c.asleep())
	}
	if c.rate != 0 {
		now = now.Add(time.Duration(float64(now.Sub(c.base)) * c.rate))
	}
	return now.Add(c.ahead)
}

// change is what undoes a change of a node's data, and when that was made.
type change struct {
	at   time.Time
	undo func()
}

// changed notes what undoes a change, if the node keeps a journal. n.mu is held.
func (n *simNode) changed(undo func()) {
	const most = 1000 // are enough for the second that a file may lack
	if !n.keepsJournal {
		return
	}
	if len(n.journal) > 2*most {
		n.journal = append(n.journal[:0], n.journal[most:]...)
	}
	n.journal = append(n.journal, change{n.now(), undo})
}

// rollBack undoes what changed in the last d, as the loss of the end of an append-only file does. n.mu is held.
func (n *simNode) rollBack(d time.Duration) {
	until := n.now().Add(-d)
	for len(n.journal) > 0 && n.journal[len(n.journal)-1].at.After(until) {
		n.journal[len(n.journal)-1].undo()
		n.journal = n.journal[:len(n.journal)-1]
	}
}

// look is the owner at a key; the key's expiration counts. n.mu is held.
func (n *simNode) look(key string) string {
	k, ok := n.keys[key]
	if ok && !k.ends.IsZero() && !n.now().Before(k.ends) {
		delete(n.keys, key)
		return ""
	}
	return k.owner
}

// left is how long a key that stands lives yet, in whole milliseconds. n.mu is held.
func (n *simNode) left(key string) time.Duration {
	if k := n.keys[key]; !k.ends.IsZero() {
		return max(k.ends.Sub(n.now()), 0).Truncate(time.Millisecond)
	}
	return forever
}

// set writes a key; zero milliseconds are for ever. n.mu is held.
func (n *simNode) set(key, owner string, milliseconds int64) {
	old, stood := n.keys[key]
	n.changed(func() { n.restoreKey(key, old, stood) })
	k := simKey{owner: owner}
	if milliseconds > 0 {
		k.ends = n.now().Add(time.Duration(milliseconds) * time.Millisecond)
	}
	n.keys[key] = k
}

// deleteKey deletes a key. n.mu is held.
func (n *simNode) deleteKey(key string) {
	old, stood := n.keys[key]
	n.changed(func() { n.restoreKey(key, old, stood) })
	delete(n.keys, key)
}

func (n *simNode) restoreKey(key string, old simKey, stood bool) {
	if stood {
		n.keys[key] = old
	} else {
		delete(n.keys, key)
	}
}

// counter is the fencing counter at a key, 0 if there is none; false says that something else stands there. n.mu is held.
func (n *simNode) counter(key string) (int64, bool) {
	c, ok := n.counters[key]
	if ok && !c.ends.IsZero() && !n.now().Before(c.ends) {
		delete(n.counters, key)
		ok = false
	}
	if !ok {
		return 0, true
	}
	value, err := strconv.ParseInt(c.text, 10, 64)
	return value, err == nil
}

// setCounter writes a counter, which lives as long as it did. n.mu is held.
func (n *simNode) setCounter(key string, value int64) {
	old, stood := n.counters[key]
	n.changed(func() {
		if stood {
			n.counters[key] = old
		} else {
			delete(n.counters, key)
		}
	})
	if n.counters == nil {
		n.counters = make(map[string]simCounter)
	}
	n.counters[key] = simCounter{text: strconv.FormatInt(value, 10), ends: old.ends}
}

// noCounter is a number that a counter does not reach.
const noCounter = 1 << 53

// beginning is what a counter begins with in this second. n.mu is held.
func (n *simNode) beginning() int64 { return n.now().Unix() << 20 }

// count is the next value of q's counter, or false if something else stands at its key: count of counting.lua. n.mu is
// held.
func (n *simNode) count(q *question) (int64, bool) {
	if q.counter == "" {
		return 0, true
	}
	old, ok := n.counter(q.counter)
	if !ok || old == math.MaxInt64 {
		return 0, false
	}
	n.setCounter(q.counter, old+1)
	switch beginning := n.beginning(); {
	case old+1 >= noCounter:
		return 0, false
	case old+1 < beginning:
		return n.keepCounter(q, beginning), true
	case old+1 >= beginning+1<<20:
		return n.keepCounter(q, old+1), true
	}
	return old + 1, true
}

// recallCounter finds q's counter again: recall of counting.lua. n.mu is held.
func (n *simNode) recallCounter(q *question) (int64, bool) {
	if q.counter == "" {
		return 0, true
	}
	if value, ok := n.counter(q.counter); ok && value > 0 && value < noCounter {
		return value, true
	}
	return n.count(q)
}

// raiseCounter makes q's counter at least its token: raise of raising.lua. n.mu is held.
func (n *simNode) raiseCounter(q *question) (int64, bool) {
	if q.counter == "" {
		return 0, true
	}
	value, ok := n.counter(q.counter)
	switch {
	case !ok || value >= noCounter:
		return 0, false
	case value < q.token:
		return n.keepCounter(q, q.token), true
	}
	if c, stands := n.counters[q.counter]; stands && q.memory > 0 && value < n.beginning()+1<<20 {
		n.setCounter(q.counter, value)
		n.counters[q.counter] = simCounter{text: c.text, ends: n.now().Add(milliseconds(q.memory + 1000))}
	}
	return value, true
}

// keepCounter writes q's counter: keep of guard.lua. n.mu is held.
func (n *simNode) keepCounter(q *question, value int64) int64 {
	n.setCounter(q.counter, value)
	c := simCounter{text: strconv.FormatInt(value, 10)}
	if q.memory > 0 {
		now := n.now()
		c.ends = now.Add(milliseconds(q.memory + (max(value>>20-now.Unix(), 0)+1)*1000))
	}
	n.counters[q.counter] = c
	return value
}

// quarantined is for how many more milliseconds the node does not vote: quarantined of guard.lua. n.mu is held.
func (n *simNode) quarantined(q *question) int64 {
	if q.quarantine == 0 {
		return 0
	}
	now := n.now().UnixMilli()
	if n.birth == 0 || n.birth > now {
		old := n.birth
		n.changed(func() { n.birth = old })
		n.birth = now
	}
	left := max(n.birth+q.quarantine-now, 0)
	if !n.blind {
		left = max(left, ((q.quarantine+999)/1000-n.uptime())*1000-now%1000)
	}
	return left
}

// uptime is for how many seconds the server runs, as it tells: by whole seconds of its clock. n.mu is held.
func (n *simNode) uptime() int64 { return n.now().Unix() - n.started.Unix() }
