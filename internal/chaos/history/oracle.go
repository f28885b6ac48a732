package history

import (
	"cmp"
	"fmt"
	"slices"
)

// Violation is something that must not be.
type Violation struct {
	// Rule is which: see the constants.
	Rule string
	Key  string
	Text string
}

func (v Violation) String() string { return v.Rule + ": " + v.Text }

const (
	// TwoHolders: the intervals in which two holders of one key relied on it overlap.
	TwoHolders = "two holders"
	// SameToken: two locks on one key have the same token, or a lock that should have one has none.
	SameToken = "same token"
	// TokenOrder: the later holder has the smaller token.
	TokenOrder = "tokens in the order of holds"
	// TokenTime: an acquire that was called when another had returned got the smaller token.
	TokenTime = "tokens in real time"
	// Model: porcupine finds no order of what happened that a lock with a counter would allow, or found none in time.
	Model = "model"
)

// Judge applies the oracles, and not the model, to the holds of all keys. Fenced tells of which mutexes the locks have
// tokens.
func Judge(holds []Hold, fenced func(mutex string) bool) []Violation {
	var found []Violation
	for _, holds := range byKey(holds) {
		found = append(found, overlaps(holds)...)
		if fenced(holds[0].Mutex) {
			found = append(found, tokensUnique(holds)...)
			found = append(found, tokensInHoldOrder(holds)...)
			found = append(found, tokensInRealTime(holds)...)
		}
	}
	return found
}

// byKey are the holds of each key, in the order in which they were got.
func byKey(holds []Hold) [][]*Hold {
	keys := make(map[string][]*Hold)
	for i := range holds {
		keys[holds[i].Key] = append(keys[holds[i].Key], &holds[i])
	}
	var all [][]*Hold
	for _, holds := range keys {
		slices.SortFunc(holds, func(a, b *Hold) int { return cmp.Compare(a.Got, b.Got) })
		all = append(all, holds)
	}
	slices.SortFunc(all, func(a, b []*Hold) int { return cmp.Compare(a[0].Key, b[0].Key) })
	return all
}

func overlaps(holds []*Hold) []Violation {
	var found []Violation
	var last *Hold // whose end is the latest so far
	for _, h := range holds {
		if h.empty() {
			continue
		}
		if last != nil && h.Got < last.End {
			found = append(found, violation(TwoHolders, last, h))
		}
		if last == nil || h.End > last.End {
			last = h
		}
	}
	return found
}

func tokensUnique(holds []*Hold) []Violation {
	var found []Violation
	owners := make(map[int64]*Hold)
	for _, h := range holds {
		if other := owners[h.Token]; other != nil || h.Token <= 0 {
			found = append(found, violation(SameToken, other, h))
		}
		owners[h.Token] = h
	}
	return found
}

// tokensInHoldOrder leaves out who never could rely on the lock: such a one may hear of it when others have had it since.
func tokensInHoldOrder(holds []*Hold) []Violation {
	var found []Violation
	var last *Hold
	for _, h := range holds {
		if h.empty() {
			continue
		}
		if last != nil && h.Token < last.Token {
			found = append(found, violation(TokenOrder, last, h))
			continue
		}
		last = h
	}
	return found
}

// tokensInRealTime compares each lock with those whose acquires had returned when its own was called.
func tokensInRealTime(holds []*Hold) []Violation {
	var found []Violation
	asked := slices.SortedFunc(slices.Values(holds), func(a, b *Hold) int { return cmp.Compare(a.Asked, b.Asked) })
	returned := 0
	var largest *Hold
	for _, h := range asked {
		for ; returned < len(holds) && holds[returned].Got < h.Asked; returned++ {
			if largest == nil || holds[returned].Token > largest.Token {
				largest = holds[returned]
			}
		}
		if largest != nil && h.Token < largest.Token {
			found = append(found, violation(TokenTime, largest, h))
		}
	}
	return found
}

func violation(rule string, first, second *Hold) Violation {
	if first == nil {
		return Violation{rule, second.Key, second.String()}
	}
	return Violation{rule, second.Key, fmt.Sprintf("%v; then %v", first, second)}
}
