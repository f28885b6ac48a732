package model

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// machine is what can be explored: it has states S, events E that lead from one to others, and keys K of states. States
// with one key are alike: what can follow the one follows the other, but for the names of nodes and attempts.
type machine[S any, E fmt.Stringer, K comparable] interface {
	// begin calls emit with each state in which it may begin.
	begin(emit func(*S))
	// next calls emit with each event that can happen, and the state after it.
	next(s *S, emit func(E, *S))
	key(s *S) K
	// state is one with that key.
	state(k K) S
	broken(s *S) property
	// show is a state in words.
	show(s *S) string
}

// found is what an exploration found.
type found struct {
	states, steps, depth int
	// broken is the first promise that was broken, and trace the shortest way there, a line for each event.
	broken property
	trace  []string
}

var errTooMany = errors.New("too many states")

// explore looks at every state that a machine can reach, in the order of how many events lead there, until a promise is
// broken. Keys are kept and compared whole: no state is taken for another by accident.
func explore[S any, E fmt.Stringer, K comparable](m machine[S, E, K], most int) (found, error) {
	v := visited[K]{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<10)}
	var parents []uint32
	result := found{broken: nothing}
	bad, from := -1, uint32(0)
	visit := func(s *S) {
		if bad >= 0 || !v.add(m.key(s)) {
			return
		}
		parents = append(parents, from)
		if broken := m.broken(s); broken != nothing {
			bad, result.broken = len(parents)-1, broken
		}
	}
	m.begin(visit)
	starts := len(parents)
	level := starts
	for i := 0; i < len(v.keys) && bad < 0; i++ {
		if i == level {
			result.depth++
			level = len(v.keys)
		}
		if len(v.keys) > most {
			return result, errTooMany
		}
		from = uint32(i)
		s := m.state(v.keys[i])
		m.next(&s, func(_ E, t *S) {
			result.steps++
			visit(t)
		})
	}
	result.states = len(v.keys)
	if bad >= 0 {
		path := []K{v.keys[bad]}
		for i := bad; i >= starts; {
			i = int(parents[i])
			path = append(path, v.keys[i])
		}
		slices.Reverse(path)
		result.depth = len(path) - 1
		result.trace = replay(m, path)
	}
	return result, nil
}

// replay tells what happens on a path. It begins with the path's first state, and from there on follows the events
// themselves, not their keys: so names stay what they are.
func replay[S any, E fmt.Stringer, K comparable](m machine[S, E, K], path []K) []string {
	s := m.state(path[0])
	lines := []string{"    " + m.show(&s)}
	for i, k := range path[1:] {
		var after S
		var line string
		m.next(&s, func(e E, t *S) {
			if line == "" && m.key(t) == k {
				after, line = *t, fmt.Sprintf("%2d. %-92s %s", i+1, e, m.show(t))
			}
		})
		s = after
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// visited is a set of keys in the order in which they came: a hash table of indices, which needs half of the memory of
// a map. A slot holds the upper half of a key's hash, and the key's index plus one.
type visited[K comparable] struct {
	seed  maphash.Seed
	keys  []K
	slots []uint64
}

// add tells whether the key is new.
func (v *visited[K]) add(k K) bool {
	if len(v.keys)*5 > len(v.slots)*3 {
		v.grow()
	}
	hash := maphash.Comparable(v.seed, k)
	mask := uint64(len(v.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		slot := v.slots[at]
		if slot == 0 {
			v.keys = append(v.keys, k)
			v.slots[at] = hash>>32<<32 | uint64(len(v.keys))
			return true
		}
		if slot>>32 == hash>>32 && v.keys[uint32(slot)-1] == k {
			return false
		}
	}
}

func (v *visited[K]) grow() {
	v.slots = make([]uint64, 2*len(v.slots))
	mask := uint64(len(v.slots) - 1)
	for i, k := range v.keys {
		hash := maphash.Comparable(v.seed, k)
		at := hash & mask
		for v.slots[at] != 0 {
			at = (at + 1) & mask
		}
		v.slots[at] = hash>>32<<32 | uint64(i+1)
	}
}
