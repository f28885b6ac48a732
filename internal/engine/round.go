package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// round asks one question of all nodes of a group at once and counts the answers. Whoever waits hears as soon as the
// outcome is clear; the other answers come in by themselves.
//
// Rounds are used again: each counts those who still need it, and who needs it last gives it back.
type round struct {
	engine   *Engine
	mutex    *Mutex
	question question
	nodes    []*Node
	claim    *claim // nil for a read
	// decided gets one value as soon as the outcome is clear, unless it is a renewal: then its lock is told.
	decided chan struct{}
	renews  *Lock
	last    bool // that it is the last renewal
	// needed counts whoever waits, and the nodes that haven't answered yet.
	needed atomic.Int32
	// started is when the clock of the question began. Whoever hasn't answered budget later has timed out.
	started moment
	budget  time.Duration
	// These are the vigil's.
	before, after *round
	vigil         *vigil

	mu    sync.Mutex // guards what follows
	seats []seat     // by node
	tally tally
	open  bool // nobody has been told yet
	// why is the reason if something else than the answers ended the round: errTimeUp, ErrClosed.
	why error
}

// seat is one node's place in a round.
type seat struct {
	call  call  // belongs to the lane once it was asked
	reply reply // guarded by the round's mu; zero until the node has answered
}

// roundPool keeps rounds for the next who needs one.
type roundPool struct{ pool sync.Pool }

// newRound returns a round that waits for a question. Its time counts from started.
func (m *Mutex) newRound(nodes []*Node, c *claim, started moment, budget time.Duration) *round {
	e := m.engine
	r, ok := e.rounds.pool.Get().(*round)
	if !ok {
		r = &round{engine: e, decided: make(chan struct{}, 1)}
	}
	n := len(nodes)
	r.mutex, r.nodes, r.claim, r.started, r.budget = m, nodes, c, started, budget
	if cap(r.seats) < n {
		r.seats = make([]seat, n)
	}
	r.seats = r.seats[:n]
	r.tally = tally{nodes: n, pending: n}
	r.open, r.why = true, nil
	r.needed.Store(int32(n) + 1)
	return r
}

// done is called by each who needed r, and no longer does.
func (r *round) done() {
	if r.needed.Add(-1) > 0 {
		return
	}
	clear(r.seats)
	r.mutex, r.nodes, r.claim, r.renews, r.question = nil, nil, nil, nil, question{}
	select {
	case <-r.decided: // whoever waited left before it came
	default:
	}
	r.engine.rounds.pool.Put(r)
}

// startFor asks every node. Who waits, with ctx, for what comes of it may do part of the work meanwhile, if nobody else is
// about whose questions could travel with this one.
func (r *round) startFor(ctx context.Context) {
	if len(r.nodes) == 1 && r.engine.alone() && r.budget >= r.nodes[0].timeout() &&
		r.nodes[0].askAndWait(ctx, r.seat(0, r)) {
		return
	}
	r.start(r)
}

// start asks every node, in asker's name.
func (r *round) start(asker asker) {
	r.engine.vigils.watch(r)
	nodes := r.nodes // the last answer may come before the loop has ended
	for i := range nodes {
		r.askNode(i, asker)
	}
}

func (r *round) askNode(index int, asker asker) {
	r.nodes[index].ask(r.seat(index, asker))
}

// seat prepares the call for a node.
func (r *round) seat(index int, asker asker) *call {
	c := &r.seats[index].call
	c.question, c.asker, c.index = &r.question, asker, index
	return c
}

// wanted keeps a question from being sent whose claim is being released. The release may stand in the same batch and be
// sent first, so what came behind it would set the key again.
func (r *round) wanted() bool {
	switch r.question.op {
	case acquire, queue, extend, raise:
		return !r.claim.over.Load()
	}
	return true
}

func (r *round) hear(index int, answer reply) {
	vote := answer
	if r.question.isGuarded() {
		vote = r.judge(index, answer)
	}
	r.voted(index, vote)
	switch o := r.question.op; {
	case o.acquires() || o == extend:
		r.claim.noted(o, index, answer)
	case o == release:
		r.claim.released(index, answer)
	}
	r.count(index, vote)
	r.done()
}

// count takes a node's vote.
func (r *round) count(index int, answer reply) {
	r.mu.Lock()
	answer.heard = true
	r.seats[index].reply = answer
	r.tally.count(answer)
	renewed := r.decideIf(r.clear())
	r.mu.Unlock()
	if renewed != nil {
		renewed.renewed(r)
	}
}

// decideIf tells whoever waits, if the outcome is clear and they have not been told. If it returns a lock, that is to be
// told, without r.mu, which is held.
func (r *round) decideIf(clear bool) (renewed *Lock) {
	if !r.open || !clear {
		return nil
	}
	r.open = false
	if r.renews != nil {
		return r.renews
	}
	r.decided <- struct{}{}
	return nil
}

// giveUp ends the round for whoever waits: because its time is up, or the engine closes.
func (r *round) giveUp(why error) {
	r.mu.Lock()
	if r.open {
		r.why = why
	}
	renewed := r.decideIf(true)
	r.mu.Unlock()
	if renewed != nil {
		renewed.renewed(r)
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

// wait returns once the outcome is clear, or the budget is spent; then who hasn't answered is counted as timed out. If ctx
// or the engine ends before that, it returns why. Whoever has waited calls leave.
func (r *round) wait(ctx context.Context) (outcome, error) {
	ended := ctx.Done()
	if ended == nil {
		<-r.decided
	} else {
		select {
		case <-r.decided:
		case <-ended:
			return r.outcome(), ctx.Err()
		}
	}
	o := r.outcome()
	switch {
	case o.why == ErrClosed:
		return o, ErrClosed
	case !o.won() && r.question.op != read && ended != nil: // which may be why
		return o, ctx.Err()
	}
	return o, nil
}

// leave says that whoever waited has seen what it wanted to. It comes once for each round, after which r is another's.
func (r *round) leave() {
	r.engine.vigils.forget(r)
	r.done()
}

// outcome is the votes so far. If the round's time is up, those still missing are timeouts. The nodes' replies come with
// it unless all is well.
func (r *round) outcome() outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := outcome{nodes: r.nodes, tally: r.tally, why: r.why}
	if r.question.op == read {
		o.leading = r.leading()
	} else if o.won() {
		return o
	}
	o.replies = make([]reply, len(r.seats))
	for i := range o.replies {
		o.replies[i] = r.seats[i].reply
		if r.why == errTimeUp && !o.replies[i].heard {
			o.replies[i] = reply{answer: Timeout, err: r.nodes[i].silence(r.budget)}
			o.tally.count(o.replies[i])
		}
	}
	return o
}

// undo gives the attempt up: it releases the claim on every node that could have carried the question out. On a node
// whose answer is still to come the release stands right behind the question, so nothing asked later meets the key.
func (r *round) undo() {
	r.claim.over.Store(true)
	var concerned uint64
	n := 0
	r.mu.Lock()
	for i := range r.seats {
		if reply := &r.seats[i].reply; !reply.heard || reply.answer == Granted || reply.unknown {
			concerned |= 1 << i
			n++
		}
	}
	r.mu.Unlock()
	if n == 0 {
		return
	}
	undo := r.mutex.newRound(r.nodes, r.claim, r.started, r.budget)
	undo.question.put(release, r.claim.key, r.claim.owner, 0)
	undo.open = false           // nobody waits for it
	undo.needed.Store(int32(n)) // so after the last question it may be another's
	for i := range r.nodes {
		if concerned&(1<<i) != 0 {
			undo.askNode(i, undo)
		}
	}
}

// relay hears a handover for both of its sides: the release of the lock that goes and the acquire of the one that comes.
type relay struct{ from, to *round }

func (r *relay) wanted() bool { return true }

func (r *relay) hear(index int, answer reply) {
	to := answer
	if answer.answer == Gone { // the first owner's value was missing, and the next's was set
		to.answer = Granted
	}
	r.to.hear(index, to)
	if answer.unacknowledged { // the first owner's value is gone, whatever becomes of the next's
		r.from.hear(index, reply{answer: Granted})
		return
	}
	if answer.answer == Quarantined || answer.answer == Refused && !answer.broken {
		// It takes no new value, for lack of room, perhaps; but the old one may still go.
		r.from.askNode(index, r.from)
		return
	}
	r.from.hear(index, answer)
}

// tally counts votes.
type tally struct {
	nodes       int
	pending     int
	granted     int
	taken       int // another owner's value, or something that is no lock of ours
	gone        int
	silent      int // no answer to the question: refused, timed out, down, in quarantine
	quarantined int // those of them in quarantine
	rejected    int // refused in a way that asking again would not change
	awaited     int // granted releases that somebody listened for
}

func (t *tally) quorum() int { return t.nodes/2 + 1 }

// count adds one node's answer.
func (t *tally) count(r reply) {
	t.pending--
	switch r.answer {
	case Granted:
		t.granted++
		if r.awaited {
			t.awaited++
		}
	case Taken, WrongType:
		t.taken++
	case Gone:
		t.gone++
	case Quarantined:
		t.silent++
		t.quarantined++
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
	why     error
	leading int // of a read
	nodes   []*Node
	replies []reply // none if a quorum said yes
}

// votes are the answers as an Error shows them.
func (o *outcome) votes() []Vote {
	votes := make([]Vote, len(o.replies))
	for i, r := range o.replies {
		votes[i] = Vote{Node: o.nodes[i].name, Answer: r.answer, Err: r.err}
		if r.answer == Quarantined {
			votes[i].Err = remaining(r.left)
		}
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
	if o.quarantined > 0 {
		return "restart_guard: a server that is new, was restarted or had its data deleted does not vote until every lock that it may have forgotten has expired; " +
			"with a shorter expiration, and renewal, that takes less"
	}
	return ""
}
