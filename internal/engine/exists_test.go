package engine

import (
	"errors"
	"testing"
	"time"
)

func TestExists(t *testing.T) {
	tests := map[string]struct {
		prepare func(nodes []*simNode)
		want    bool
		err     error
	}{
		"nothing": {prepare: func([]*simNode) {}},
		"a quorum of one owner": {want: true, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[2].put("k", "a", time.Minute)
		}},
		"a minority": {prepare: func(nodes []*simNode) { nodes[0].put("k", "a", time.Minute) }},
		"as many owners as nodes": {prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].put("k", "b", time.Minute)
			nodes[2].put("k", "c", time.Minute)
		}},
		"another library's hash": {want: true, prepare: func(nodes []*simNode) {
			for _, n := range nodes {
				n.put("k", otherType, time.Minute)
			}
		}},
		"a quorum despite one down": {want: true, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].down = true
			nodes[2].put("k", "a", time.Minute)
		}},
		"free despite one down": {prepare: func(nodes []*simNode) { nodes[1].down = true }},
		"the one down decides": {err: ErrNoQuorum, prepare: func(nodes []*simNode) {
			nodes[0].put("k", "a", time.Minute)
			nodes[1].down = true
		}},
		"too few answer": {err: ErrNoQuorum, prepare: func(nodes []*simNode) {
			nodes[0].down = true
			nodes[1].down = true
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, 3, Settings{}, func(t *testing.T, s *sim) {
				test.prepare(s.nodes)
				got, err := s.mutex.Exists(t.Context(), "k")
				if got != test.want || !errors.Is(err, test.err) {
					t.Errorf("%v, %v; want %v, %v", got, err, test.want, test.err)
				}
			})
		})
	}
}
