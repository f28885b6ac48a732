package checkup

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// State is what the nodes of a key add up to.
type State string

const (
	// Held: a quorum of nodes holds one owner's value.
	Held State = "held"
	// Free: no owner can have a quorum.
	Free State = "free"
	// Unknown: the nodes that did not answer make the difference.
	Unknown State = "unknown"
)

// Status is who holds a mutex at one key. It marshals to JSON.
type Status struct {
	Mutex string `json:"mutex"`
	Key   string `json:"key"`
	State State  `json:"state"`
	// Holder is who holds the lock, as its value tells; nil if nobody does, or another library, whose values tell nothing.
	Holder *Holder `json:"holder,omitempty"`
	// Remaining is how long yet a quorum of nodes keeps the lock if it is not extended; negative is for ever.
	Remaining time.Duration `json:"remaining_ns"`
	// Token is the largest fencing token that was handed out, the holder's if the lock is held; zero without fencing.
	Token int64 `json:"token,omitempty"`
	// Waiters is how many processes wait for the key; -1 if that could not be told.
	Waiters int `json:"waiters"`
	// Votes are what each node says.
	Votes []KeyVote `json:"votes"`
}

// Holder is a process that holds a lock.
type Holder struct {
	Host    string `json:"host"`
	Process int    `json:"process"`
}

// KeyVote is what one node says about a key.
type KeyVote struct {
	Node string `json:"node"`
	// State is held (by the owner that most nodes name), other (by another one), wrong-type (by something that is no string, and
	// not what most nodes have), free, or unreachable.
	State string `json:"state"`
	// Holder is who holds it there; see Status.
	Holder *Holder `json:"holder,omitempty"`
	// Value is the beginning of what stands there if it is another library's. It is fit to be printed.
	Value     string        `json:"value,omitempty"`
	Remaining time.Duration `json:"remaining_ns"`
	Token     int64         `json:"token,omitempty"`
	// Error is why the node is unreachable, or what it refuses.
	Error string `json:"error,omitempty"`
	// owner tells one owner from another.
	owner   string
	waiters int
}

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
	if ctx == nil {
		ctx = context.Background()
	}
	timeout := longest
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	statuses := make([]Status, len(places))
	type ballot struct{ status, vote int }
	asked := make(map[*engine.Node][]ballot)
	var nodes []*engine.Node
	for i, p := range places {
		group := p.Engine.Group(p.Key)
		statuses[i] = Status{Mutex: p.Engine.Settings().Name, Key: p.Key, Votes: make([]KeyVote, len(group))}
		for j, n := range group {
			if asked[n] == nil {
				nodes = append(nodes, n)
			}
			asked[n] = append(asked[n], ballot{i, j})
		}
	}
	together(len(nodes), func(i int) {
		n := nodes[i]
		secrets := newNode(n).secrets
		client, broken := connect(ctx, n, timeout)
		if client != nil {
			defer client.Close()
		}
		for _, at := range asked[n] {
			v := &statuses[at.status].Votes[at.vote]
			*v = KeyVote{Node: clean(n.Name()), State: "unreachable", waiters: -1}
			err := broken
			if err == nil {
				p, counter := places[at.status], ""
				if p.Engine.Settings().Fencing {
					counter = p.Engine.CounterKey(p.Key)
				}
				err = guarded(func() error { return v.ask(ctx, client, p.Key, counter) })
			}
			if err != nil {
				v.Error = troubleOf(err, secrets, timeout).Message
				if !isReply(err) {
					broken = err // and would be for every other key, each after a while
				}
			}
		}
	})
	for i := range statuses {
		statuses[i].count()
	}
	return statuses
}

// stranger stands for whoever holds a key that is no string. No owner value begins so: it has a zero byte.
const stranger = "\x00"

// connect returns a client of the server, or servers, that a lock on the node would be on.
func connect(ctx context.Context, at *engine.Node, timeout time.Duration) (redis.UniversalClient, error) {
	n := newNode(at)
	if n.Kind != "sentinel" {
		return at.Visit(ctx, timeout), nil
	}
	sentinels := n.askSentinels(ctx, timeout)
	if addr := master(sentinels); addr != "" {
		return at.VisitServer(ctx, addr, timeout), nil
	}
	for _, s := range sentinels {
		if s.Trouble != nil {
			return nil, &Trouble{s.Trouble.Code, "a sentinel: " + s.Trouble.Message, s.Trouble.Hint}
		}
	}
	return nil, &Trouble{Code: "sentinel-master", Message: unknownMaster}
}

func (v *KeyVote) ask(ctx context.Context, client redis.UniversalClient, key, counter string) error {
	l, err := look(ctx, client, key, counter)
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
	if _, isCluster := client.(*redis.ClusterClient); isCluster {
		return nil // whose servers know of their own listeners only
	}
	channel := engine.KeyChannel(key)
	heard, err := client.PubSubNumSub(ctx, channel).Result()
	if err == nil {
		v.waiters = int(heard[channel])
	} else if !isReply(err) {
		return err
	}
	return nil
}

// count adds the votes up.
func (s *Status) count() {
	votes := make(map[string]int)
	leader, silent := "", 0
	s.Waiters = -1
	for i := range s.Votes {
		v := &s.Votes[i]
		s.Waiters = max(s.Waiters, v.waiters)
		switch v.State {
		case "unreachable":
			silent++
		case "other", "wrong-type":
			votes[v.owner]++
			if leader == "" || votes[v.owner] > votes[leader] {
				leader = v.owner
			}
		}
	}
	var lefts []time.Duration
	for i := range s.Votes {
		v := &s.Votes[i]
		if (v.State == "other" || v.State == "wrong-type") && v.owner == leader {
			v.State = "held"
			s.Holder = v.Holder
			lefts = append(lefts, v.Remaining)
		}
		s.Token = max(s.Token, v.Token)
	}
	quorum := len(s.Votes)/2 + 1
	switch {
	case len(lefts) >= quorum:
		s.State = Held
		// A quorum keeps it until so many have let go that none is left.
		slices.SortFunc(lefts, func(a, b time.Duration) int { return cmp.Compare(uint64(b), uint64(a)) }) // for ever, below zero, first
		s.Remaining = lefts[quorum-1]
	case len(lefts)+silent < quorum:
		s.State, s.Holder = Free, nil
	default:
		s.State, s.Holder = Unknown, nil
	}
}
