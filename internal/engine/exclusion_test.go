package engine

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds    = flag.Int("seeds", 0, "how many random scenarios TestNeverTwoHolders runs; 0: 200, or 60 of them with the race detector")
	seedFrom = flag.Uint64("seed", 1, "the first of them")
)

// TestNeverTwoHolders runs random scenarios: several processes, whose goroutines get, hold, lengthen, pass on, release and
// abandon locks on a few keys, give up at any moment, die and come back, while nodes fail in every way they know. Never
// may two rely on one key; and when all is over, and all nodes are well, nothing is left of it.
func TestNeverTwoHolders(t *testing.T) {
	many := *seeds
	if many == 0 {
		many = 200
		info, _ := debug.ReadBuildInfo()
		if info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
			many = 60 // it takes four times as long for each
		}
	}
	var sum scenarioCounts
	for i := range uint64(many) {
		seed := *seedFrom + i
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runScenario(t, seed, &sum) })
		if t.Failed() {
			t.Fatalf("run it alone with -run TestNeverTwoHolders -seeds 1 -seed %d", seed)
		}
	}
	t.Logf("%+v", sum)
	if many >= 60 && (sum.Acquired < 1000 || sum.HandedOver == 0 || sum.Lost == 0 || sum.Restarts == 0 || sum.Extended == 0) {
		t.Error("the scenarios hardly test anything")
	}
}

// immortal is an expiration by which nothing is cleared up while a test runs: what stays was left behind. So in such a
// scenario nobody dies.
const immortal = 30 * time.Minute

// scenarioCounts is what happened in scenarios.
type scenarioCounts struct{ Acquired, Refused, HandedOver, Lost, Extended, Restarts, Faults, Deaths int }

// scenario is one of them.
type scenario struct {
	*sim
	seed uint64
	keys []string

	mu        sync.Mutex // guards what follows
	random    *rand.Rand
	processes []*sim
	counts    *scenarioCounts
	// locks are those that somebody may rely on, by key.
	locks map[string][]*Lock
	// left are the owner values, or the engines at their ends, of keys that stay until they expire.
	left  []string
	ended bool
}

func (c *scenario) roll(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

// upTo is a random time, mostly a short one.
func (c *scenario) upTo(most time.Duration) time.Duration {
	d := time.Duration(c.roll(int(most))) + 1
	if c.roll(3) > 0 {
		d = d/50 + 1
	}
	return d
}

func runScenario(t *testing.T, seed uint64, sum *scenarioCounts) {
	random := rand.New(rand.NewPCG(seed, 0))
	expirations := []time.Duration{60 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, immortal}
	retries := []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, time.Hour, time.Hour}
	settings := Settings{
		Wait:          Forever,
		Expiration:    expirations[random.IntN(len(expirations))],
		RetryInterval: retries[random.IntN(len(retries))],
		RetryJitter:   time.Duration(random.IntN(5)) * time.Millisecond,
	}
	if settings.Expiration == immortal { // or a message that is lost has somebody wait for its end
		settings.RetryInterval = min(settings.RetryInterval, time.Second)
	}
	if random.IntN(4) == 0 {
		settings.MaxHold = 2 * settings.Expiration
	}
	simulate(t, 1+2*random.IntN(3), settings, func(t *testing.T, s *sim) {
		c := &scenario{
			sim: s, seed: seed, random: random, counts: sum, processes: []*sim{s}, locks: make(map[string][]*Lock),
			keys: []string{"k", "l", "m"}[:1+random.IntN(3)],
		}
		for range random.IntN(4) {
			c.processes = append(c.processes, s.another())
		}
		calm := make(chan struct{})
		var workers, others sync.WaitGroup
		for i := range c.processes {
			for range 1 + c.roll(6) {
				workers.Go(func() { c.work(i) })
			}
		}
		others.Go(func() { c.disturb(calm) })
		others.Go(func() { c.watch(calm) })
		time.Sleep(min(20*settings.Expiration, 1500*time.Millisecond))
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		close(calm)

		done := make(chan struct{})
		go func() {
			workers.Wait()
			close(done)
		}()
		// What is held ends in time, by itself if need be, and then each who still waits has the lock for a moment.
		limit := 20*min(settings.Expiration, 3*time.Second) + 30*time.Second
		select {
		case <-done:
		case <-time.After(limit):
			c.complain(limit)
			for _, p := range c.processes {
				p.engine.Close()
			}
			<-done
		}
		others.Wait()
		time.Sleep(time.Minute) // until what nodes owe is paid
		c.wantOnlyLeft()
		s.nodes[0].with(func(n *simNode) {
			for _, entry := range n.log {
				if strings.HasPrefix(entry, "handover") {
					sum.HandedOver++
				}
			}
		})
		for _, p := range c.processes {
			p.wantNothingLeft()
		}
	})
}

// complain says who waits for what too long.
func (c *scenario) complain(limit time.Duration) {
	c.t.Errorf("after %v, with all nodes well, somebody still waits", limit)
	for i, p := range c.processes {
		p.engine.lines.mu.Lock()
		for _, lines := range p.engine.lines.byKey {
			for _, ln := range lines {
				ln.mu.Lock()
				c.t.Errorf("process %d, %s: %d wait, busy %v, ready %v, holder %v, ends %v in %v, hears %v, next %q, others %v",
					i, ln.key, ln.length, ln.busy, ln.ready, ln.holder != nil, ln.ends, -p.engine.clock.since(ln.free), ln.hears(), ln.next, ln.others)
				ln.mu.Unlock()
			}
		}
		p.engine.lines.mu.Unlock()
	}
}

// work is a goroutine's life in a process.
func (c *scenario) work(process int) {
	for {
		c.mu.Lock()
		s, ended := c.processes[process], c.ended
		c.mu.Unlock()
		if ended {
			return
		}
		time.Sleep(c.upTo(20 * time.Millisecond))
		c.use(s, c.keys[c.roll(len(c.keys))])
	}
}

// use gets a lock, perhaps, and does something with it.
func (c *scenario) use(s *sim, key string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var options AcquireOptions
	switch c.roll(5) {
	case 0:
		none := time.Duration(0)
		options.Wait = &none
	case 1:
		wait := c.upTo(2 * time.Second)
		options.Wait = &wait
	case 2:
		defer time.AfterFunc(c.upTo(100*time.Millisecond), cancel).Stop()
	}
	options.Renew = c.roll(3) == 0
	lock, err := s.mutex.Acquire(ctx, key, options)
	if err != nil {
		c.count(func(n *scenarioCounts) { n.Refused++ })
		return
	}
	c.count(func(n *scenarioCounts) { n.Acquired++ })
	c.obtained(lock)

	expiration := s.mutex.settings.Expiration
	switch c.roll(8) {
	case 0: // it dies, or forgets
		c.mu.Lock()
		dies := !options.Renew && !c.ended && expiration != immortal
		if dies {
			c.left = append(c.left, lock.claim.owner)
		}
		c.mu.Unlock()
		if dies {
			return
		}
	case 1: // it is slow
		time.Sleep(c.upTo(min(3*expiration, 5*time.Second)))
	case 2:
		time.Sleep(c.upTo(min(expiration/2, time.Second)))
		if lock.Extend(ctx, expiration+c.upTo(expiration).Truncate(time.Millisecond)) == nil {
			c.count(func(n *scenarioCounts) { n.Extended++ })
		}
	case 3:
		time.AfterFunc(c.upTo(10*time.Millisecond), func() { lock.Extend(context.Background(), expiration) })
		time.Sleep(c.upTo(10 * time.Millisecond))
	default:
		time.Sleep(c.upTo(5 * time.Millisecond))
	}
	if c.roll(3) == 0 {
		cancel() // which a release does not care for
	}
	if lock.Err() != nil {
		c.count(func(n *scenarioCounts) { n.Lost++ })
	}
	lock.Release(ctx)
	if lock.Err() == nil {
		c.t.Error("a released lock says that it is held")
	}
}

func (c *scenario) count(f func(*scenarioCounts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.counts)
}

// obtained checks that whoever has just got a lock is the only one who relies on the key.
func (c *scenario) obtained(lock *Lock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locks[lock.Key()] = append(c.locks[lock.Key()], lock)
	c.check(lock.Key())
}

// check forgets the locks on a key that ended, and complains if more than one is left. Of two that are found valid, one
// after the other, the second began before it was found here: so both were when the first was found. c.mu is held.
func (c *scenario) check(key string) {
	var valid []*Lock
	for _, l := range c.locks[key] {
		if l.Err() == nil {
			valid = append(valid, l)
		}
	}
	c.locks[key] = valid
	if len(valid) > 1 {
		c.t.Errorf("%d rely on the lock on %q", len(valid), key)
		for _, l := range valid {
			c.t.Errorf("%.8s: since %v, until %v", l.claim.owner, l.since.mono, l.Until().Sub(l.mutex.engine.clock.base))
		}
		for i, n := range c.nodes {
			c.t.Errorf("at node %c stands %.8q", 'A'+i, n.owner(key))
		}
	}
}

// watch checks all keys again and again, until calm is closed.
func (c *scenario) watch(calm <-chan struct{}) {
	for {
		select {
		case <-calm:
			return
		case <-time.After(7 * time.Millisecond):
		}
		c.mu.Lock()
		for _, key := range c.keys {
			c.check(key)
		}
		c.mu.Unlock()
	}
}

// disturb has one thing after the other go wrong, each for a while, until calm is closed; then everything is mended.
func (c *scenario) disturb(calm <-chan struct{}) {
	most := time.Duration(20+c.roll(500)) * time.Millisecond // between two faults
	for {
		select {
		case <-calm:
			for _, n := range c.nodes {
				c.mend(n)
			}
			return
		case <-time.After(time.Duration(c.roll(int(most)))):
		}
		c.count(func(n *scenarioCounts) { n.Faults++ })
		c.fault(c.nodes[c.roll(len(c.nodes))])
		if c.roll(2) == 0 {
			time.AfterFunc(c.upTo(time.Second), func() { c.mend(c.nodes[c.roll(len(c.nodes))]) })
		}
	}
}

func (c *scenario) fault(n *simNode) {
	switch c.roll(14) {
	case 0:
		n.with(func(n *simNode) { n.down = true })
		n.dropMessages()
	case 1:
		n.with(func(n *simNode) {
			if n.hung == nil {
				n.hung = make(chan struct{})
			}
		})
	case 2:
		n.with(func(n *simNode) { n.mute = true })
	case 3, 4:
		n.with(func(n *simNode) { n.cut = true })
	case 5:
		d := c.upTo(200 * time.Millisecond)
		n.with(func(n *simNode) { n.latency = d })
	case 6:
		n.dropMessages()
	case 7:
		n.halfOpen()
	case 8:
		n.with(func(n *simNode) { n.silent = true })
	case 9:
		n.with(func(n *simNode) { n.lose = func(string) bool { return c.roll(4) == 0 } })
	case 10:
		n.with(func(n *simNode) { n.denied = true })
		n.dropMessages()
	case 11:
		if c.mayForget(n) {
			c.count(func(n *scenarioCounts) { n.Restarts++ })
			n.restart()
		}
	case 12:
		if c.roll(3) == 0 && c.mutex.settings.Expiration != immortal {
			c.die(c.roll(len(c.processes)))
		}
	case 13:
		c.mu.Lock()
		p := c.processes[c.random.IntN(len(c.processes))]
		c.mu.Unlock()
		p.sleepAhead(c.upTo(time.Second))
	}
}

func (c *scenario) mend(n *simNode) {
	n.with(func(n *simNode) {
		n.down, n.mute, n.silent, n.denied, n.lose, n.latency = false, false, false, false, nil, simLatency
		if n.hung != nil {
			close(n.hung)
			n.hung = nil
		}
	})
}

// mayForget tells whether a node can lose its data without anybody's quorum being lost with it: each owner value that
// stands there stands at a quorum of the others too, and for as long.
func (c *scenario) mayForget(n *simNode) bool {
	for _, other := range c.nodes {
		other.mu.Lock()
		defer other.mu.Unlock()
	}
	if n.hung != nil { // and what it carries out later it would forget too
		return false
	}
	for key := range n.keys {
		owner, elsewhere := n.look(key), 0
		for _, other := range c.nodes {
			if other != n && other.look(key) == owner && n.keys[key].ends.Sub(other.keys[key].ends) <= driftFloor {
				elsewhere++
			}
		}
		if owner != "" && elsewhere <= len(c.nodes)/2 {
			return false
		}
	}
	return true
}

// die ends a process, and starts another one in its place.
func (c *scenario) die(process int) {
	next := c.another()
	c.mu.Lock()
	old := c.processes[process]
	c.processes[process] = next
	c.left = append(c.left, old.engine.owners.name)
	c.counts.Deaths++
	c.mu.Unlock()
	old.engine.Close()
}

// wantOnlyLeft checks that no keys stand but those of who died, and those not beyond their time.
func (c *scenario) wantOnlyLeft() {
	for i, n := range c.nodes {
		for _, key := range c.keys {
			owner := n.owner(key)
			mayStay := owner == ""
			for _, left := range c.left {
				mayStay = mayStay || strings.HasSuffix(owner, left)
			}
			if !mayStay {
				c.t.Errorf("node %c still holds %q at %q", 'A'+i, owner, key)
			}
		}
	}
	synctest.Wait()
}
