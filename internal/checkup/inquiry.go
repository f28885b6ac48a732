package checkup

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Place is a mutex at a key.
type Place struct {
	Engine *engine.Mutex
	Key    string
}

// Look is LookAt of keys of one mutex.
func Look(ctx context.Context, m *engine.Mutex, keys []string) []Status {
	places := make([]Place, len(keys))
	for i, key := range keys {
		places[i] = Place{m, key}
	}
	return LookAt(ctx, places)
}

// LookAt tells who holds mutexes at keys, by one connection to each node concerned. All nodes are asked at once: one that
// hangs holds up no answer of the others. It returns soon after ctx has ended.
func LookAt(ctx context.Context, places []Place) []Status {
	ctx, timeout, cancel := limited(ctx)
	defer cancel()
	statuses := make([]Status, len(places))
	inquiries := make(map[*engine.Node]*inquiry)
	var all []*inquiry
	for i, p := range places {
		group := p.Engine.Group(p.Key)
		statuses[i] = Status{Mutex: p.Engine.Settings().Name, Key: p.Key, Votes: make([]KeyVote, len(group))}
		for j, n := range group {
			q := inquiries[n]
			if q == nil {
				q = &inquiry{node: newNode(n), timeout: timeout}
				inquiries[n] = q
				all = append(all, q)
			}
			statuses[i].Votes[j] = KeyVote{Node: clean(n.Name()), State: "unreachable", waiters: -1}
			q.ballots = append(q.ballots, ballot{p, &statuses[i].Votes[j]})
		}
	}
	together(len(all), func(i int) { all[i].ask(ctx) })
	for i := range statuses {
		statuses[i].count()
	}
	return statuses
}

// inquiry is all that one node is asked.
type inquiry struct {
	*node
	timeout time.Duration
	ballots []ballot
}

// ballot is a place, and what a node says of it.
type ballot struct {
	Place
	vote *KeyVote
}

func (q *inquiry) ask(ctx context.Context) {
	if q.Kind != "cluster" {
		client, err := q.connect(ctx, q.timeout)
		if client != nil {
			defer client.Close()
		}
		q.askServer(ctx, client, err, q.ballots)
		return
	}
	// Each master by itself: a client of the whole cluster would try one that hangs again and again, for all of the time.
	c := q.askCluster(ctx, q.timeout)
	if c.Trouble != nil {
		q.askServer(ctx, nil, c.Trouble, q.ballots)
		return
	}
	of := make(map[string][]ballot)
	for _, b := range q.ballots {
		at := c.master(b.Key)
		of[at] = append(of[at], b)
	}
	masters := slices.Collect(maps.Keys(of))
	together(len(masters), func(i int) {
		if masters[i] == "" {
			q.askServer(ctx, nil, &Trouble{Code: "cluster-slots", Message: "no server of the cluster has the slot of the key"}, of[""])
			return
		}
		client := q.at.VisitServer(ctx, masters[i], q.timeout)
		defer client.Close()
		q.askServer(ctx, client, nil, of[masters[i]])
	})
}

// askServer has one server vote, unless it is known to be broken.
func (q *inquiry) askServer(ctx context.Context, client *redis.Client, broken error, ballots []ballot) {
	for _, b := range ballots {
		err := broken
		if err == nil {
			err = guarded(func() error { return b.vote.ask(ctx, client, b.Place, q.Kind == "cluster") })
		}
		redirected := q.Kind == "cluster" && isRedirection(err)
		if redirected {
			err = guarded(func() error {
				whole := q.at.Visit(ctx, q.timeout)
				defer whole.Close()
				return b.vote.ask(ctx, whole, b.Place, true)
			})
		}
		if err != nil {
			b.vote.Error = troubleOf(err, q.secrets, q.timeout).Message
			if !isReply(err) && !redirected {
				broken = err // and would be for every other key, each after a while
			}
		}
	}
}

// stranger stands for whoever holds a key that is no string. No owner value begins so: it has a zero byte.
const stranger = "\x00"

// connect returns a client of the server that a lock on the node would be on. The node is no cluster.
func (n *node) connect(ctx context.Context, timeout time.Duration) (*redis.Client, error) {
	if n.Kind != "sentinel" {
		return n.at.VisitServer(ctx, "", timeout), nil
	}
	sentinels := n.askSentinels(ctx, timeout)
	if addr := master(sentinels); addr != "" {
		return n.at.VisitServer(ctx, addr, timeout), nil
	}
	for _, s := range sentinels {
		if s.Trouble != nil {
			return nil, &Trouble{s.Trouble.Code, "a sentinel: " + s.Trouble.Message, s.Trouble.Hint}
		}
	}
	return nil, &Trouble{Code: "sentinel-master", Message: unknownMaster}
}

func (v *KeyVote) ask(ctx context.Context, client redis.UniversalClient, p Place, inCluster bool) error {
	counter := ""
	if p.Engine.Settings().Fencing {
		counter = p.Engine.CounterKey(p.Key)
	}
	l, err := look(ctx, client, p.Key, counter)
	if err != nil {
		return err
	}
	v.Remaining, v.Token, v.owner = l.left, l.counter, l.owner
	switch {
	case l.wrongType:
		// As ExistsLock has it: another library's lock, a hash or the like.
		v.State, v.owner, v.Value = "wrong-type", stranger, "not a string"
	case !l.present:
		v.State = "free"
	default:
		v.State = "other" // until they are counted
		if h, ours := engine.HolderOf(l.value); ours {
			v.Holder = &Holder{h.Host, h.Process}
		} else {
			v.Value = clean(l.value)
		}
	}
	if inCluster {
		return nil // whose servers know of their own listeners only
	}
	channel := engine.KeyChannel(p.Key)
	heard, err := client.PubSubNumSub(ctx, channel).Result()
	if err == nil {
		v.waiters = int(heard[channel])
	} else if !isReply(err) {
		return err
	}
	return nil
}
