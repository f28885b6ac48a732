package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// conformance asks a server and a simulated node the same, and compares what they answer and what they keep then.
type conformance struct {
	t      *testing.T
	random *rand.Rand
	client *redis.Client
	sender sender
	node   *simNode
	// heard are the messages that the simulated node sent.
	heard  []string
	pubsub *redis.PubSub
	// now reads the server's clock.
	now func() time.Time
	// alone has every question travel alone, so that a script that the server does not know may come later than others.
	alone bool
	// embedded says that the server is a miniredis.
	embedded bool
	log      []string
	answers  map[op]map[Answer]int
}

// TestSimulatedNodesAnswerAsServersDo ties the simulation to the scripts: random questions, by the engine's own sender,
// to a Redis server and to a simulated node.
func TestSimulatedNodesAnswerAsServersDo(t *testing.T) {
	t.Run("redis-server", func(t *testing.T) {
		server := redistest.Start(t)
		conform(t, server.URL(), 40, false, nil)
		server.CLI("acl", "setuser", "default", "-info")
		conform(t, server.URL(), 10, true, nil)
	})
	t.Run("miniredis", func(t *testing.T) {
		server := miniredis.RunT(t)
		now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
		server.SetTime(now)
		conform(t, "redis://"+server.Addr(), 20, true, func() time.Time { return now })
	})
}

// conform runs the sequences of so many seeds. Without now, the server's own clock counts.
func conform(t *testing.T, url string, seeds uint64, blind bool, now func() time.Time) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	e := New(Options{})
	defer e.Close()
	node := e.AddNode(NodeOptions{Redis: options, Timeout: 10 * time.Second, PoolSize: 1, ReconnectionInterval: time.Second})
	ctx := context.Background()
	started := time.Now().Add(-time.Hour)
	answers := make(map[op]map[Answer]int)
	embedded := now != nil
	if !embedded {
		now = func() time.Time { return client.Time(ctx).Val() }
		if !blind {
			started = now().Add(-uptimeOf(t, client))
		}
	}
	for seed := range seeds {
		c := &conformance{t: t, random: rand.New(rand.NewPCG(seed, 7)), client: client, sender: node.lane.transport.sender(), now: now}
		c.node = &simNode{keys: make(map[string]simKey), counters: make(map[string]simCounter), blind: blind, started: started}
		c.embedded, c.node.keepsJournal, c.answers = embedded, true, answers
		c.run()
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, strings.Join(c.log, "\n"))
		}
	}
	for o, want := range map[op][]Answer{
		acquire: {Granted, Taken, Refused, Quarantined}, queue: {Granted, Taken, Refused, Quarantined}, release: {Granted, Taken, Gone},
		handover: {Granted, Taken, Gone, Refused, Quarantined}, extend: {Granted, Taken, Refused}, raise: {Granted, Taken, Gone, Refused},
		read: {Granted, Gone}, notice: {Granted},
	} {
		for _, a := range want {
			if seeds >= 40 && answers[o][a] == 0 {
				t.Errorf("no %s was answered: %v", opNames[o], a)
			}
		}
	}
}

func uptimeOf(t *testing.T, client *redis.Client) time.Duration {
	t.Helper()
	info := client.Info(context.Background(), "server").Val()
	_, rest, _ := strings.Cut(info, "uptime_in_seconds:")
	seconds, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(seconds)
	if err != nil {
		t.Fatalf("no uptime in %q", info)
	}
	return time.Duration(n) * time.Second
}

const (
	conformKey     = "k"
	conformCounter = "{k}:fence"
)

var conformOwners = []string{
	"AAAAAAAA-one host 1 @engine1", "BBBBBBBB-two host 1 @engine2", "short", strings.Repeat("long ", 30) + "@engine1",
}

func (c *conformance) run() {
	ctx := context.Background()
	c.client.FlushAll(ctx)
	c.alone = c.random.IntN(4) == 0
	for _, all := range [][]script{scripts[:], guardedScripts[:], {releases}} {
		for _, script := range all {
			if script.source != "" {
				c.client.ScriptLoad(ctx, script.source)
			}
		}
	}
	channels := []string{keyChannel(conformKey), engineChannel("engine1"), engineChannel("other")}
	if c.random.IntN(2) == 0 {
		c.pubsub = c.client.Subscribe(ctx, channels...)
		defer c.pubsub.Close()
		for range channels { // the server's word on each
			if _, err := c.pubsub.Receive(ctx); err != nil {
				c.t.Fatal(err)
			}
		}
		sub := c.node.subscribe(0).(*simSubscription)
		sub.listen(channels)
		sub.post = func(e event) { c.heard = append(c.heard, e.channel+" "+e.message) }
	}
	for range 40 {
		if c.random.IntN(4) == 0 {
			c.tamper()
		}
		if c.alone && c.random.IntN(5) == 0 {
			c.client.ScriptFlush(ctx)
		}
		before, ok := c.settle()
		c.ask(c.roll(before), before)
		if !ok || c.now().Unix() != before.Unix() { // in which second it was carried out is not known
			return
		}
		c.compare()
		if c.t.Failed() {
			return
		}
	}
	c.compareMessages()
}

// settle sets the simulated node's clock by the server's, at a time when that is not about to enter the next second.
func (c *conformance) settle() (time.Time, bool) {
	now := c.now()
	for range 100 {
		if now.Nanosecond() < int(900*time.Millisecond) {
			break
		}
		time.Sleep(20 * time.Millisecond)
		now = c.now()
	}
	c.node.with(func(n *simNode) { n.ahead = time.Until(now) })
	return now, now.Nanosecond() < int(900*time.Millisecond)
}

// tamper has a stranger change something.
func (c *conformance) tamper() {
	ctx, n := context.Background(), c.node
	now, _ := c.settle()
	switch what := c.random.IntN(9); what {
	case 0:
		c.client.Del(ctx, conformKey)
		n.with(func(n *simNode) { n.deleteKey(conformKey) })
	case 1, 2: // whatever else holds the lock
		life := time.Duration(c.random.IntN(2)) * time.Minute
		owner := conformOwners[c.random.IntN(len(conformOwners))]
		c.client.Set(ctx, conformKey, owner, life)
		n.with(func(n *simNode) { n.set(conformKey, owner, life.Milliseconds()) })
	case 3:
		if c.embedded { // whose scripts' errors lose their codes
			return
		}
		c.client.Del(ctx, conformKey)
		c.client.RPush(ctx, conformKey, "x")
		n.with(func(n *simNode) { n.set(conformKey, otherType, 0) })
	case 4:
		c.client.Del(ctx, conformCounter)
		n.with(func(n *simNode) { delete(n.counters, conformCounter) })
	case 5, 6, 7:
		second := now.Unix() << 20
		text := []string{
			"abc", "-5", "0", strconv.FormatInt(second-1, 10), strconv.FormatInt(second+7, 10), strconv.FormatInt(second+1<<20-1, 10),
			strconv.FormatInt(second+90<<20, 10), "9007199254740991", "9007199254740992", "9223372036854775807", "", "17",
		}[c.random.IntN(12)]
		life := time.Duration(c.random.IntN(2)) * time.Minute
		c.client.Set(ctx, conformCounter, text, life)
		n.with(func(n *simNode) {
			counter := simCounter{text: text}
			if life > 0 {
				counter.ends = n.now().Add(life)
			}
			n.counters[conformCounter] = counter
		})
	case 8:
		born := []int64{0, now.UnixMilli() - 3_600_000, now.UnixMilli() - 500, now.UnixMilli() + 60_000}[c.random.IntN(4)]
		c.client.Set(ctx, birthKey, born, 0)
		if born == 0 { // nothing, as far as a simulated node goes
			c.client.Set(ctx, birthKey, "nonsense", 0)
		}
		n.with(func(n *simNode) { n.birth = born })
	}
	c.log = append(c.log, fmt.Sprintf("tampered: %s", c.state()))
}

// roll is one question, or several that travel together.
func (c *conformance) roll(now time.Time) []*question {
	r := c.random
	guard := safeguard{}
	if r.IntN(3) > 0 {
		guard.counter = conformCounter
		guard.memory = []int64{0, 60_000}[r.IntN(2)]
	}
	if r.IntN(3) == 0 {
		guard.quarantine = []int64{300, 2000, 1_000_000}[r.IntN(3)]
	}
	var questions []*question
	many := 1
	if !c.alone && r.IntN(5) == 0 && c.node.owner(conformKey) != otherType { // of several releases that meet it one says nothing stands there
		many += r.IntN(3)
	}
	for range many {
		q := &question{
			op: op(r.IntN(int(notice) + 1)), key: conformKey, owner: conformOwners[r.IntN(len(conformOwners))],
			next: conformOwners[r.IntN(len(conformOwners))], milliseconds: 50_000 + r.Int64N(20_000), safeguard: guard,
		}
		if stands := c.node.owner(conformKey); stands != "" && stands != otherType && r.IntN(2) == 0 {
			q.owner = stands
		}
		if q.op == release && slices.ContainsFunc(questions, func(other *question) bool { return other.op == release }) {
			q.op = read // of several releases of one key each hears what stood there before
		}
		switch q.op {
		case queue:
			q.message = []string{"", "wait x 1 0 k"}[r.IntN(2)]
		case release:
			if r.IntN(2) == 0 {
				q.channel, q.message = engineChannel([]string{"other", "nobody"}[r.IntN(2)]), "wake"
			}
		case notice:
			q.channel, q.message = engineChannel("engine1"), "news"
		case raise:
			if q.counter == "" {
				q.counter = conformCounter
			}
		}
		if q.counter != "" && (q.op == raise || q.op == extend) {
			q.token = []int64{0, 5, now.Unix()<<20 - 1, now.Unix()<<20 + 8, (now.Unix() + 100) << 20}[r.IntN(5)]
		}
		questions = append(questions, q)
	}
	return questions
}

// ask asks both, and compares their answers.
func (c *conformance) ask(questions []*question, now time.Time) {
	calls := make([]*call, len(questions))
	for i, q := range questions {
		copied := *q
		calls[i] = &call{question: &copied}
	}
	c.sender.exec(time.Now().Add(10*time.Second), calls)
	want := make([]reply, len(questions))
	c.node.with(func(n *simNode) { n.ahead = time.Until(now) })
	for _, o := range order {
		for i, q := range questions {
			if q.op == o {
				want[i] = c.node.answer(q)
			}
		}
	}
	for i, q := range questions {
		c.log = append(c.log, fmt.Sprintf("%s owner %.8q next %.8q token %d %+v: %s; %s", opNames[q.op], q.owner, q.next, q.token, q.safeguard,
			show(calls[i].reply), c.state()))
		if c.answers[q.op] == nil {
			c.answers[q.op] = make(map[Answer]int)
		}
		c.answers[q.op][calls[i].reply.answer]++
		if got := calls[i].reply; !alike(got, want[i]) {
			c.t.Errorf("%s: the server answered %s, the simulated node %s", opNames[q.op], show(got), show(want[i]))
		}
	}
}

func show(r reply) string {
	return fmt.Sprintf("%v (%v) owner %.8q left %v counter %d seconds %d blind %v awaited %v", r.answer, r.err, r.owner, r.left, r.counter,
		r.seconds, r.blind, r.awaited)
}

// alike tells whether two replies are the same but for what time passed between them.
func alike(a, b reply) bool {
	if (a.err == nil) != (b.err == nil) || !near(a.left, b.left) {
		return false
	}
	a.err, b.err, a.left, b.left = nil, nil, 0, 0
	return a == b
}

// near tells whether two times differ by no more than a slow machine takes, or a clock that counts whole seconds.
func near(a, b time.Duration) bool { return (a - b).Abs() <= 2*time.Second }

// state is what the server keeps.
func (c *conformance) state() string {
	ctx := context.Background()
	pipe := c.client.Pipeline()
	kind, owner, left := pipe.Type(ctx, conformKey), pipe.Get(ctx, conformKey), pipe.PTTL(ctx, conformKey)
	counter, life, born := pipe.Get(ctx, conformCounter), pipe.PTTL(ctx, conformCounter), pipe.Get(ctx, birthKey)
	pipe.Exec(ctx)
	return fmt.Sprintf("%s %.8q for %v; counter %q for %v; birth %q", kind.Val(), owner.Val(), left.Val(), counter.Val(), life.Val(), born.Val())
}

// compare compares what both keep.
func (c *conformance) compare() {
	ctx, n := context.Background(), c.node
	owner, err := c.client.Get(ctx, conformKey).Result()
	if err != nil && err != redis.Nil {
		owner = otherType
	}
	left, counter, life := c.client.PTTL(ctx, conformKey).Val(), c.client.Get(ctx, conformCounter), c.client.PTTL(ctx, conformCounter).Val()
	born, _ := c.client.Get(ctx, birthKey).Int64()
	n.mu.Lock()
	defer n.mu.Unlock()
	if stands := n.look(conformKey); stands != owner {
		c.t.Errorf("at the server stands %.8q, at the simulated node %.8q", owner, stands)
	} else if stands != "" {
		if left < 0 {
			left = forever
		}
		if !near(left, n.left(conformKey)) {
			c.t.Errorf("the server keeps the lock for %v, the simulated node for %v", left, n.left(conformKey))
		}
	}
	kept, stands := n.counters[conformCounter]
	if text, err := counter.Result(); (err == nil) != stands || text != kept.text {
		c.t.Errorf("the server's counter is %q, the simulated node's %q", text, kept.text)
	} else if stands && (kept.ends.IsZero() != (life < 0) || life >= 0 && !near(life, kept.ends.Sub(n.now()))) {
		c.t.Errorf("the server keeps its counter for %v, the simulated node until %v, from %v on", life, kept.ends, n.now())
	}
	if !near(time.Duration(born)*time.Millisecond, time.Duration(n.birth)*time.Millisecond) {
		c.t.Errorf("the server was born at %d, the simulated node at %d", born, n.birth)
	}
}

// compareMessages compares what both sent to those who listen.
func (c *conformance) compareMessages() {
	if c.pubsub == nil {
		return
	}
	ctx := context.Background()
	c.client.Publish(ctx, engineChannel("other"), "end")
	var heard []string
	for {
		m, err := c.pubsub.ReceiveMessage(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		if m.Payload == "end" {
			break
		}
		heard = append(heard, m.Channel+" "+m.Payload)
	}
	if !slices.Equal(heard, c.heard) {
		c.t.Errorf("the server sent\n%q, the simulated node\n%q", heard, c.heard)
	}
}
