package mutextest

import (
	"fmt"
	"slices"
)

// Quorum is an odd number of embedded Redis that know nothing of each other: the servers of one mutex.
type Quorum struct {
	nodes []*Redis
}

// StartQuorum starts n embedded Redis, where n is odd. It is for programs; tests use RunQuorum. Close ends them.
func StartQuorum(n int) (*Quorum, error) {
	if n < 1 || n%2 == 0 {
		return nil, fmt.Errorf("mutextest: a quorum needs an odd number of nodes, not %d", n)
	}
	q := &Quorum{}
	for range n {
		node, err := Start()
		if err != nil {
			q.Close()
			return nil, err
		}
		q.nodes = append(q.nodes, node)
	}
	return q, nil
}

// Nodes returns all nodes, always in the same order.
func (q *Quorum) Nodes() []*Redis { return slices.Clone(q.nodes) }

// Node returns the node i, counted from 0, or nil if there is none.
func (q *Quorum) Node(i int) *Redis {
	if i < 0 || i >= len(q.nodes) {
		return nil
	}
	return q.nodes[i]
}

// URLs returns the nodes' addresses as redis://host:port, in the order of Nodes.
func (q *Quorum) URLs() []string {
	urls := make([]string, len(q.nodes))
	for i, node := range q.nodes {
		urls[i] = node.URL()
	}
	return urls
}

// Expire ends key on all nodes now, as if its expiration had passed. False: no node has such a key.
func (q *Quorum) Expire(key string) bool {
	expired := false
	for _, node := range q.nodes {
		expired = node.Expire(key) || expired
	}
	return expired
}

// Holder returns the owner value that a majority of the nodes stores at key, whether they answer or not. False: nobody
// holds the lock.
func (q *Quorum) Holder(key string) (owner string, held bool) {
	votes := make(map[string]int)
	for _, node := range q.nodes {
		if owner, held := node.Holder(key); held {
			votes[owner]++
			if votes[owner] > len(q.nodes)/2 {
				return owner, true
			}
		}
	}
	return "", false
}

// Close ends all nodes for good.
func (q *Quorum) Close() {
	for _, node := range q.nodes {
		node.Close()
	}
}
