package engine

import (
	"errors"
	"strings"
)

// answerCall carries out what a call asks.
func (n *simNode) answerCall(c *call) reply {
	if n.cluster != nil {
		return n.cluster.answer(n, c)
	}
	return n.answer(c.question)
}

// answer carries a question out, as the commands and scripts of the wire do.
func (n *simNode) answer(q *question) reply {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.heard == nil {
		n.log = append(n.log, opNames[q.op]+" "+q.owner)
		return n.carryOut(q)
	}
	r := n.carryOut(q)
	n.heard(q, r)
	return r
}

var opNames = [...]string{
	acquire: "acquire", queue: "queue", release: "release", handover: "handover", extend: "extend", raise: "raise", read: "read",
	notice: "notice",
}

// carryOut does. n.mu is held.
func (n *simNode) carryOut(q *question) reply {
	if n.refuse != nil {
		return reply{answer: Refused, err: n.refuse}
	}
	if n.refuseOp != nil {
		if err := n.refuseOp(q.op); err != nil {
			return reply{answer: Refused, err: err}
		}
	}
	if q.isGuarded() {
		return n.guarded(q)
	}
	stands := n.look(q.key)
	if stands == otherType && q.op != acquire && q.op != queue && q.op != notice {
		return reply{answer: WrongType}
	}
	switch q.op {
	case acquire:
		if stands != "" {
			return reply{answer: Taken}
		}
		n.set(q.key, q.owner, q.milliseconds)
	case queue:
		if stands != "" {
			return n.taken(q, stands)
		}
		n.set(q.key, q.owner, q.milliseconds)
	case handover:
		if stands != "" && stands != q.owner {
			return reply{answer: Taken}
		}
		n.set(q.key, q.next, q.milliseconds)
		if stands == "" {
			return reply{answer: Gone}
		}
	case notice:
		n.publish(q.channel, q.message)
	case extend:
		if stands != "" && stands != q.owner {
			return reply{answer: Taken}
		}
		n.lengthen(q)
	case release:
		if stands == "" {
			return reply{answer: Gone}
		}
		if stands != q.owner {
			return reply{answer: Taken}
		}
		n.deleteKey(q.key)
		if n.cluster != nil {
			switch {
			case q.channel != "":
				n.publish(q.channel, q.message)
			case !q.quiet:
				n.publish(keyChannel(q.key), q.owner[:min(len(q.owner), idLength)])
			}
			break
		}
		if q.channel == "" || n.publish(q.channel, q.message) == 0 {
			heard := n.publish(keyChannel(q.key), q.owner[:min(len(q.owner), idLength)])
			return reply{answer: Granted, awaited: heard > 0}
		}
	case read:
		if stands == "" {
			return reply{answer: Gone}
		}
		return reply{answer: Granted, owner: stands}
	}
	return reply{answer: Granted}
}

var errNoCounter = errors.New("ERR no fencing counter stands there")

// guarded carries out a question with a safeguard, as the scripts that begin with guard.lua do. n.mu is held.
func (n *simNode) guarded(q *question) reply {
	left := n.quarantined(q)
	if left > 0 && (q.op == acquire || q.op == queue || q.op == handover) {
		return reply{answer: Quarantined, left: milliseconds(left)}
	}
	stands := n.look(q.key)
	switch {
	case q.op == acquire && stands != "" && stands != q.owner:
		return reply{answer: Taken}
	case q.op == queue && stands != "" && stands != q.owner:
		return n.taken(q, stands)
	case stands == otherType:
		return reply{answer: WrongType}
	case q.op == raise && stands == "":
		return reply{answer: Gone}
	case stands != "" && stands != q.owner && (q.op != handover || stands != q.next):
		return reply{answer: Taken}
	case q.op == extend && stands == "" && left > 0:
		return reply{answer: Quarantined, left: milliseconds(left)}
	}
	r := reply{answer: Granted, seconds: n.now().Unix(), blind: n.blind && q.quarantine > 0}
	var known bool
	switch {
	case q.op == raise || q.op == extend:
		r.counter, known = n.raiseCounter(q)
	case q.op != handover && stands == q.owner || q.op == handover && stands == q.next:
		r.counter, known = n.recallCounter(q)
	default:
		r.counter, known = n.count(q)
	}
	switch {
	case !known:
		return reply{answer: Refused, err: errNoCounter}
	case q.op == extend:
		n.lengthen(q)
	case (q.op == acquire || q.op == queue) && stands == "":
		n.set(q.key, q.owner, q.milliseconds)
	case q.op == handover:
		if stands != q.next {
			n.set(q.key, q.next, q.milliseconds)
		}
		if stands == "" {
			r.answer = Gone
		}
	}
	return r
}

// lengthen has a key that is the owner's, or missing, expire no sooner than q says. n.mu is held.
func (n *simNode) lengthen(q *question) {
	if stands := n.look(q.key); stands == "" || n.left(q.key) == forever || n.left(q.key) < milliseconds(q.milliseconds) {
		n.set(q.key, q.owner, q.milliseconds)
	}
}

// taken refuses whoever asked for a key, and tells the holder's engine of it. n.mu is held.
func (n *simNode) taken(q *question, stands string) reply {
	if engine := engineOf(stands); engine != "" && q.message != "" {
		n.publish(engineChannel(engine), q.message)
	}
	if stands == otherType {
		stands = ""
	}
	return reply{answer: Taken, owner: stands[:min(len(stands), 64)], left: n.left(q.key)}
}

// engineOf is the name of the engine that an owner value tells of, "" if it tells of none.
func engineOf(owner string) string {
	at := strings.LastIndex(owner, " @")
	if at < 0 || len(owner) > 200 {
		return ""
	}
	return owner[at+2:]
}
