package engine

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// setCommand is the command of an acquire. Its arguments point into it, so that one serves for batch after batch.
type setCommand struct {
	*redis.BoolCmd
	key, owner   string
	milliseconds int64
}

// set is the n-th acquire of a batch.
func (w *wireSender) set(n int, q *question) redis.Cmder {
	if n == len(w.sets) {
		s := new(setCommand)
		s.BoolCmd = redis.NewBoolCmd(context.Background(), "set", &s.key, &s.owner, "nx", "px", &s.milliseconds)
		w.sets = append(w.sets, s)
	}
	s := w.sets[n]
	s.key, s.owner, s.milliseconds = q.key, q.owner, q.milliseconds
	s.SetErr(nil)
	s.SetVal(false)
	return s.BoolCmd
}

// releaseCommand is the command of a release that fares alone.
type releaseCommand struct {
	*redis.IntCmd
	key, owner string
	whom       string // is told of it in a cluster
}

// releaseOne is the n-th such release of a batch.
func (w *wireSender) releaseOne(n int, q *question) redis.Cmder {
	if n == len(w.releases) {
		r := new(releaseCommand)
		arguments := []any{"evalsha", scripts[release].hash, 1, &r.key, &r.owner}
		if w.inCluster {
			arguments = append(arguments, "", "", &r.whom)
		}
		r.IntCmd = redis.NewIntCmd(context.Background(), arguments...)
		w.releases = append(w.releases, r)
	}
	r := w.releases[n]
	r.key, r.owner, r.whom = q.key, q.owner, whom(q)
	r.SetErr(nil)
	r.SetVal(unanswered)
	return r.IntCmd
}

// whom is who is told of a release in a cluster if it names nobody: all, or none. See release.lua.
func whom(q *question) string {
	if q.quiet {
		return "none"
	}
	return "all"
}

// unanswered is no script's answer.
const unanswered = -99

// newCommand is the command for calls of one op, with the script itself or its digest if the op has one.
func (w *wireSender) newCommand(calls []*call, withSource bool) redis.Cmder {
	q, n := calls[0].question, len(calls)
	ctx := context.Background()
	if q.isGuarded() {
		return guardedCommand(q, withSource)
	}
	switch q.op {
	case acquire:
		return redis.NewBoolCmd(ctx, "set", q.key, q.owner, "nx", "px", q.milliseconds)
	case read:
		return redis.NewCmd(ctx, "get", q.key)
	case notice:
		return redis.NewCmd(ctx, "publish", q.channel, q.message)
	}
	arguments := make([]any, 0, 3+3*n+2)
	s := scripts[q.op]
	if q.op == release && n > 1 {
		s = releases
	}
	if withSource {
		arguments = append(arguments, "eval", s.source, n)
	} else {
		arguments = append(arguments, "evalsha", s.hash, n)
	}
	for _, c := range calls {
		arguments = append(arguments, &c.question.key)
	}
	for _, c := range calls {
		arguments = append(arguments, &c.question.owner)
	}
	switch q.op {
	case queue:
		arguments = append(arguments, q.milliseconds, q.message)
	case handover:
		arguments = append(arguments, q.next, q.milliseconds)
	case extend:
		for _, c := range calls {
			arguments = append(arguments, &c.question.milliseconds)
		}
	case release:
		if q.channel != "" || w.inCluster {
			arguments = append(arguments, q.channel, q.message)
		}
		if w.inCluster {
			arguments = append(arguments, whom(q))
		}
	}
	return redis.NewCmd(ctx, arguments...)
}

// guardedCommand is the command for a call that its question's safeguard has a part in.
func guardedCommand(q *question, withSource bool) redis.Cmder {
	arguments := guardedArguments(q, withSource)
	if q.op == acquire {
		return redis.NewIntSliceCmd(context.Background(), arguments...)
	}
	return redis.NewCmd(context.Background(), arguments...)
}

func guardedArguments(q *question, withSource bool) []any {
	s := &guardedScripts[q.op]
	arguments := append(make([]any, 0, 11), "evalsha", s.hash, 1, &q.key)
	if withSource {
		arguments[0], arguments[1] = "eval", s.source
	}
	var memory any = ""
	if q.counter != "" {
		arguments, memory = append(arguments, &q.counter), &q.memory
	}
	if q.quarantine > 0 {
		arguments = append(arguments, birthKey)
	}
	arguments[2] = len(arguments) - 3
	arguments = append(arguments, memory, &q.quarantine, &q.owner)
	switch q.op {
	case acquire:
		arguments = append(arguments, &q.milliseconds)
	case queue:
		arguments = append(arguments, &q.milliseconds, &q.message)
	case handover:
		arguments = append(arguments, &q.next, &q.milliseconds)
	case extend:
		arguments = append(arguments, &q.milliseconds, &q.token)
	case raise:
		arguments = append(arguments, &q.token)
	}
	return arguments
}

// guardedAcquire is the command of an acquire that its question's safeguard has a part in. Its arguments point into
// its question.
type guardedAcquire struct {
	*redis.IntSliceCmd
	question question
}

// guarded is the n-th such acquire of a batch. It can be used again for a question with the same kind of safeguard.
func (w *wireSender) guarded(n int, q *question) redis.Cmder {
	if n == len(w.guardeds) {
		w.guardeds = append(w.guardeds, new(guardedAcquire))
	}
	g := w.guardeds[n]
	before := g.question
	g.question = *q
	if before.key == "" || (before.counter == "") != (q.counter == "") || (before.quarantine == 0) != (q.quarantine == 0) {
		g.IntSliceCmd = redis.NewIntSliceCmd(context.Background(), guardedArguments(&g.question, false)...)
	}
	g.SetErr(nil)
	g.SetVal(nil)
	return g.IntSliceCmd
}

// errTogether stands for an error of one of several that were asked together, of which no more is known.
var errTogether = errors.New("an error of one among several")

var errMisfit = errors.New("the server sent an answer that does not fit the question")

// interpret fills in the replies to calls that were asked by one command, which has no error but for a read's nil. Only
// what says yes in so many words is a yes.
func interpret(command redis.Cmder, calls []*call) {
	q := calls[0].question
	switch c := command.(type) {
	case *redis.BoolCmd:
		r := reply{answer: Taken}
		if c.Val() {
			r.answer = Granted
		}
		calls[0].reply = r
	case *redis.IntCmd:
		calls[0].reply = scriptReply(q.op, c.Val())
	case *redis.IntSliceCmd:
		calls[0].reply = guardedReply(q, c.Val())
	case *redis.Cmd:
		if q.isGuarded() {
			calls[0].reply = guardedAnswer(q, c.Val())
			return
		}
		switch value := c.Val().(type) {
		case string:
			switch {
			case q.op == read:
				calls[0].reply = reply{answer: Granted, owner: value}
			case q.op != queue && len(value) == len(calls):
				for i, call := range calls {
					call.reply = oneOfSeveral(q.op, value[i])
				}
			default:
				fill(calls, reply{answer: Refused, err: errMisfit})
			}
		case int64:
			if q.op == notice {
				calls[0].reply = reply{answer: Granted}
			} else {
				fill(calls, scriptReply(q.op, value))
			}
		case []any:
			if q.op == queue {
				calls[0].reply = refusal(value)
			} else {
				fill(calls, reply{answer: Refused, err: errMisfit})
			}
		case nil:
			fill(calls, reply{answer: Gone})
		default:
			fill(calls, reply{answer: Refused, err: errMisfit})
		}
	}
}

func scriptReply(o op, value int64) reply {
	switch {
	case value == 1:
		return reply{answer: Granted}
	case value == 2 && o == release:
		return reply{answer: Granted, awaited: true}
	case value == 0:
		return reply{answer: Gone}
	case value == -1:
		return reply{answer: Taken}
	default:
		return reply{answer: Refused, err: errMisfit}
	}
}

func oneOfSeveral(o op, answer byte) reply {
	switch {
	case answer == '1':
		return reply{answer: Granted}
	case answer == '2' && o == release:
		return reply{answer: Granted, awaited: true}
	case answer == '0':
		return reply{answer: Gone}
	case answer == '-':
		return reply{answer: Taken}
	default:
		return reply{answer: Refused, err: errTogether}
	}
}

// isToken tells whether n can be a token: up to there a script's numbers are exact.
func isToken(n int64) bool { return 0 < n && n < 1<<53 }

// guardedReply reads the answer of a script that a safeguard has a part in: see scripts/guard.lua. What does not fit
// may yet have set the key.
func guardedReply(q *question, value []int64) reply {
	switch {
	case len(value) == 4 && (value[0] == 0 || value[0] == 1) && (q.counter == "" || !q.op.acquires() || isToken(value[1])):
		r := reply{answer: Granted, counter: value[1], seconds: value[2], blind: value[3] == 1}
		if value[0] == 0 {
			r.answer = Gone
		}
		return r
	case len(value) == 1 && value[0] == -1:
		return reply{answer: Taken}
	case len(value) == 2 && value[0] == -2 && value[1] > 0:
		return reply{answer: Quarantined, left: milliseconds(value[1])}
	case len(value) == 1 && value[0] == -3:
		return reply{answer: Gone}
	}
	return reply{answer: Refused, err: errMisfit, unknown: true}
}

// guardedAnswer reads the same where it may tell of an owner.
func guardedAnswer(q *question, answer any) reply {
	value, isList := answer.([]any)
	if !isList {
		return reply{answer: Refused, err: errMisfit, unknown: true}
	}
	if len(value) == 3 && value[0] == int64(-1) {
		return refusal(value[1:])
	}
	numbers := make([]int64, len(value))
	for i, v := range value {
		n, isNumber := v.(int64)
		if !isNumber {
			return reply{answer: Refused, err: errMisfit, unknown: true}
		}
		numbers[i] = n
	}
	return guardedReply(q, numbers)
}

// refusal reads who holds what was queued for, and for how long yet.
func refusal(value []any) reply {
	if len(value) == 2 {
		owner, isText := value[0].(string)
		left, isNumber := value[1].(int64)
		if isText && isNumber {
			return reply{answer: Taken, owner: owner, left: milliseconds(left)}
		}
	}
	return reply{answer: Refused, err: errMisfit}
}

// milliseconds is what is left of something, as a server tells: less than nothing is for ever.
func milliseconds(left int64) time.Duration {
	if left < 0 || left >= int64(forever/time.Millisecond) {
		return forever
	}
	return time.Duration(left) * time.Millisecond
}

// forever is the time that is left of what does not expire.
const forever = MaxExpiration
