// Package ring picks the group of a key by consistent hashing, for the engine, and for whoever foretells what it picks.
package ring

import (
	"crypto/md5"
	"encoding/binary"
	"slices"
	"strconv"
)

// pointsPerGroup is how many points each group has on the ring.
const pointsPerGroup = 512

// Ring is that of ex_hash_ring 3.0.0, which lyokato/redlock uses: both libraries send a key to the same group, as long as
// the groups stand in the same order. Its points are sorted.
type Ring []Point

// Point is where the stretch of the ring ends that is its group's.
type Point struct {
	At    uint64
	Group int
}

// New places so many groups on a ring. Groups are named by their decimal index.
func New(groups int) Ring {
	r := make(Ring, 0, groups*pointsPerGroup)
	for group := range groups {
		for i := range pointsPerGroup {
			r = append(r, Point{At: hash(strconv.Itoa(group) + strconv.Itoa(i)), Group: group})
		}
	}
	// Names have no separator, so from twelve groups on some points are equal ("1"+"11" is "11"+"1"): there the higher
	// group stands first, as in the original.
	slices.SortFunc(r, func(a, b Point) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		default:
			return b.Group - a.Group
		}
	})
	return r
}

// Group is the group of a key: that of the first point after the key's own, past the end that of the first point of all.
func (r Ring) Group(key string) int { return r.After(hash(key)).Group }

// After is the first point strictly greater than at; past the end it is the first point of all.
func (r Ring) After(at uint64) Point {
	i, _ := slices.BinarySearchFunc(r, at, func(p Point, at uint64) int {
		if p.At <= at {
			return -1
		}
		return 1
	})
	if i == len(r) {
		i = 0
	}
	return r[i]
}

// hash is bytes 8 to 15 of the MD5 sum, little-endian. It spreads keys, nothing more: no secret rests on it.
func hash(s string) uint64 {
	sum := md5.Sum([]byte(s))
	return binary.LittleEndian.Uint64(sum[8:])
}
