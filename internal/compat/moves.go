package compat

import (
	"slices"

	"github.com/mutexgen/mutexgen/internal/ring"
)

// move is from a group of one ring to one of another.
type move struct{ from, to int }

// moves are the parts of all keys that are in each group before and after.
func moves(before, after ring.Ring) map[move]float64 {
	var cuts []uint64 // a key whose hash is that of a point belongs to the next point
	for _, r := range []ring.Ring{before, after} {
		for _, p := range r {
			cuts = append(cuts, p.At)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	parts := map[move]float64{}
	for i, at := range cuts {
		next := cuts[(i+1)%len(cuts)] // around the end, too
		parts[move{before.After(at).Group, after.After(at).Group}] += float64(next-at) / (1 << 64)
	}
	return parts
}
