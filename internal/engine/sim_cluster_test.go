package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// simCluster is a Redis Cluster in memory: simulated nodes that serve slots, which may move.
type simCluster struct {
	mu      sync.Mutex // guards what follows; comes before that of any member
	members []*simNode
	owners  [slotCount]int
	// targets are where the slots go that are moving.
	targets map[int]int
	// stale, unless nil, is the map that members tell.
	stale []slotRange
	// told counts how often the map was told.
	told int
	// adrift answers every question with CLUSTERDOWN, circular with another member that serves the slot.
	adrift, circular bool
}

func simAddr(member int) string { return fmt.Sprintf("%c:1", 'A'+member) }

// newSimCluster is a cluster whose slots are spread evenly over so many members.
func newSimCluster(members int) *simCluster {
	c := &simCluster{targets: make(map[int]int)}
	for range members {
		c.members = append(c.members, &simNode{keys: make(map[string]simKey), latency: simLatency, cluster: c})
	}
	for slot := range c.owners {
		c.owners[slot] = slot * members / slotCount
	}
	return c
}

// open is how an engine reaches a member.
func (c *simCluster) open(addr string) memberTransport {
	i := int(addr[0] - 'A')
	if i < 0 || i >= len(c.members) {
		return &simNode{down: true}
	}
	return c.members[i]
}

// slots tells the map, as CLUSTER SLOTS does.
func (n *simNode) slots(ctx context.Context) ([]slotRange, error) {
	if err := n.ping(ctx); err != nil {
		return nil, err
	}
	c := n.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told++
	if c.stale != nil {
		return slices.Clone(c.stale), nil
	}
	return c.ranges(), nil
}

// ranges is the map. c.mu is held.
func (c *simCluster) ranges() (ranges []slotRange) {
	for slot, owner := range c.owners {
		if slot > 0 && owner == c.owners[slot-1] && owner >= 0 {
			ranges[len(ranges)-1].last = slot
		} else if owner >= 0 {
			ranges = append(ranges, slotRange{slot, slot, simAddr(owner)})
		}
	}
	return ranges
}

// answer carries a question out, or says who else may, as a member does.
func (c *simCluster) answer(n *simNode, k *call) reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := k.question
	if q.key == "" {
		return n.answer(q)
	}
	refused := func(text string) reply { return reply{answer: Refused, err: serverError(text)} }
	slot, i := slotOf(q.key), slices.Index(c.members, n)
	target, moving := c.targets[slot]
	there, missing := 1, 0
	if n.owner(q.key) == "" {
		there, missing = 0, 1
	}
	if q.isGuarded() && q.counter != "" {
		n.with(func(n *simNode) {
			if value, ok := n.counter(q.counter); ok && value == 0 {
				missing++
			} else {
				there++
			}
		})
	}
	switch {
	case c.adrift:
		return refused("CLUSTERDOWN The cluster is down")
	case c.circular:
		return refused(fmt.Sprintf("MOVED %d %s", slot, simAddr((i+1)%len(c.members))))
	case c.owners[slot] < 0:
		return refused("CLUSTERDOWN Hash slot not served")
	case c.owners[slot] == i && moving && missing > 0 && there > 0,
		moving && target == i && k.asking && q.counter != "" && missing > 0:
		return refused("TRYAGAIN Multiple keys request during rehashing of slot")
	case c.owners[slot] == i && moving && missing > 0:
		return refused(fmt.Sprintf("ASK %d %s", slot, simAddr(target)))
	case c.owners[slot] == i, moving && target == i && k.asking:
		return n.answer(q)
	}
	return refused(fmt.Sprintf("MOVED %d %s", slot, simAddr(c.owners[slot])))
}

// pass hands a message on to those who listen at other members. The mutex of the member from which it comes is held.
func (c *simCluster) pass(from *simNode, channel, message string) {
	for _, m := range c.members {
		if m != from {
			m.with(func(m *simNode) {
				if !m.down && m.hung == nil {
					m.deliver(channel, message)
				}
			})
		}
	}
}

// begin has a slot move to another member, move takes its keys there, and end gives it the slot.
func (c *simCluster) begin(slot, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owners[slot] != to {
		c.targets[slot] = to
	}
}

// move moves the keys of a slot that is on its way.
func (c *simCluster) move(slot int) { c.moveKeys(slot, true) }

// moveLock moves the locks of a slot without their counters, which come with the next move.
func (c *simCluster) moveLock(slot int) { c.moveKeys(slot, false) }

func (c *simCluster) moveKeys(slot int, counters bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to, moving := c.targets[slot]
	if !moving {
		return
	}
	from, target := c.members[c.owners[slot]], c.members[to]
	from.with(func(from *simNode) {
		target.with(func(target *simNode) {
			for key, k := range from.keys {
				if slotOf(key) == slot {
					target.keys[key] = k
					delete(from.keys, key)
				}
			}
			for key, counter := range from.counters {
				if counters && slotOf(key) == slot {
					if target.counters == nil {
						target.counters = make(map[string]simCounter)
					}
					target.counters[key] = counter
					delete(from.counters, key)
				}
			}
		})
	})
}

func (c *simCluster) end(slot int) {
	c.move(slot)
	c.mu.Lock()
	defer c.mu.Unlock()
	if to, moving := c.targets[slot]; moving {
		c.owners[slot] = to
		delete(c.targets, slot)
	}
}

// moveAll moves a slot at once.
func (c *simCluster) moveAll(slot, to int) {
	c.begin(slot, to)
	c.end(slot)
}

// give makes a member the one that serves a slot, without the keys, as a failover does with a replica that lacked them.
func (c *simCluster) give(slot, to int) {
	c.with(func() { c.owners[slot] = to; delete(c.targets, slot) })
}

func (c *simCluster) with(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// owner is the owner at a key, at whichever member.
func (c *simCluster) owner(key string) string {
	for _, m := range c.members {
		if owner := m.owner(key); owner != "" {
			return owner
		}
	}
	return ""
}

// asked counts the questions that came to a member.
func (c *simCluster) asked(member int) int { return c.members[member].questions() }

// simulateCluster runs a test on a simulated cluster: see simulate. The key "k" is at member B.
func simulateCluster(t *testing.T, settings Settings, test func(t *testing.T, s *sim, c *simCluster)) {
	t.Helper()
	watchdog := time.AfterFunc(time.Minute, func() { panic(t.Name() + ": time stands still") })
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(3)
		s := onCluster(t, c, settings)
		test(t, s, c)
		s.wantNothingInHand()
		s.engine.Close()
	})
}

// onCluster is a mutex on a simulated cluster in an engine of its own.
func onCluster(t *testing.T, c *simCluster, settings Settings) *sim {
	t.Helper()
	s := &sim{t: t, engine: New(Options{}), nodes: c.members}
	settings.Name = "Test"
	if settings.Expiration == 0 {
		settings.Expiration = 10 * time.Second
	}
	settings.DriftFactor = 0.01
	if settings.RetryInterval == 0 {
		settings.RetryInterval = 200 * time.Millisecond
	}
	timeout := settings.NodeTimeout
	if timeout == 0 {
		timeout = DefaultNodeTimeout(settings.Expiration)
	}
	node := s.engine.addClusterNode([]string{simAddr(0), simAddr(1)}, c.open, timeout, simReconnection)
	m, err := s.engine.NewMutex(settings, [][]*Node{{node}})
	if err != nil {
		t.Fatal(err)
	}
	s.mutex = m
	t.Cleanup(func() { s.engine.Close() })
	return s
}

// tellings is how often the map was told.
func (c *simCluster) tellings() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told
}

// member is one as the engine knows it, nil if it doesn't.
func (s *sim) member(i int) *member {
	s.cluster().mu.Lock()
	defer s.cluster().mu.Unlock()
	return s.cluster().members[simAddr(i)]
}

// cluster is the way to the simulated cluster.
func (s *sim) cluster() *cluster { return s.mutex.groups[0][0].cluster }

// wantNothingInHand checks that no question is under way in the cluster, and none owed, once the longest key has expired.
func (s *sim) wantNothingInHand() {
	s.t.Helper()
	time.Sleep(3 * s.mutex.settings.Expiration)
	synctest.Wait()
	c := s.cluster()
	if !c.isQuiet() {
		s.t.Error("questions are under way")
	}
	c.debts.settle()
	c.debts.mu.Lock()
	if n := len(c.debts.owed); n > 0 {
		s.t.Errorf("%d releases are owed", n)
	}
	c.debts.mu.Unlock()
	for i, m := range s.nodes {
		m.with(func(m *simNode) {
			for key := range m.keys {
				if owner := m.look(key); owner != "" {
					s.t.Errorf("member %s still holds %q at %q", simAddr(i), owner, key)
				}
			}
		})
	}
}

// slotOfK is the slot of the key that most tests lock.
var slotOfK = slotOf("k")

func TestSlotsAndHashTagsAreTheClusterSpecifications(t *testing.T) {
	for key, want := range map[string]int{
		"123456789": 12739, "foo": 12182, "{foo}bar": 12182, "foo{}{bar}": slotOf("foo{}{bar}"), "foo{{bar}}zap": slotOf("{bar"),
		"{user1000}.following": 3443, "{user1000}.followers": 3443, "k": slotOfK, "": 0,
	} {
		if got := slotOf(key); got != want {
			t.Errorf("slot of %q is %d; want %d", key, got, want)
		}
	}
	if got := tagOf("foo{}{bar}"); got != "foo{}{bar}" {
		t.Errorf("the tag of a key with empty braces is %q", got)
	}
}

func TestCounterHasTheSlotOfItsKeyWhateverTheBraces(t *testing.T) {
	for _, key := range []string{"k", "a{b}c", "a{b", "a}b", "{}", "a{}b", "}{", "}a{b}", "{{", "}}", "a{}{b}", "{a}{b}", "\x00}", strings.Repeat("}", 1000)} {
		counter := clusterCounterKey(key)
		if slotOf(counter) != slotOf(key) {
			t.Errorf("%q is not in the slot of %q", counter, key)
		}
		if counter == key {
			t.Errorf("the counter of %q stands at the key itself", key)
		}
	}
	if got := clusterCounterKey("report:nightly"); got != counterKey("report:nightly") {
		t.Errorf("the counter of a key without braces is %q", got)
	}
}
