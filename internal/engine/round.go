package engine

import (
	"context"
	"sync"
	"time"
)

// round asks one question of all nodes of a group at once and counts the answers. Whoever waits hears as soon as the
// outcome is clear; the other answers come in by themselves.
type round struct {
	nodes []*Node
	claim *claim // nil for a read
	op    op
	// decided is closed as soon as the outcome is clear.
	decided chan struct{}

	mu      sync.Mutex // guards what follows
	replies []reply
	heard   []bool
	tally   tally
	open    bool // decided is not closed yet
	// undone says that the attempt failed: what it set is being released.
	undone bool
}

func newRound(nodes []*Node, c *claim, o op) *round {
	return &round{
		nodes:   nodes,
		claim:   c,
		op:      o,
		decided: make(chan struct{}),
		replies: make([]reply, len(nodes)),
		heard:   make([]bool, len(nodes)),
		tally:   tally{nodes: len(nodes), pending: len(nodes)},
		open:    true,
	}
}

// ask starts a round: every node is asked at once.
func ask(nodes []*Node, c *claim, q question) *round {
	r := newRound(nodes, c, q.op)
	calls := make([]call, len(nodes))
	for i, node := range nodes {
		calls[i] = call{question: q, asker: r, index: i}
		node.lane.ask(&calls[i])
	}
	return r
}

// wanted keeps a question that was given up while it stood in line from being sent.
func (r *round) wanted() bool {
	if r.op != acquire {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.undone
}

func (r *round) hear(index int, answer reply) {
	switch r.op {
	case acquire, extend:
		r.claim.noted(index, answer)
	case release:
		r.claim.released(index, answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replies[index] = answer
	r.heard[index] = true
	r.tally.count(answer)
	if r.open && r.clear() {
		r.open = false
		close(r.decided)
	}
}

// clear tells whether no answer still to come can change the outcome. r.mu is held.
func (r *round) clear() bool {
	if r.op == read {
		leading := leading(r.replies)
		return r.tally.pending == 0 || leading >= r.tally.quorum() ||
			leading+r.tally.silent+r.tally.pending < r.tally.quorum()
	}
	return r.tally.won() || r.tally.granted+r.tally.pending < r.tally.quorum()
}

// leading is the largest number of nodes at which a read found the same owner. Keys of another type count as one owner:
// another library's.
func leading(replies []reply) int {
	most := 0
	for i, r := range replies {
		if r.answer != Granted && r.answer != WrongType {
			continue
		}
		same := 0
		for _, other := range replies[i:] {
			if other.answer == r.answer && other.owner == r.owner {
				same++
			}
		}
		most = max(most, same)
	}
	return most
}

// wait returns the answers once the outcome is clear or the nodes' budget is spent; then who hasn't answered is counted
// as timed out. If ctx or the engine ends before that, it returns why, with the answers so far.
func (r *round) wait(ctx context.Context, closing <-chan struct{}, budget time.Duration) (outcome, error) {
	select {
	case <-r.decided:
		return r.outcome(0), nil
	default:
	}
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case <-r.decided:
		return r.outcome(0), nil
	case <-timer.C:
		return r.outcome(budget), nil
	case <-ctx.Done():
		return r.outcome(0), ctx.Err()
	case <-closing:
		return r.outcome(0), ErrClosed
	}
}

// outcome is a copy of the answers so far. With a budget, those still missing are timeouts.
func (r *round) outcome(budget time.Duration) outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := outcome{nodes: r.nodes, replies: append([]reply(nil), r.replies...), tally: r.tally}
	if budget > 0 {
		for i := range o.replies {
			if !r.heard[i] {
				o.replies[i] = reply{answer: Timeout, err: &timeoutError{budget}}
				o.tally.count(o.replies[i])
			}
		}
	}
	return o
}

// undo gives the attempt up: it releases the claim on every node that could have carried the question out. On a node
// whose answer is still to come the release stands right behind the question, so nothing asked later meets the key.
func (r *round) undo() {
	r.mu.Lock()
	if r.undone {
		r.mu.Unlock()
		return
	}
	r.undone = true
	var calls []*call
	undo := newRound(r.nodes, r.claim, release)
	for i := range r.nodes {
		if !r.heard[i] || r.replies[i].answer == Granted || r.replies[i].unknown {
			calls = append(calls, &call{question: r.claim.release(), asker: undo, index: i})
		}
	}
	r.mu.Unlock()
	for _, c := range calls {
		r.nodes[c.index].lane.ask(c)
	}
}

// tally counts votes.
type tally struct {
	nodes    int
	pending  int
	granted  int
	taken    int // another owner's value, or something that is no lock of ours
	gone     int
	silent   int // no answer to the question: refused, timed out, down
	rejected int // refused in a way that asking again would not change
}

func (t *tally) quorum() int { return t.nodes/2 + 1 }

// count adds one node's answer.
func (t *tally) count(r reply) {
	t.pending--
	switch r.answer {
	case Granted:
		t.granted++
	case Taken, WrongType:
		t.taken++
	case Gone:
		t.gone++
	case Refused, Timeout, Down:
		t.silent++
		if r.permanent() {
			t.rejected++
		}
	}
}

// won tells whether a quorum said yes.
func (t *tally) won() bool { return t.granted >= t.quorum() }

// blocks tells whether so many votes keep any quorum from forming.
func (t *tally) blocks(votes int) bool { return t.nodes-votes < t.quorum() }

// outcome is how a round ended.
type outcome struct {
	tally
	nodes   []*Node
	replies []reply
}

// votes are the answers as an Error shows them.
func (o *outcome) votes() []Vote {
	votes := make([]Vote, len(o.replies))
	for i, r := range o.replies {
		votes[i] = Vote{Node: o.nodes[i].name, Answer: r.answer, Err: r.err}
	}
	return votes
}

// hint is the first node's that has one.
func (o *outcome) hint() string {
	for _, r := range o.replies {
		if h := hint(r.err); h != "" {
			return h
		}
	}
	return ""
}
