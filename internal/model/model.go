// Package model checks the fencing protocol and the restart guard: a small abstract machine does everything that nodes,
// messages, clients and clocks may do, in every order, and no order may break a promise. It is no part of the library;
// `go test` runs it, on the protocol and on the ways to get it wrong, each of which it has to find.
//
// The promises are that never two attempts rely on the lock at one time, and that each token is larger than all that
// were reported before it (so tokens are unique, and increase in the order of holding and in real time).
//
// Modelled are a key on an odd number of nodes; attempts with an owner value each, that acquire, raise, extend, hand over,
// release, give up, crash or run out of time at any moment; messages that are lost, late, reordered or doubled; keys that
// expire as soon as nobody may rely on them any more; nodes that lose their data (FLUSHALL) or go back to an older state
// of it (a restart), and their quarantine; counters that expire; and, in a machine of its own (clock.go), nodes' clocks
// that differ.
//
// Not modelled are more than a few attempts at a time; drift, which appears as the rule that validity ends before keys
// expire; liveness, waiting, replicas, other libraries on the same key; and a holder that works on after its deadline,
// from which only a resource that compares tokens is safe.
//
// The tests print their tables with -v, and go further with flags: see TestWithinTheseBounds.
package model

// bounds are how much may happen: everything within them is explored.
type bounds struct {
	nodes    int
	attempts int
	// counters is the largest counter that earlier attempts left behind.
	counters int
	// doubles is how many acquires may arrive once more. All other messages may do so any number of times.
	doubles int
	// extensions is how often an attempt may extend its lock.
	extensions int
	// losses is how often a node may lose data.
	losses int
	// ticks is how often the nodes' clocks go on by as much as a quarantine, or the life of a counter.
	ticks int
	// skewed has each node's clock, whenever it is read, be right or a tick late.
	skewed bool
	// handovers has holders pass their locks on.
	handovers bool
	// calm has one attempt find all counters equal: then a second round is a fault too.
	calm bool
}

// protocol is the one that is explored: ours, or ours with something wrong. See the variants in variants_test.go.
type protocol struct {
	// What the client does.
	noWriteBack   bool // it takes the largest counter of a quorum for the token, and raises nobody's
	oneCounter    bool // it takes some node's counter
	raiseAsVote   bool // it raises to what fewer than a quorum answered, and takes that for the others' answers
	lateVotes     bool // it counts answers that come after its deadline
	revive        bool // it takes a lock that is past its deadline for its own again when an extension gets a quorum
	halfQuorum    bool // one node fewer is enough
	reuseOwner    bool // its next attempt has the owner value of one that ended
	largerIsEqual bool // it counts nodes whose counter a raise leaves beyond the token
	holdOn        bool // it relies on the lock for as long as its keys stand, though some of them may expire sooner

	// What nodes do.
	raiseAny         bool // they raise the counter for whoever asks, and that counts
	repeatIncrements bool // they count again when a request is repeated
	plainDelete      bool // they delete whatever stands there

	// How counters begin and end.
	fromZero bool // without a look at the clock
	forget   bool // they expire, whatever the clock says

	// What the guard looks at, if it is there.
	guard guard
	// extendQuarantined has nodes in quarantine set a missing key again for an extension.
	extendQuarantined bool
}

type guard uint8

const (
	uptimeAndBirth guard = iota
	onlyUptime
	onlyBirth
	noGuard
)

// property is a promise that was broken.
type property string

const (
	nothing   property = ""
	exclusion property = "two attempts rely on the lock at one time"
	order     property = "a token is not larger than all those before it"
	oneRound  property = "a second round, though all counters were equal and nobody else was there"
)
