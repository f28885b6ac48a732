package otelmutex

import (
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// nodes are the states of the nodes, by name. Several Opens may have the same node; who tells of it last is right.
type nodes struct {
	mu     sync.Mutex // guards what follows
	states map[string]*nodeState
}

type nodeState struct {
	name metric.ObserveOption
	down bool
	// until is the end of its quarantine.
	until time.Time
}

// state is that of a node. n.mu is held.
func (n *nodes) state(name string) *nodeState {
	s := n.states[name]
	if s == nil {
		s = &nodeState{name: metric.WithAttributeSet(attribute.NewSet(attributeNode.String(name)))}
		if n.states == nil {
			n.states = make(map[string]*nodeState)
		}
		n.states[name] = s
	}
	return s
}

// up also takes nodes that were opened just now: there is no connection before the first question.
func (n *nodes) up(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state(name).down = false
}

func (n *nodes) down(name string, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state(name).down = true
}

func (n *nodes) quarantine(name string, remaining time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// How long a node's quarantine is depends on the mutex's expiration. After the longest it votes for all.
	if s, until := n.state(name), time.Now().Add(remaining); until.After(s.until) {
		s.until = until
	}
}

// observe calls f with each node's state: 1 for yes, 0 for no.
func (n *nodes) observe(f func(name metric.ObserveOption, up, quarantined int64)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, s := range n.states {
		up, quarantined := int64(1), int64(0)
		if s.down {
			up = 0
		}
		if now.Before(s.until) {
			quarantined = 1
		}
		f(s.name, up, quarantined)
	}
}
