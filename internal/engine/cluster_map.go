package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// slotRange is a range of slots and the address of the master that serves them.
type slotRange struct {
	first, last int
	master      string
}

// useful is how long a member that serves no slot is kept although nothing is asked of it: a slot that is about to move to
// it may not be in the map yet.
const useful = 10 * time.Second

// refreshSoon has the map asked for, once the last time is long enough ago. c.mu is held.
func (c *cluster) refreshSoon() {
	if c.refreshing || c.refresh != nil || c.closing {
		return
	}
	wait := c.reconnection - time.Since(c.refreshed)
	if wait <= 0 {
		c.refreshNow()
		return
	}
	c.refresh = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refresh = nil
		c.refreshNow()
	})
}

// refreshNow has the map asked for, unless it is being asked for. c.mu is held.
func (c *cluster) refreshNow() {
	if c.refreshing || c.closing {
		return
	}
	c.refreshing = true
	if c.refresh != nil {
		c.refresh.Stop()
		c.refresh = nil
	}
	candidates := c.candidates()
	c.work.Go(func() { c.learn(c.fetch(candidates)) })
}

// candidates are the members in the order in which they are to be asked for the map: those that live first, so that what
// is dead costs no time. c.mu is held.
func (c *cluster) candidates() []*member {
	var live, others []*member
	for _, m := range c.members {
		if m.serving && !m.down {
			live = append(live, m)
		} else {
			others = append(others, m)
		}
	}
	for _, list := range [][]*member{live, others} {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return append(live, others...)
}

// headStart is how long a member that was asked for the map is given before the next is asked as well.
const headStart = 50 * time.Millisecond

// fetched is what a member answered that was asked for the map.
type fetched struct {
	ranges []slotRange
	err    error
}

// fetch asks one member after the other for the map, and returns the first that comes.
func (c *cluster) fetch(candidates []*member) ([]slotRange, error) {
	ctx, cancel := context.WithTimeout(c.life, max(c.timeout, handshakeTimeout))
	defer cancel()
	answers := make(chan fetched, len(candidates))
	var last error
	asked, answered := 0, 0
	next := time.NewTimer(headStart)
	defer next.Stop()
	ask := func() {
		if asked == len(candidates) {
			return
		}
		m := candidates[asked]
		asked++
		c.work.Go(func() {
			ranges, err := m.transport.slots(ctx)
			if err == nil && len(ranges) == 0 {
				err = &clusterError{"no slot of the cluster is served"}
			}
			if err != nil {
				err = &memberError{m.addr, err}
			}
			answers <- fetched{ranges, err}
		})
		next.Reset(headStart)
	}
	ask()
	for {
		select {
		case <-next.C:
			ask()
		case a := <-answers:
			if a.err == nil {
				return a.ranges, nil
			}
			answered++
			if last == nil || mayPass(last) { // what somebody has to mend is worth more to know
				last = a.err
			}
			if answered == len(candidates) {
				return nil, last
			}
			ask()
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return nil, last
		}
	}
}

// learn takes what came of asking for the map. The questions that waited for it go on their way, or fail.
func (c *cluster) learn(ranges []slotRange, err error) {
	var retired []*lane
	c.mu.Lock()
	knew := c.unknown == nil
	c.refreshing, c.refreshed = false, time.Now()
	if err != nil {
		r := unreachable(err)
		c.unknown = &r
	} else {
		c.unknown = nil
		if !c.closed {
			retired = c.draw(ranges)
		}
	}
	parked := c.parked
	c.parked = nil
	c.paused += len(parked) // for a moment
	if err != nil || c.isLame() {
		c.refreshSoon()
	}
	c.mu.Unlock()
	for _, l := range retired {
		c.work.Go(l.close)
	}
	switch {
	case err != nil && knew && c.life.Err() == nil:
		c.engine.logger.Warn("redis cluster not reached: no server tells who serves which slots", "node", c.name, "error", err)
	case err == nil && !knew:
		c.engine.logger.Info("redis cluster reached", "node", c.name)
	}
	c.report(err)
	for _, k := range parked {
		c.routeAgain(k)
	}
	c.mu.Lock()
	c.paused -= len(parked)
	c.mu.Unlock()
	if err == nil {
		c.debts.settleAll() // what a master that is gone owed is its successor's to pay
	}
}

// isLame tells whether a master is down that serves slots. c.mu is held.
func (c *cluster) isLame() bool {
	for _, m := range c.members {
		if m.serving && m.down {
			return true
		}
	}
	return false
}

// routeAgain asks a call that waited for the map, or fails it.
func (c *cluster) routeAgain(k *call) {
	if l := c.slots[slotOf(k.question.key)].Load(); l != nil {
		c.listenFor(k)
		l.ask(k)
		return
	}
	c.mu.Lock()
	r := c.unserved(k)
	c.mu.Unlock()
	k.asker.hear(k.index, r)
}

// draw makes the map what a member says it is, and returns the lanes that are of no more use. c.mu is held.
func (c *cluster) draw(ranges []slotRange) (retired []*lane) {
	var lanes [slotCount]*lane
	for _, m := range c.members {
		m.serving = false
	}
	for _, r := range ranges {
		m := c.at(r.master)
		m.serving = true
		l := c.laneTo(m)
		for slot := max(r.first, 0); slot <= min(r.last, slotCount-1); slot++ {
			lanes[slot] = l
		}
	}
	for slot, l := range lanes {
		if c.slots[slot].Load() != l {
			c.slots[slot].Store(l)
		}
	}
	for addr, m := range c.members {
		if m.serving || !m.down && time.Since(m.used) < useful || m.seed && m.lane == nil {
			continue
		}
		if m.lane != nil {
			retired = append(retired, m.lane)
		} else {
			_ = m.transport.close()
		}
		delete(c.members, addr)
		if m.seed {
			c.addSeed(addr)
		}
	}
	return retired
}

// unreachable is the reply to a question that was asked of nobody, for nobody told the map.
func unreachable(err error) reply {
	r := interpretError(err, true)
	r.broken, r.unknown = false, false
	return r
}

// mayPass tells whether err may be another the next time, without anybody mending the configuration.
func mayPass(err error) bool { return !unreachable(err).permanent() }

var errNoMap = errors.New("the server sent no map of slots")

// memberWire is the way to a member of a cluster on go-redis.
type memberWire struct {
	*wire
	// guide has a connection of its own, for the map.
	guide *wireSender
}

// slots asks a member for the map.
func (w *memberWire) slots(ctx context.Context) (ranges []slotRange, err error) {
	defer func() {
		if r := recover(); r != nil { // see wireSender.catch, but that others may be using the client
			err = fmt.Errorf("the server's answer is none of a Redis: %v", r)
		}
	}()
	// The end of ctx doesn't interrupt a read, and Close should not have to wait for it.
	defer context.AfterFunc(ctx, w.guide.interrupt)()
	ask := func() ([]any, error) { return w.guide.client.Do(ctx, "cluster", "slots").Slice() }
	answer, err := ask()
	if isStale(err) { // it was idle for too long for the server
		answer, err = ask()
	}
	if isReply(err) && !noPermission(err) && hasCode(err, "ERR") {
		return nil, &standaloneError{err}
	}
	if err != nil {
		return nil, withoutArguments(err)
	}
	for _, element := range answer {
		r, ok := readRange(element, w.options.Addr)
		if !ok {
			return nil, errNoMap
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// readRange reads a range of CLUSTER SLOTS: its first and last slot, and its servers, of which the first is the master:
// host, port, id, and what else is known.
func readRange(element any, asked string) (r slotRange, ok bool) {
	list, _ := element.([]any)
	if len(list) < 3 {
		return r, false
	}
	first, isFirst := list[0].(int64)
	last, isLast := list[1].(int64)
	server, _ := list[2].([]any)
	if !isFirst || !isLast || len(server) < 2 || first < 0 || last < first || last >= slotCount {
		return r, false
	}
	host, _ := server[0].(string)
	port, isPort := server[1].(int64)
	if !isPort || port < 1 || port > 65535 {
		return r, false
	}
	if host == "?" && len(server) > 3 { // a hostname that was to be told, but is not set
		host = ""
		if more, isList := server[3].([]any); isList {
			for i := 0; i+1 < len(more); i += 2 {
				if more[i] == "ip" {
					host, _ = more[i+1].(string)
				}
			}
		}
	}
	return slotRange{int(first), int(last), memberAddr(host, strconv.FormatInt(port, 10), asked)}, true
}

// memberAddr is the address of a member as another tells it: one that knows no host for it means its own.
func memberAddr(host, port, asked string) string {
	if host == "" || host == "?" {
		own, _, err := net.SplitHostPort(asked)
		if err != nil {
			return asked
		}
		host = own
	}
	return net.JoinHostPort(host, port)
}
