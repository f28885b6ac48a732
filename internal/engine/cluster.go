package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// cluster is the way to a node that is a Redis Cluster. A question goes to the master that serves its key's slot, by that
// master's own lane: one that is dead or hangs costs its own slots only. Which master that is, a map of the slots says,
// that any member knows and that changes: see cluster_map.go. A master that doesn't serve the slot says so, and the
// question is sent on: see cluster_redirect.go.
//
// Questions about one key that go the same way keep their order. One that is sent on may be overtaken by another that
// knows the new way at once. That is harmless but for a release that overtakes what sets the key, and the claim makes up
// for that: see claim.released.
type cluster struct {
	engine *Engine
	name   string
	// open returns the way to a member, without I/O.
	open func(addr string) memberTransport
	// timeout and reconnection are those of each lane.
	timeout      time.Duration
	reconnection time.Duration
	// life ends with the cluster; work counts its goroutines.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	// slots are the lanes of the masters that serve them; nil where nobody is known to. They are set under mu.
	slots [slotCount]atomic.Pointer[lane]
	// sentOn counts the questions that were sent from one lane to another.
	sentOn atomic.Uint64

	mu      sync.Mutex // guards what follows; a lane's own may be locked under it, not the other way round
	members map[string]*member
	// parked are the questions that wait for the map; paused counts those that are sent on after a pause.
	parked []*call
	paused int
	// refreshing says that the map is being asked for; refreshed is when that ended last, and refresh plans the next time.
	refreshing bool
	refreshed  time.Time
	refresh    *time.Timer
	// unknown is what came of the last refresh if nobody answered; nil if somebody did.
	unknown *reply
	// closing ends what comes by itself, closed what comes of questions.
	closing, closed bool

	debts ledger
	// listener is the node's; listens has it opened, once something is locked: whoever waits for a lock of this engine's
	// tells it so. Where it hears that, a release need not be told to everybody, which costs each server of the cluster a
	// good part of what it can do.
	listener *listener
	listens  sync.Once

	reporting sync.Mutex // guards what follows, and keeps reports in order
	// reported says that the node was last reported to be down.
	reported bool
}

// member is a server of the cluster: one that the map names, or one that its options name, a seed.
type member struct {
	cluster   *cluster
	addr      string
	seed      bool
	transport memberTransport
	// What follows is guarded by the cluster's mu. The lane is nil as long as nothing was asked of the member. Serving says
	// that the map names it for some slot, down that its lane is, used is when a question was last sent on to it, and
	// listened when a connection for messages was last opened to it.
	lane           *lane
	serving, down  bool
	used, listened time.Time
}

// memberTransport is the way to a server of a cluster.
type memberTransport interface {
	transport
	// slots asks which master serves which slots.
	slots(ctx context.Context) ([]slotRange, error)
}

func newCluster(e *Engine, name string, seeds []string, open func(string) memberTransport, timeout, reconnection time.Duration) *cluster {
	c := &cluster{
		engine: e, name: name, open: open, timeout: timeout, reconnection: reconnection,
		members: make(map[string]*member),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.debts = ledger{cluster: c}
	for _, addr := range seeds {
		c.addSeed(addr)
	}
	return c
}

// addSeed makes a member known that the options name. c.mu is held.
func (c *cluster) addSeed(addr string) {
	c.members[addr] = &member{cluster: c, addr: addr, seed: true, transport: c.open(addr)}
}

// ask is lane.ask for whichever lane it is.
func (c *cluster) ask(k *call) {
	k.way = way{}
	c.route(k)
}

// askAndWait is lane.askAndWait, but that the question is asked in any case. A question may have to be sent on, so a round
// is watched here as it isn't where the caller is sure to hear within the lane's budget.
func (c *cluster) askAndWait(ctx context.Context, k *call) bool {
	if r, ok := k.asker.(*round); ok {
		c.engine.vigils.watch(r)
	}
	k.way = way{}
	l := c.slots[slotOf(k.question.key)].Load()
	if l != nil {
		c.listenFor(k)
	}
	if l == nil || !l.askAndWait(ctx, k) {
		c.route(k)
	}
	return true
}

// listenFor has the engine listen from the first time on that something is to be locked, once the map says who is a member:
// what the options name may have been taken out of the cluster.
func (c *cluster) listenFor(k *call) {
	if k.question.op.acquires() {
		c.listens.Do(c.listener.open)
	}
}

// route asks a call of the master that serves its slot.
func (c *cluster) route(k *call) {
	if k.question.key == "" { // a message, which any member sends to all
		c.askAny(k)
		return
	}
	if l := c.slots[slotOf(k.question.key)].Load(); l != nil {
		c.listenFor(k)
		l.ask(k)
		return
	}
	c.park(k)
}

// askAny asks a call of a member that lives, as far as is known.
func (c *cluster) askAny(k *call) {
	c.mu.Lock()
	var l *lane
	if m := c.pick(); !c.closed {
		l = c.laneTo(m)
	}
	c.mu.Unlock()
	if l == nil {
		k.asker.hear(k.index, reply{answer: Down, err: ErrClosed})
		return
	}
	l.ask(k)
}

// pick is a member to ask for what any can do: one that lives and serves slots, if there is one. There are always the seeds.
// c.mu is held.
func (c *cluster) pick() *member {
	best := c.fittest()
	return best[rand.IntN(len(best))]
}

// fittest are the members that live and serve slots; if there is none, those that live; if there is none either, all.
// c.mu is held.
func (c *cluster) fittest() []*member {
	var best []*member
	most := 0
	for _, m := range c.members {
		fit := 0
		switch {
		case m.down:
		case m.serving:
			fit = 2
		default:
			fit = 1
		}
		if fit > most {
			most, best = fit, best[:0]
		}
		if fit == most {
			best = append(best, m)
		}
	}
	return best
}

// park keeps a call whose slot nobody is known to serve until the map was asked for. If that has just been done, it fails.
func (c *cluster) park(k *call) {
	c.mu.Lock()
	if l := c.slots[slotOf(k.question.key)].Load(); l != nil {
		c.mu.Unlock()
		c.listenFor(k)
		l.ask(k)
		return
	}
	r := reply{answer: Down, err: ErrClosed}
	switch {
	case c.closing:
	case !c.refreshing && time.Since(c.refreshed) < c.reconnection:
		r = c.unserved(k)
	default:
		c.parked = append(c.parked, k)
		c.refreshNow()
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	k.asker.hear(k.index, r)
}

// unserved is the reply to a call whose slot nobody serves. c.mu is held.
func (c *cluster) unserved(k *call) reply {
	if c.unknown != nil {
		return *c.unknown
	}
	return reply{answer: Refused, err: &clusterError{"no master of the cluster serves slot " + slotText(k.question.key)}}
}

// laneTo is the lane to a member, made if there is none. It has one stream: the other masters keep the client busy while one
// works. c.mu is held.
func (c *cluster) laneTo(m *member) *lane {
	if m.lane == nil {
		m.lane = newLane(m.transport, 1, c.timeout, c.reconnection, func(err error) { c.watch(m, err) })
		m.lane.divert = func(k *call, r reply) (reply, bool) { return c.divert(m, k, r) }
		m.lane.recovered = c.debts.settleAll
	}
	return m.lane
}

// at is the member at an address, made known if it isn't. c.mu is held.
func (c *cluster) at(addr string) *member {
	m := c.members[addr]
	if m == nil {
		m = &member{cluster: c, addr: addr, transport: c.open(addr)}
		c.members[addr] = m
	}
	return m
}

// watch is told that a member went down or came up.
func (c *cluster) watch(m *member, err error) {
	c.mu.Lock()
	m.down = err != nil
	if m.down {
		c.refreshSoon() // a replica may take over
	}
	c.mu.Unlock()
	if err != nil {
		c.engine.logger.Warn("redis cluster member down", "node", c.name, "member", m.addr, "error", err)
		c.report(&memberError{m.addr, err})
		return
	}
	c.engine.logger.Info("redis cluster member up", "node", c.name, "member", m.addr)
	c.report(nil)
	c.debts.settleAll()
}

// report tells of the node's state where it has changed. The node is down as long as any member is that is asked for
// anything, for some locks cannot be had then, and as long as nobody knows the map. Err is why, if that is so.
func (c *cluster) report(err error) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	c.mu.Lock()
	down := c.unknown != nil
	for _, m := range c.members {
		down = down || m.down
	}
	c.mu.Unlock()
	if down == c.reported || down && err == nil {
		return
	}
	c.reported = down
	switch trace := &c.engine.trace; {
	case down && trace.NodeDown != nil:
		trace.NodeDown(c.name, err)
	case !down && trace.NodeUp != nil:
		trace.NodeUp(c.name)
	}
}

// subscribe opens a connection for messages to a member that lives: the members pass them on to each other. It is one that
// has not been tried lately: should it turn out to hang, which nobody may know who asks nothing else of it, another's turn
// comes next.
func (c *cluster) subscribe(timeout time.Duration) subscription {
	c.mu.Lock()
	m := c.pick()
	for _, other := range c.fittest() {
		if other.listened.Before(m.listened) {
			m = other
		}
	}
	m.listened = time.Now()
	c.mu.Unlock()
	return m.transport.subscribe(timeout)
}

// close sees what was asked through and ends all lanes.
func (c *cluster) close() {
	c.mu.Lock()
	c.closing = true
	if c.refresh != nil {
		c.refresh.Stop()
	}
	c.mu.Unlock()
	c.debts.close()
	// What is being sent on from lane to lane may come to one that has nothing to do, so none is closed before all are idle.
	for deadline := time.Now().Add(2 * c.timeout); !c.isQuiet() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	c.end()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.work.Wait()
	c.mu.Lock()
	members := make([]*member, 0, len(c.members))
	for _, m := range c.members {
		members = append(members, m)
	}
	c.mu.Unlock()
	var waiting sync.WaitGroup
	for _, m := range members {
		if m.lane != nil {
			waiting.Go(m.lane.close)
		} else {
			waiting.Go(func() { m.transport.close() })
		}
	}
	waiting.Wait()
}

// isQuiet tells whether no question is under way.
func (c *cluster) isQuiet() bool {
	before := c.sentOn.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.parked) > 0 || c.paused > 0 {
		return false
	}
	for _, m := range c.members {
		if m.lane != nil && m.lane.isBusy() {
			return false
		}
	}
	return c.sentOn.Load() == before
}
