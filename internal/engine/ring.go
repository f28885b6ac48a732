package engine

import (
	"crypto/md5"
	"encoding/binary"
	"slices"
	"strconv"
)

// pointsPerGroup is how many points each group has on the ring.
const pointsPerGroup = 512

// ring picks the group of a key by consistent hashing. It is the ring of ex_hash_ring 3.0.0, which lyokato/redlock
// uses: both libraries send a key to the same group, as long as the groups stand in the same order.
type ring []point

type point struct {
	at    uint64
	group int
}

// newRing places so many groups on a ring. Groups are named by their decimal index.
func newRing(groups int) ring {
	r := make(ring, 0, groups*pointsPerGroup)
	for group := range groups {
		for i := range pointsPerGroup {
			r = append(r, point{at: hash(strconv.Itoa(group) + strconv.Itoa(i)), group: group})
		}
	}
	// Names have no separator, so from twelve groups on some points are equal ("1"+"11" is "11"+"1"): there the higher
	// group stands first, as in the original.
	slices.SortFunc(r, func(a, b point) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		default:
			return b.group - a.group
		}
	})
	return r
}

// group is the group of the first point after the key's own, past the end that of the first point of all.
func (r ring) group(key string) int {
	at := hash(key)
	i, _ := slices.BinarySearchFunc(r, at, func(p point, at uint64) int {
		if p.at <= at {
			return -1
		}
		return 1
	})
	if i == len(r) {
		i = 0
	}
	return r[i].group
}

// hash is bytes 8 to 15 of the MD5 sum, little-endian. It spreads keys, nothing more: no secret rests on it.
func hash(s string) uint64 {
	sum := md5.Sum([]byte(s))
	return binary.LittleEndian.Uint64(sum[8:])
}
