package compat

import (
	"crypto/md5"
	"encoding/binary"
	"slices"
	"strconv"
)

// ring picks the group of a key as the engine's does, of which this package, like the whole generator, must not depend. Both
// are held to the same vectors.
type ring []point

type point struct {
	at    uint64
	group int
}

func newRing(groups int) ring {
	const pointsPerGroup = 512
	r := make(ring, 0, groups*pointsPerGroup)
	for group := range groups {
		for i := range pointsPerGroup {
			r = append(r, point{at: hash(strconv.Itoa(group) + strconv.Itoa(i)), group: group})
		}
	}
	slices.SortFunc(r, func(a, b point) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return b.group - a.group
	})
	return r
}

// group is the group of the first point after the key's own, past the end that of the first point of all.
func (r ring) group(key string) int {
	return r[r.after(hash(key))].group
}

// after is the index of the first point strictly greater than at.
func (r ring) after(at uint64) int {
	i, _ := slices.BinarySearchFunc(r, at, func(p point, at uint64) int {
		if p.at <= at {
			return -1
		}
		return 1
	})
	return i % len(r)
}

func hash(s string) uint64 {
	sum := md5.Sum([]byte(s))
	return binary.LittleEndian.Uint64(sum[8:])
}

// move is from a group of one ring to one of another.
type move struct{ from, to int }

// moves are the parts of all keys that are in each group before and after.
func moves(before, after ring) map[move]float64 {
	var cuts []uint64 // a key whose hash is that of a point belongs to the next point
	for _, r := range []ring{before, after} {
		for _, p := range r {
			cuts = append(cuts, p.at)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	parts := map[move]float64{}
	for i, at := range cuts {
		next := cuts[(i+1)%len(cuts)] // around the end, too
		parts[move{before[before.after(at)].group, after[after.after(at)].group}] += float64(next-at) / (1 << 64)
	}
	return parts
}
