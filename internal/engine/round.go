package engine

import (
	"context"
	"sync"
	"time"
)

// round asks one question of all nodes of a group at once and counts the answers. Whoever waits hears as soon as the
// outcome is clear; the other answers come in by themselves.
type round struct {
	question question
	nodes    []*Node
	claim    *claim // nil for a read
	// decided gets one value as soon as the outcome is clear.
	decided chan struct{}

	mu    sync.Mutex // guards what follows
	seats []seat     // by node
	tally tally
	open  bool // decided has got nothing yet
	// undone says that the attempt failed: what it set is being released.
	undone bool
}

// seat is one node's place in a round.
type seat struct {
	call  call  // belongs to the lane once it was asked
	reply reply // guarded by the round's mu; zero until the node has answered
}

func newRound(nodes []*Node, c *claim) *round {
	return &round{
		nodes:   nodes,
		claim:   c,
		decided: make(chan struct{}, 1),
		seats:   make([]seat, len(nodes)),
		tally:   tally{nodes: len(nodes), pending: len(nodes)},
		open:    true,
	}
}

// ask starts a round: every node is asked at once. Key and owner are the claim's.
func (c *claim) ask(o op, expiration time.Duration) *round {
	r := newRound(c.nodes, c)
	r.question.put(o, c.key, c.owner, expiration)
	r.askAll()
	return r
}

// askOwner starts a round that reads key.
func askOwner(nodes []*Node, key string) *round {
	r := newRound(nodes, nil)
	r.question.put(read, key, "", 0)
	r.askAll()
	return r
}

func (r *round) askAll() {
	for i := range r.nodes {
		r.askNode(i)
	}
}

func (r *round) askNode(index int) {
	c := &r.seats[index].call
	c.question, c.asker, c.index = &r.question, r, index
	r.nodes[index].lane.ask(c)
}

// wanted keeps a question that was given up while it stood in line from being sent.
func (r *round) wanted() bool {
	if r.question.op != acquire {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.undone
}

func (r *round) hear(index int, answer reply) {
	switch r.question.op {
	case acquire, extend:
		r.claim.noted(r.question.op, index, answer)
	case release:
		r.claim.released(index, answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer.heard = true
	r.seats[index].reply = answer
	r.tally.count(answer)
	if r.open && r.clear() {
		r.open = false
		r.decided <- struct{}{}
	}
}

// clear tells whether no answer still to come can change the outcome. r.mu is held.
func (r *round) clear() bool {
	if r.question.op == read {
		leading := r.leading()
		return r.tally.pending == 0 || leading >= r.tally.quorum() ||
			leading+r.tally.silent+r.tally.pending < r.tally.quorum()
	}
	return r.tally.won() || r.tally.granted+r.tally.pending < r.tally.quorum()
}

// leading is the largest number of nodes at which a read found the same owner. Keys of another type count as one owner:
// another library's. r.mu is held.
func (r *round) leading() int {
	most := 0
	for i := range r.seats {
		reply := &r.seats[i].reply
		if reply.answer != Granted && reply.answer != WrongType {
			continue
		}
		same := 0
		for j := i; j < len(r.seats); j++ {
			if other := &r.seats[j].reply; other.answer == reply.answer && other.owner == reply.owner {
				same++
			}
		}
		most = max(most, same)
	}
	return most
}

// wait returns once the outcome is clear, or the nodes' budget is spent; then who hasn't answered is counted as timed
// out. If ctx or closing ends before that, it returns why.
func (r *round) wait(ctx context.Context, closing <-chan struct{}, timers *timerPool, budget time.Duration) (outcome, error) {
	timer := timers.get(budget)
	defer timers.put(timer)
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

// outcome is the votes so far. With a budget, those still missing are timeouts. The nodes' replies come with it unless
// all is well.
func (r *round) outcome(budget time.Duration) outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := outcome{nodes: r.nodes, tally: r.tally}
	if r.question.op == read {
		o.leading = r.leading()
	} else if o.won() {
		return o
	}
	o.replies = make([]reply, len(r.seats))
	for i := range o.replies {
		o.replies[i] = r.seats[i].reply
		if budget > 0 && !o.replies[i].heard {
			o.replies[i] = reply{answer: Timeout, err: &timeoutError{budget}}
			o.tally.count(o.replies[i])
		}
	}
	return o
}

// undo gives the attempt up: it releases the claim on every node that could have carried the question out. On a node
// whose answer is still to come the release stands right behind the question, so nothing asked later meets the key.
func (r *round) undo() {
	undo := newRound(r.nodes, r.claim)
	undo.question.put(release, r.claim.key, r.claim.owner, 0)
	var concerned []int
	r.mu.Lock()
	r.undone = true
	for i := range r.seats {
		if reply := &r.seats[i].reply; !reply.heard || reply.answer == Granted || reply.unknown {
			concerned = append(concerned, i)
		}
	}
	r.mu.Unlock()
	for _, i := range concerned {
		undo.askNode(i)
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
	leading int // of a read
	nodes   []*Node
	replies []reply // none if a quorum said yes
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
