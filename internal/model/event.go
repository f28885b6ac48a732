package model

import (
	"fmt"
	"strings"
)

// event is one thing that happens.
type event struct {
	what                   occurrence
	attempt, other, node   uint8
	nodes, counter, detail uint8
}

type occurrence uint8

const (
	begins occurrence = iota
	handsOver
	ends
	expires
	agrees
	raises
	wins
	extends
	extended
	grants
	grantsAgain
	raised
	lengthens
	keyGoes
	deletes
	quarantineEnds
	counterGoes
	flushed
	restarts
	ticks
	events
)

// String tells it. Clients are A, B, C; nodes are numbered.
func (e event) String() string {
	a, o := name(e.attempt), name(e.other)
	switch e.what {
	case begins:
		return a + " asks all nodes for the lock"
	case handsOver:
		return fmt.Sprintf("%s stops relying on the lock and hands it over to %s", a, o)
	case ends:
		return a + " " + map[phase]string{
			asking:  "fails: it gives up, its time is over, or it crashes",
			raising: "fails: it gives up, its time is over, or it crashes",
			holding: "ends: it releases its lock, its time is over, or it crashes",
			late:    "ends: the time of its extension is over too",
		}[phase(e.detail)]
	case expires:
		return "the deadline of " + a + " passes"
	case agrees:
		return fmt.Sprintf("%s hears %s: it has the lock, and reports token %d", a, list(e.nodes), e.counter)
	case raises:
		return fmt.Sprintf("%s hears %s, and asks all to raise their counters to %d", a, list(e.nodes), e.counter)
	case wins:
		return fmt.Sprintf("%s hears that the counters of %s are raised: it has the lock, and reports token %d",
			a, list(e.nodes), e.counter)
	case extends:
		return a + " asks all nodes to extend its lock"
	case extended:
		return fmt.Sprintf("%s hears %s, and relies on its lock for longer", a, list(e.nodes))
	case grants:
		return fmt.Sprintf("node %d gets the request of %s and grants it: counter %d", e.node, a, e.counter)
	case grantsAgain:
		return fmt.Sprintf("node %d gets the request of %s once more and grants it: counter %d", e.node, a, e.counter)
	case raised:
		return fmt.Sprintf("node %d raises its counter for %s: %d", e.node, a, e.counter)
	case lengthens:
		return fmt.Sprintf("node %d extends the lock of %s", e.node, a)
	case keyGoes:
		return fmt.Sprintf("the key of %s on node %d expires, or is released", a, e.node)
	case deletes:
		return fmt.Sprintf("node %d gets the release of %s, and deletes the key of %s", e.node, a, o)
	case quarantineEnds:
		return fmt.Sprintf("the quarantine of node %d ends", e.node)
	case counterGoes:
		return fmt.Sprintf("the counter of node %d expires", e.node)
	case flushed:
		return fmt.Sprintf("node %d loses its data (FLUSHALL)", e.node)
	case restarts:
		kept := "without the key"
		if e.detail != 0 {
			kept = "with the key"
		}
		return fmt.Sprintf("node %d restarts from what was on its disk: %s, counter %d", e.node, kept, e.counter)
	case ticks:
		return "the clocks go on"
	}
	return fmt.Sprint("event ", e.what)
}

// list names nodes.
func list(nodes uint8) string {
	var names []string
	for i := range maxNodes {
		if nodes>>i&1 == 1 {
			names = append(names, fmt.Sprint(i))
		}
	}
	if len(names) == 1 {
		return "node " + names[0]
	}
	return "nodes " + strings.Join(names, " and ")
}
