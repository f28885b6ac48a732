package engine

import (
	"strconv"
	"strings"
)

// slotCount is how many slots the keys of a Redis Cluster fall into.
const slotCount = 16384

// slotOf is the slot of a key: that of its hash tag if it has one.
func slotOf(key string) int { return int(crc16(0, tagOf(key)) % slotCount) }

// tagOf is the part of a key that its slot depends on: what stands between the first brace and the next closing one if
// that is anything, else all of it.
func tagOf(key string) string {
	if _, rest, opened := strings.Cut(key, "{"); opened {
		if tag, _, closed := strings.Cut(rest, "}"); closed && tag != "" {
			return tag
		}
	}
	return key
}

// clusterCounterKey is the key of the fencing counter of a lock's key in the same slot of a cluster, whatever the key's
// braces are. For nearly all keys it is the same as counterKey; where it is not, that one's slot is another.
func clusterCounterKey(key string) string {
	slot := slotOf(key)
	if name := counterKey(key); slotOf(name) == slot {
		return name
	}
	name := key + ":fence:"
	before := crc16(0, name)
	for i := 0; ; i++ { // ends: every slot is met by some number within a few times 16384
		number := strconv.Itoa(i)
		if int(crc16(before, number)%slotCount) == slot {
			return name + number
		}
	}
}

// crc16 continues the checksum that slots are reckoned with (CRC-16/XMODEM).
func crc16(crc uint16, text string) uint16 {
	for i := range len(text) {
		crc = crc<<8 ^ crc16Table[byte(crc>>8)^text[i]]
	}
	return crc
}

var crc16Table = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()
