package engine

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// way is what a cluster keeps of a call that is being sent on.
type way struct {
	// until is when it is given up; zero if it was not sent on yet. Hops counts how often it was.
	until time.Time
	hops  int
	// asking says that it is asked of a server that its slot is just moving to.
	asking bool
}

// divert takes a reply that a call got from a member, where that means that the question was not carried out and who else
// may: it sends the call on and returns true. Otherwise it returns the reply that is the caller's.
func (c *cluster) divert(from *member, k *call, r reply) (reply, bool) {
	if r.answer != Refused && r.err != ErrClosed {
		return r, false
	}
	code, addr := redirection(r.err, from.addr)
	switch code {
	case "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "":
		r = reply{answer: Refused, err: &clusterError{printable(r.err.Error())}}
	default:
		return r, false
	}
	k.asking = false
	c.mu.Lock()
	if code != "ASK" {
		c.refreshSoon()
	}
	if c.closed || !k.mayBeSentOn(c.timeout) {
		c.mu.Unlock()
		return r, false
	}
	pause := k.pause(code)
	var to *lane // nil: by the map
	if addr != "" {
		m := c.at(addr)
		m.used = time.Now()
		l := c.laneTo(m)
		if code == "MOVED" {
			c.slots[slotOf(k.question.key)].Store(l)
		} else {
			k.asking, to = true, l
		}
	}
	c.sentOn.Add(1)
	if pause > 0 {
		c.paused++
		time.AfterFunc(pause, func() {
			c.sendOn(k, to)
			c.mu.Lock()
			c.paused--
			c.mu.Unlock()
		})
	}
	c.mu.Unlock()
	if pause == 0 {
		c.sendOn(k, to)
	}
	c.sentOn.Add(1) // see isQuiet
	return r, true
}

// sendOn asks a call of a lane, or, if that is nil, of the master that serves its slot.
func (c *cluster) sendOn(k *call, to *lane) {
	if to != nil {
		to.ask(k)
		return
	}
	c.route(k)
}

// mayBeSentOn tells whether there is time for that, and counts it. It leaves so much of the budget that whoever waits hears
// why the question was not answered, and not only that it wasn't.
func (k *call) mayBeSentOn(budget time.Duration) bool {
	now := time.Now()
	if k.hops == 0 {
		k.until = now.Add(budget * 3 / 4)
	}
	k.hops++
	return now.Before(k.until)
}

// pause is how long a call that is sent on waits before that. Twice it goes at once: to the master that took a slot over,
// and to the one that this one is just handing it to. If that doesn't help, the members don't agree yet.
func (k *call) pause(code string) time.Duration {
	const most = 50 * time.Millisecond
	n := k.hops - 2
	if code == "TRYAGAIN" || code == "CLUSTERDOWN" {
		n = k.hops
	}
	if n <= 0 {
		return 0
	}
	return min(time.Millisecond<<min(n-1, 6), most)
}

// redirection reads a refusal that means that another member is to be asked, or the same one later: its code, and the
// address if it names one; from is that of the member that answered. The code of a lane that was given up is "".
func redirection(err error, from string) (code, addr string) {
	if err == ErrClosed {
		return "", ""
	}
	var refused redis.Error
	if !errors.As(err, &refused) {
		return "none", ""
	}
	code, rest, _ := strings.Cut(refused.Error(), " ")
	if code != "MOVED" && code != "ASK" {
		return code, ""
	}
	_, target, _ := strings.Cut(rest, " ")
	colon := strings.LastIndexByte(target, ':')
	if colon < 0 {
		return "TRYAGAIN", "" // which names nobody; it may be another the next time
	}
	host, port := strings.Trim(target[:colon], "[]"), target[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "TRYAGAIN", ""
	}
	return code, memberAddr(host, port, from)
}

// clusterError is why a cluster did not answer a question, for a reason that passes.
type clusterError struct{ text string }

func (e *clusterError) Error() string { return e.text }

// memberError says which member of a cluster an error is about.
type memberError struct {
	addr string
	err  error
}

func (e *memberError) Error() string { return e.addr + ": " + e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

// standaloneError refuses a server that is no member of a cluster.
type standaloneError struct{ cause error }

func (e *standaloneError) Error() string {
	if e.cause == nil {
		return "the server does not run in cluster mode"
	}
	return "the server does not run in cluster mode: " + e.cause.Error()
}

func (e *standaloneError) Unwrap() error { return e.cause }

func slotText(key string) string { return strconv.Itoa(slotOf(key)) }
