package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// visit finds out about a node. It returns soon after ctx has ended, with what is known by then.
func (n *node) visit(ctx context.Context, timeout time.Duration) {
	switch n.Kind {
	case "sentinel":
		n.Sentinels = n.askSentinels(ctx, timeout)
		if addr := master(n.Sentinels); addr != "" {
			n.Servers = []Server{n.look(ctx, addr, timeout)}
		}
	case "cluster":
		n.Cluster = n.askCluster(ctx, timeout)
		n.Servers = make([]Server, len(n.Cluster.Masters))
		together(len(n.Servers), func(i int) { n.Servers[i] = n.look(ctx, n.Cluster.Masters[i], timeout) })
	default:
		n.Servers = []Server{n.look(ctx, "", timeout)}
	}
}

// look visits one server of the node.
func (n *node) look(ctx context.Context, addr string, timeout time.Duration) (s Server) {
	v := &visitor{node: n, Server: Server{Addr: addr, Replicas: -1}}
	if addr == "" {
		v.Addr = clean(n.at.Options().Redis.Addr)
	}
	v.client = n.at.VisitServer(ctx, addr, timeout)
	defer v.client.Close()
	err := v.tour(ctx)
	if err != nil && v.Trouble == nil {
		v.Trouble = n.closer(ctx, addr, err, troubleOf(err, n.secrets, timeout))
	}
	return v.Server
}

// visitor is one visit of one server.
type visitor struct {
	Server
	node   *node
	client *redis.Client
}

// tour asks one thing after the other until something keeps it from going on. go-redis panics at lengths beyond all memory,
// which whatever else listens on a port may send.
func (v *visitor) tour(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its answer makes no sense: %v", r)
		}
	}()
	for _, step := range []func(context.Context) error{v.greet, v.time, v.read, v.rights, v.write, v.keys} {
		if err := step(ctx); err != nil || v.Trouble != nil {
			return err
		}
	}
	return nil
}

// unread notes that the user lacks a right to look, or the server the command.
func (v *visitor) unread(right string) {
	if !slices.Contains(v.Unread, right) {
		v.Unread = append(v.Unread, right)
	}
}

// greet connects, and asks what kind of server it is.
func (v *visitor) greet(ctx context.Context) error {
	err := v.client.Ping(ctx).Err()
	if err != nil && !isReply(err) {
		return err
	}
	v.Reachable = true
	if err != nil {
		// A user who may not ping, a server that knows no ping, and one that takes no writes can be looked at all the same.
		text := err.Error()
		passes := strings.HasPrefix(text, "NOPERM") && !strings.Contains(text, "select") || strings.HasPrefix(text, "MISCONF") ||
			strings.HasPrefix(text, "ERR unknown command")
		if !passes {
			return err
		}
	}
	greeting, err := v.client.Do(ctx, "hello").Slice()
	switch {
	case err == nil:
		for i := 0; i+1 < len(greeting); i += 2 {
			value, _ := greeting[i+1].(string)
			switch greeting[i] {
			case "version":
				v.Version = clean(value)
			case "mode":
				v.Mode = clean(value)
			case "role":
				v.Role = clean(strings.ReplaceAll(value, "replica", "slave"))
			}
		}
	case !isReply(err):
		return err
	}
	if v.node.Kind != "cluster" && v.Mode == "cluster" || v.Mode == "sentinel" {
		v.Trouble = &Trouble{"cluster-mode", "the server is one of a Redis Cluster: it answers for some keys only",
			"name the cluster: redis+cluster://host:port"}
		if v.Mode == "sentinel" {
			v.Trouble = &Trouble{"sentinel-mode", "this is a sentinel, which holds no keys", "name what it watches over: redis+sentinel://host:26379/master-name"}
		}
	}
	return nil
}

const (
	// times is how often the latency is measured, and patience after how long no more.
	times    = 7
	patience = time.Second
)

// time measures the latency and compares clocks: the answer that came fastest tells best.
func (v *visitor) time(ctx context.Context) error {
	var took []time.Duration
	denied := false
	for begin := time.Now(); len(took) < times && (len(took) == 0 || time.Since(begin) < patience); {
		asked := time.Now()
		says, err := v.client.Time(ctx).Result()
		round := time.Since(asked)
		if err != nil && !isReply(err) {
			return v.late(err, took)
		}
		took = append(took, round)
		if err != nil {
			denied = true
			continue
		}
		if v.Clock == nil || round/2 < v.Clock.Uncertainty {
			v.Clock = &Clock{Offset: says.Sub(asked.Add(round / 2)), Uncertainty: round / 2}
		}
	}
	if denied {
		v.unread("time")
	}
	return v.late(nil, took)
}

func (v *visitor) late(err error, took []time.Duration) error {
	if len(took) > 0 {
		slices.Sort(took)
		v.Latency = &Latency{Min: took[0], Median: took[len(took)/2]}
	}
	return err
}

// mostLooked bounds how many mutexes of a server are looked at one by one.
const mostLooked = 200

// rights asks what the user may do.
func (v *visitor) rights(ctx context.Context) error {
	var asked []need
	var by []string
	var words []any
	for _, r := range v.node.residents[:min(len(v.node.residents), mostLooked)] {
		for _, n := range needs(r, v.node) {
			asked, by = append(asked, n), append(by, r.Name)
			words = append(words, len(n.command))
			for _, word := range n.command {
				words = append(words, word)
			}
		}
	}
	answer, err := v.client.Eval(ctx, rightsScript, nil, words...).Text()
	switch {
	case err == nil:
		var ok bool
		v.Denied, v.Absent, ok = denied(answer, asked, by)
		v.unchecked = !ok
	case !isReply(err):
		return err
	case strings.HasPrefix(err.Error(), "NOPERM"):
		for _, r := range v.node.residents {
			v.Denied = append(v.Denied, Right{Mutex: r.Name, Command: "eval", Needed: true})
		}
	case strings.Contains(err.Error(), "unknown command"):
		v.Absent = []string{"eval"}
	default:
		v.unchecked = true
	}
	return nil
}

// write asks for an acquire that the server would refuse for its syntax alone, after it has looked whether it would carry
// out one: nothing is ever written. Of a cluster's masters each is asked for a key that it serves, if one is found.
func (v *visitor) write(ctx context.Context) error {
	for _, r := range v.node.residents[:min(len(v.node.residents), 1)] {
		err := v.client.Do(ctx, "set", r.key, "x", "nx", "xx", "px", 1).Err()
		if err != nil && !isReply(err) && !errors.Is(err, redis.Nil) {
			return err
		}
		if isRedirection(err) {
			if err = v.writeElsewhere(ctx); err != nil && !isReply(err) {
				return err
			}
		}
		denied := Right{Mutex: r.Name, Command: "set", Object: clean(r.key), Needed: true}
		if err != nil && strings.HasPrefix(err.Error(), "NOPERM") && !slices.Contains(v.Denied, denied) {
			v.Denied = append(v.Denied, denied)
		}
		for _, code := range writeRefusals {
			if err != nil && strings.HasPrefix(err.Error(), code.begins) {
				v.Write = clean(conceal(err.Error(), v.node.secrets))
			}
		}
	}
	return nil
}

// writeElsewhere is write with keys of all residents, for a server that doesn't serve the first one's: the answer for a key
// that it does serve, nil if there is none.
func (v *visitor) writeElsewhere(ctx context.Context) error {
	const most = 64
	var keys []string
	for n := range most {
		for _, r := range v.node.residents[:min(len(v.node.residents), mostLooked)] {
			if (n == 0 || !r.literal) && len(keys) < most {
				keys = append(keys, r.template.another(n))
			}
		}
	}
	answers, err := v.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Do(ctx, "set", key, "x", "nx", "xx", "px", 1)
		}
		return nil
	})
	if err != nil && !isReply(err) {
		return err
	}
	for _, answer := range answers {
		if err := answer.Err(); err != nil && !isRedirection(err) && !strings.HasPrefix(err.Error(), "NOPERM") {
			return err
		}
	}
	return nil
}

// isRedirection tells whether a server of a cluster says that another serves the key, or is about to.
func isRedirection(err error) bool {
	if !isReply(err) {
		return false
	}
	code, _, _ := strings.Cut(err.Error(), " ")
	return code == "MOVED" || code == "ASK" || code == "TRYAGAIN"
}

// keys looks at those keys that can be known.
func (v *visitor) keys(ctx context.Context) error {
	looked := make(map[string]bool)
	for _, r := range v.node.residents[:min(len(v.node.residents), mostLooked)] {
		if !r.literal || looked[r.key] || v.node.Kind == "cluster" {
			continue
		}
		looked[r.key] = true
		l, err := look(ctx, v.client, r.key, r.counter)
		if err != nil && !isReply(err) {
			return err
		}
		if err != nil {
			continue // what the user lacks has been said
		}
		kind := ""
		switch {
		case l.wrongType:
			kind = "wrong-type"
		case l.wrongCounter:
			kind = "wrong-counter"
		case l.present && l.left < 0:
			kind = "no-expiration"
		}
		if kind != "" {
			v.Odd = append(v.Odd, OddKey{Mutex: r.Name, Key: clean(r.key), Kind: kind})
		}
	}
	return nil
}
