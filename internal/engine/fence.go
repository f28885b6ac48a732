package engine

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// fence finds the token of a lock that a quorum granted, as the outcome of r says. If a quorum's counters are the same,
// that is the token. Otherwise it is the largest, and the counters of the others that voted are raised to it: the token
// counts once so many nodes that hold the lock's own key have that counter, for whoever gets the lock later needs the vote
// of one of them, and so gets a larger one. Only what a node's counter was when it voted tells of tokens that were handed
// out before: a node that was not heard by then is not asked, and doesn't count.
func (l *Lock) fence(ctx context.Context, r *round, granted outcome, expiration time.Duration) (outcome, error) {
	token, agreed := r.counters()
	l.token = token
	if agreed {
		return granted, nil
	}
	e := l.mutex.engine
	raising := l.mutex.newRound(r.nodes, &l.claim, e.clock.now(), l.mutex.nodeTimeout(expiration))
	raising.question.put(raise, l.Key(), l.claim.owner, 0)
	raising.question.safeguard = r.question.safeguard
	raising.question.token = token
	raising.followUp(r)
	defer raising.leave()
	return raising.wait(ctx)
}

// counters returns the counter that a quorum of nodes voted with, or else the largest.
func (r *round) counters() (token int64, agreed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.seats {
		vote := &r.seats[i].reply
		if !vote.counts() {
			continue
		}
		same := 0
		for j := range r.seats {
			if other := &r.seats[j].reply; other.counts() && other.counter == vote.counter {
				same++
			}
		}
		if same >= r.tally.quorum() {
			return vote.counter, true
		}
		token = max(token, vote.counter)
	}
	return token, false
}

// counts tells whether r is a vote for the lock.
func (r *reply) counts() bool { return r.heard && r.answer == Granted }

// followUp asks those nodes to raise their counters that voted for the lock in an earlier round with a smaller one. What the
// others said is their answer, if they said anything.
func (r *round) followUp(earlier *round) {
	r.engine.vigils.watch(r)
	votes := make([]reply, len(earlier.seats))
	earlier.mu.Lock()
	for i := range votes {
		votes[i] = earlier.seats[i].reply
	}
	earlier.mu.Unlock()
	for i := range votes {
		vote := &votes[i]
		switch {
		case vote.counts() && vote.counter < r.question.token:
			r.askNode(i, r)
		case vote.counts() && vote.counter > r.question.token: // which came after the token was found
			r.hear(i, reply{})
		default:
			r.hear(i, *vote)
		}
	}
}

// judge takes from a reply to a guarded question what must not count as a vote, and reports what an operator should know.
func (r *round) judge(index int, answer reply) reply {
	node, q := r.nodes[index], &r.question
	if answer.heard { // and judged, in an earlier round
		return answer
	}
	if answer.blind && !node.blind.Swap(true) {
		r.engine.logger.Warn("redis node does not tell its uptime: its user may not use info; the restart guard relies on "+birthKey+" alone", "node", node.name)
	}
	switch {
	case answer.answer == Quarantined:
		r.engine.reportQuarantine(node, answer.left)
	case answer.answer == Granted && q.counter != "" && q.op.acquires():
		if err := r.skew(answer.seconds); err != nil {
			return reply{answer: Refused, err: err, unknown: true} // so undo releases its key
		}
	}
	return answer
}

// skew tells why a node whose clock says seconds, after the question was asked, must not vote: tokens begin with it.
func (r *round) skew(seconds int64) error {
	clock := r.engine.clock
	earliest, latest := clock.wallClock(r.started), clock.wallClock(clock.now())
	node := time.Unix(seconds, 0) // and up to a second more
	switch {
	case node.Add(time.Second).Before(earliest.Add(-MaxSkew)):
		return &skewError{earliest.Sub(node), "behind"}
	case node.After(latest.Add(MaxSkew)):
		return &skewError{node.Sub(latest), "ahead of"}
	}
	return nil
}

// skewError says by how much a node's clock is wrong, or this machine's.
type skewError struct {
	by    time.Duration
	where string
}

func (e *skewError) Error() string {
	return fmt.Sprintf("the server's clock is %v %s this machine's", e.by.Round(time.Second), e.where)
}

// reportQuarantine tells of a node's quarantine, once.
func (e *Engine) reportQuarantine(node *Node, remaining time.Duration) {
	now := e.clock.now().mono
	until := node.quarantined.Load()
	if now <= time.Duration(until) || !node.quarantined.CompareAndSwap(until, int64(now+remaining)) {
		return
	}
	e.logger.Warn("redis node quarantined: it is new, restarted, or its data was deleted", "node", node.name, "remaining", remaining)
	if e.trace.NodeQuarantined != nil {
		e.trace.NodeQuarantined(node.name, remaining)
	}
}

// remaining is how long a quarantine lasts yet, as a vote shows it.
type remaining time.Duration

func (r remaining) Error() string { return fmt.Sprintf("for %v yet", time.Duration(r)) }

// quarantine is how long it takes until so many nodes have left their quarantine that there can be a quorum; zero if there
// can't be one then either, or is none for other reasons.
func (o *outcome) quarantine() time.Duration {
	missing := o.quorum() - o.granted - o.taken - o.pending
	if missing < 1 || missing > o.quarantined {
		return 0
	}
	var lefts []time.Duration
	for _, r := range o.replies {
		if r.answer == Quarantined {
			lefts = append(lefts, r.left)
		}
	}
	slices.Sort(lefts)
	return lefts[missing-1]
}
