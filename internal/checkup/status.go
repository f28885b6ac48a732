package checkup

import (
	"cmp"
	"slices"
	"time"
)

// State is what the nodes of a key add up to.
type State string

const (
	// Held: a quorum of nodes holds one owner's value.
	Held State = "held"
	// Free: no owner can have a quorum.
	Free State = "free"
	// Unknown: the nodes that did not answer make the difference.
	Unknown State = "unknown"
)

// Status is who holds a mutex at one key. It marshals to JSON.
type Status struct {
	Mutex string `json:"mutex"`
	Key   string `json:"key"`
	State State  `json:"state"`
	// Holder is who holds the lock, as its value tells; nil if nobody does, or another library, whose values tell nothing.
	Holder *Holder `json:"holder,omitempty"`
	// Remaining is how long yet a quorum of nodes keeps the lock if it is not extended; negative is for ever.
	Remaining time.Duration `json:"remaining_ns"`
	// Token is the largest fencing token that was handed out, the holder's if the lock is held; zero without fencing.
	Token int64 `json:"token,omitempty"`
	// Waiters is how many processes wait for the key; -1 if that could not be told.
	Waiters int `json:"waiters"`
	// Votes are what each node says.
	Votes []KeyVote `json:"votes"`
}

// Holder is a process that holds a lock.
type Holder struct {
	Host    string `json:"host"`
	Process int    `json:"process"`
}

// KeyVote is what one node says about a key.
type KeyVote struct {
	Node string `json:"node"`
	// State is held (by the owner that most nodes name), other (by another one), wrong-type (by something that is no string, and
	// not what most nodes have), free, or unreachable.
	State string `json:"state"`
	// Holder is who holds it there; see Status.
	Holder *Holder `json:"holder,omitempty"`
	// Value is the beginning of what stands there if it is another library's. It is fit to be printed.
	Value     string        `json:"value,omitempty"`
	Remaining time.Duration `json:"remaining_ns"`
	Token     int64         `json:"token,omitempty"`
	// Error is why the node is unreachable, or what it refuses.
	Error string `json:"error,omitempty"`
	// owner tells one owner from another.
	owner   string
	waiters int
}

// count adds the votes up.
func (s *Status) count() {
	votes := make(map[string]int)
	leader, silent := "", 0
	s.Waiters = -1
	for i := range s.Votes {
		v := &s.Votes[i]
		s.Waiters = max(s.Waiters, v.waiters)
		switch v.State {
		case "unreachable":
			silent++
		case "other", "wrong-type":
			votes[v.owner]++
			if leader == "" || votes[v.owner] > votes[leader] {
				leader = v.owner
			}
		}
	}
	var lefts []time.Duration
	for i := range s.Votes {
		v := &s.Votes[i]
		if (v.State == "other" || v.State == "wrong-type") && v.owner == leader {
			v.State = "held"
			s.Holder = v.Holder
			lefts = append(lefts, v.Remaining)
		}
		s.Token = max(s.Token, v.Token)
	}
	quorum := len(s.Votes)/2 + 1
	switch {
	case len(lefts) >= quorum:
		s.State = Held
		// A quorum keeps it until so many have let go that none is left.
		slices.SortFunc(lefts, func(a, b time.Duration) int { return cmp.Compare(uint64(b), uint64(a)) }) // for ever, below zero, first
		s.Remaining = lefts[quorum-1]
	case len(lefts)+silent < quorum:
		s.State, s.Holder = Free, nil
	default:
		s.State, s.Holder = Unknown, nil
	}
}
