package mutextest

import "github.com/mutexgen/mutexgen/mutex"

// Option sends every mutex of an Open to this Redis, whatever mutexes.yaml says.
func (r *Redis) Option() mutex.Option { return mutex.WithURL(mutex.AllMutexes, r.URL()) }

// Option sends every mutex of an Open to these nodes, whatever mutexes.yaml says.
func (q *Quorum) Option() mutex.Option { return mutex.WithServers(mutex.AllMutexes, q.URLs()...) }
