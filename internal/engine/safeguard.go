package engine

import (
	"strings"
	"time"
)

// MaxSkew is how far a node's clock may be from this machine's for its vote to count under fencing. It may be up to a second
// more, for nodes tell whole seconds.
const MaxSkew = 2 * time.Second

// MinFencingMemory is the shortest that a fencing counter may outlive its last use: when it is gone, the next begins with
// the node's clock in whole seconds.
const MinFencingMemory = time.Second

// leastQuarantine is what a restarted node must wait at least under fencing: its counters are lost, and begin again with
// its clock, which must be beyond every token that was handed out with another node's. That is twice what a clock that
// votes may be wrong by, and a second, for counters begin with whole ones.
const leastQuarantine = 2*(MaxSkew+time.Second) + time.Second

// Quarantine is how long a node that may have lost its data does not vote for a mutex with these settings: until the
// longest lock has expired, by a clock that is a little fast, and a bit more, since a server's uptime counts whole
// seconds. It is zero without a restart guard.
func (s Settings) Quarantine() time.Duration {
	if !s.RestartGuard {
		return 0
	}
	q := s.Expiration + time.Duration(float64(s.Expiration)*max(s.DriftFactor, 0.01)) + 2*time.Second
	if s.Fencing {
		q = max(q, leastQuarantine)
	}
	return q
}

// birthKey is the key that tells when a node's data began.
const birthKey = "mutexgen:birth"

// counterKey is the key of the fencing counter of a lock's key, in the same slot of a Redis Cluster.
func counterKey(key string) string {
	if _, rest, tagged := strings.Cut(key, "{"); tagged && strings.Index(rest, "}") > 0 {
		return key + ":fence"
	}
	return "{" + key + "}:fence"
}

// safeguard is what all questions of a mutex with these settings ask besides.
func (s Settings) safeguard() safeguard {
	guard := safeguard{quarantine: s.Quarantine().Milliseconds()}
	if s.Fencing && s.FencingMemory != Forever {
		guard.memory = s.FencingMemory.Milliseconds()
	}
	return guard
}

// safeguardOf is what the questions about a key ask besides.
func (m *Mutex) safeguardOf(key string) safeguard {
	guard := m.safeguard
	if m.settings.Fencing {
		guard.counter = m.CounterKey(key)
	}
	return guard
}
