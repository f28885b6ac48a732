package checkup

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// together calls f with every number below n at once, and returns when all calls have.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// guarded turns a panic of go-redis into an error; see visitor.tour.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its answer makes no sense: %v", r)
		}
	}()
	return f()
}

// askSentinels visits the sentinels that the URL names, for half of the time: one that hangs leaves the other half for the
// master.
func (n *node) askSentinels(ctx context.Context, timeout time.Duration) []Sentinel {
	ctx, cancel := context.WithTimeout(ctx, timeout/2)
	defer cancel()
	timeout /= 3 // what is left is for finding out why there was no answer
	o := n.at.Options()
	all := make([]Sentinel, len(o.Sentinel.Addrs))
	together(len(all), func(i int) {
		s := &all[i]
		s.Addr = clean(o.Sentinel.Addrs[i])
		client := n.at.VisitSentinel(ctx, o.Sentinel.Addrs[i], timeout)
		defer client.Close()
		err := guarded(func() error { return s.ask(ctx, client, o.Sentinel.Master) })
		if err != nil {
			s.Trouble = sentinelTrouble(n.closer(ctx, o.Sentinel.Addrs[i], err, troubleOf(err, n.secrets, timeout)))
		}
	})
	return all
}

// sentinelTrouble says what to do where that is something else than with a server.
func sentinelTrouble(t *Trouble) *Trouble {
	own := *t
	switch t.Code {
	case "wrong-password", "password-needed":
		own.Hint = "sentinels have users and passwords of their own: the URL's parameters sentinel_username and sentinel_password"
	case "acl":
		own.Hint = "mutexgen acl prints the rule that the sentinels' user needs"
	case "refused":
		if strings.Contains(t.Message, "unknown command") {
			own.Hint = "this is no sentinel: sentinels listen on port 26379 as a rule, and a server is named by redis://"
		}
	}
	return &own
}

func (s *Sentinel) ask(ctx context.Context, client *redis.SentinelClient, name string) error {
	at, err := client.GetMasterAddrByName(ctx, name).Result()
	if err == redis.Nil {
		s.Reachable = true
		return nil
	}
	if err != nil {
		s.Reachable = isReply(err)
		return err
	}
	s.Reachable = true
	if len(at) == 2 && clean(at[0]+at[1]) == at[0]+at[1] {
		s.Master = net.JoinHostPort(at[0], at[1])
	}
	about, err := client.Master(ctx, name).Result()
	if err != nil && !isReply(err) {
		return err
	}
	if err != nil { // a right that no mutex needs
		s.Others, s.Replicas = -1, -1
		return nil
	}
	number := func(field string) int { i, _ := strconv.Atoi(about[field]); return max(i, 0) }
	s.Quorum, s.Others, s.Replicas = number("quorum"), number("num-other-sentinels"), number("num-slaves")
	flags := strings.Split(about["flags"], ",")
	s.Down = slices.Contains(flags, "s_down") || slices.Contains(flags, "o_down")
	if err := client.CkQuorum(ctx, name).Err(); err != nil && strings.HasPrefix(err.Error(), "NOQUORUM") {
		s.Incapable = clean(err.Error())
	}
	return nil
}

// master is the address that most sentinels tell.
func master(sentinels []Sentinel) string {
	votes := make(map[string]int)
	best := ""
	for _, s := range sentinels {
		if s.Master != "" {
			votes[s.Master]++
			if best == "" || votes[s.Master] > votes[best] {
				best = s.Master
			}
		}
	}
	return best
}

// slots is how many a Redis Cluster has.
const slots = 16384

// mostMasters bounds how many masters of a cluster are visited.
const mostMasters = 1000

// askCluster has the first server that can tell describe the cluster, for half of the time at most.
func (n *node) askCluster(ctx context.Context, timeout time.Duration) *Cluster {
	ctx, cancel := context.WithTimeout(ctx, timeout/2)
	defer cancel()
	timeout /= 3 // what is left is for finding out why there was no answer
	o := n.at.Options()
	told := make([]*Cluster, len(o.Cluster))
	together(len(told), func(i int) {
		c := &Cluster{}
		told[i] = c
		client := n.at.VisitServer(ctx, o.Cluster[i], timeout)
		defer client.Close()
		if err := guarded(func() error { return c.ask(ctx, client, o.Cluster[i]) }); err != nil {
			c.Trouble = n.closer(ctx, o.Cluster[i], err, troubleOf(err, n.secrets, timeout))
			if isReply(err) && strings.Contains(err.Error(), "cluster support disabled") {
				c.Trouble = &Trouble{"no-cluster", "the server is not one of a Redis Cluster", "begin the URL with redis://"}
			}
		}
	})
	for _, c := range told {
		if c.Trouble == nil {
			return c
		}
	}
	if len(told) == 0 {
		return &Cluster{Trouble: &Trouble{Code: "unreachable", Message: "no server of the cluster is named"}}
	}
	return told[0]
}

func (c *Cluster) ask(ctx context.Context, client *redis.Client, addr string) error {
	info, err := client.ClusterInfo(ctx).Result()
	unread := err != nil && isReply(err) && strings.HasPrefix(err.Error(), "NOPERM") // which locks don't need either
	if err != nil && !unread {
		return err
	}
	for line := range strings.SplitSeq(info, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "cluster_state":
			c.State = clean(value)
		case "cluster_slots_ok":
			c.Slots, _ = strconv.Atoi(value)
		}
	}
	ranges, err := client.Do(ctx, "cluster", "slots").Slice() // which every version has
	if err != nil {
		return err
	}
	for _, r := range ranges {
		some, ok := masterOf(r, addr)
		if !ok {
			continue
		}
		if unread {
			c.Slots = min(c.Slots+some.Last-some.First+1, slots)
		}
		if !slices.Contains(c.Masters, some.Master) {
			if len(c.Masters) == mostMasters {
				continue
			}
			c.Masters = append(c.Masters, some.Master)
		}
		c.ranges = append(c.ranges, some)
	}
	slices.Sort(c.Masters)
	return nil
}

// master is the address of the master that has a key; empty if none has.
func (c *Cluster) master(key string) string {
	slot := engine.SlotOf(key)
	for _, r := range c.ranges {
		if r.First <= slot && slot <= r.Last {
			return r.Master
		}
	}
	return ""
}

// masterOf reads a range in the answer to CLUSTER SLOTS of the server that was asked.
func masterOf(element any, asked string) (engine.SlotRange, bool) {
	r, ok := engine.ReadSlotRange(element, asked)
	return r, ok && clean(r.Master) == r.Master
}
