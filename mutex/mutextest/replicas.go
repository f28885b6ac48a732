package mutextest

import (
	"math"
	"strconv"

	"github.com/alicebob/miniredis/v2/server"
)

// Replicas says how many replicas acknowledge what is written from now on: as many as anybody asks for, if it is not called.
// A mutex with more replicas than that gets no lock. An embedded Redis has none; it gives the answers of one that has.
func (r *Redis) Replicas(n int) { r.replicas.Store(int64(n)) }

// acknowledgeAll answers for the replicas that miniredis says it doesn't have.
func (r *Redis) acknowledgeAll() {
	r.replicas.Store(math.MaxInt64)
	r.server.SetPreHook(func(peer *server.Peer, command string, arguments ...string) bool {
		if command != "WAIT" || len(arguments) != 2 {
			return false
		}
		wanted, err := strconv.ParseInt(arguments[0], 10, 32)
		if err != nil {
			return false // miniredis says so
		}
		peer.WriteInt(int(min(wanted, r.replicas.Load())))
		return true
	})
}
