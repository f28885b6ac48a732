package engine

import (
	"sync/atomic"
	"time"
)

// MaxGroup is how many nodes a group may have: a claim keeps one bit for each.
const MaxGroup = 63

// claim is what one attempt to acquire may have left on the nodes of its group: an owner value, the attempt's own, that
// must be gone from every one of them in the end. A lock that was acquired keeps its attempt's claim.
type claim struct {
	nodes []*Node
	key   string
	owner string
	// life is the longest that a key of this claim may live on a node from the last question on, in nanoseconds.
	life atomic.Int64
	// set has a bit for each node that holds the key or may hold it, doubt for each that may yet carry out a question
	// whose answer never came, late for each where the key may be set again after it was deleted: because that is an
	// extension, or because an extension set the key before. Whoever deletes the key of a late acquire is rid of it.
	set, doubt, late atomic.Uint64
	// freed has a bit for each node whose reply to the release was heard. In a cluster more may come after that.
	freed atomic.Uint64
	// over says that the claim is being released. From then on nothing but that is asked for in its name.
	over atomic.Bool
}

// noted keeps what a reply to an acquire, a handover or an extension says about a node.
func (c *claim) noted(o op, index int, r reply) {
	bit := uint64(1) << index
	if r.answer == Granted || r.unknown {
		c.set.Or(bit)
	}
	if r.unknown {
		c.doubt.Or(bit)
		if o == extend {
			c.late.Or(bit)
		}
	} else if o == extend && r.answer == Granted {
		c.late.Or(bit & c.doubt.Load())
		if r.sentOn {
			c.late.Or(bit)
		}
	}
	if c.freed.Load()&bit != 0 && (r.answer == Granted || r.unknown) && c.nodes[index].cluster != nil {
		c.owe(index, r.unknown, !r.unknown)
	}
}

// released takes a node's reply to the release of the claim, and makes it a debt of the node's where that isn't the end.
func (c *claim) released(index int, r reply) {
	bit := uint64(1) << index
	c.freed.Or(bit)
	late := c.late.Load()&bit != 0
	owed, once := false, false
	switch r.answer {
	case Granted:
		owed = late
	case Timeout, Down:
		owed = c.set.Load()&bit != 0
	case Refused:
		owed = c.set.Load()&bit != 0 && !r.permanent()
	default: // gone, taken by another, of another type
		owed = c.doubt.Load()&bit != 0
		// In a cluster the release may have overtaken what set the key, on another way: see cluster. That has been carried out
		// by now, if there is no doubt about it.
		if !owed && c.nodes[index].cluster != nil && c.set.Load()&bit != 0 {
			owed, once = true, true
		}
	}
	if owed {
		c.owe(index, late, once)
	}
}

// owe makes the release of the claim a debt of a node's. Once says that it is settled by any answer from whoever has the
// key: that is for a cluster.
func (c *claim) owe(index int, lasting, once bool) {
	n, q, life := c.nodes[index], newQuestion(release, c.key, c.owner, 0), time.Duration(c.life.Load())
	if n.cluster != nil {
		n.cluster.debts.owe(q, life, lasting, once)
		return
	}
	n.lane.owe(q, life, lasting)
}

// lengthen makes sure that life is at least d.
func (c *claim) lengthen(d time.Duration) {
	for {
		old := c.life.Load()
		if int64(d) <= old || c.life.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}
