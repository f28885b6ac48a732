package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
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
	v := &visitor{node: n, timeout: timeout, Server: Server{Addr: addr, Replicas: -1}}
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
	node    *node
	client  *redis.Client
	timeout time.Duration
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
		// A user who may not ping, and a server that takes no writes, may be looked at all the same.
		if text := err.Error(); !strings.HasPrefix(text, "NOPERM") && !strings.HasPrefix(text, "MISCONF") || strings.Contains(text, "select") {
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

// read asks for what the server tells of itself.
func (v *visitor) read(ctx context.Context) error {
	p := v.client.Pipeline()
	info := p.Info(ctx)
	server := p.Info(ctx, "server")
	config := []string{"appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy"}
	var settings []*redis.MapStringStringCmd
	for _, name := range config {
		settings = append(settings, p.ConfigGet(ctx, name))
	}
	birth := p.Get(ctx, engine.BirthKey)
	clock := p.Time(ctx)
	if _, err := p.Exec(ctx); err != nil && !isReply(err) && !errors.Is(err, redis.Nil) {
		return err
	}
	if info.Err() != nil {
		v.unread("info")
		v.info(server.Val()) // which the rule of a restart guard allows
	} else {
		v.info(info.Val())
	}
	got := make(map[string]string)
	for i, setting := range settings {
		if value, ok := setting.Val()[config[i]]; setting.Err() == nil && ok {
			got[config[i]] = value
		} else {
			v.unread("config|get")
		}
	}
	v.settings(got)
	if born, err := strconv.ParseFloat(birth.Val(), 64); birth.Err() == nil && err == nil && clock.Err() == nil {
		age := time.Duration(float64(clock.Val().UnixMilli())-born) * time.Millisecond
		v.DataAge = &age
	}
	return nil
}

// info reads the text of INFO.
func (v *visitor) info(text string) {
	fields := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok {
			fields[name] = value
		}
	}
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(fields[name], 10, 64)
		return n, err == nil && n >= 0
	}
	if version := fields["redis_version"]; version != "" {
		v.Version = clean(version)
	}
	if role := fields["role"]; role != "" {
		v.Role = clean(role)
	}
	if host := fields["master_host"]; host != "" {
		v.MasterAt = clean(host + ":" + fields["master_port"])
	}
	v.RunID = clean(fields["run_id"])
	if uptime, ok := number("uptime_in_seconds"); ok {
		d := time.Duration(min(uptime, int64(engine.MaxExpiration/time.Second))) * time.Second
		v.Uptime = &d
	}
	if connected, ok := number("connected_slaves"); ok {
		v.Replicas = int(connected)
	}
	if limit, ok := number("maxmemory"); ok {
		used, _ := number("used_memory")
		v.Memory = &Memory{Used: used, Max: limit, Policy: clean(fields["maxmemory_policy"])}
	}
	if aof, ok := number("aof_enabled"); ok {
		v.Persistence = &Persistence{AOF: aof == 1}
	}
	if fields["loading"] == "1" {
		v.Trouble = troubleOf(reply("LOADING Redis is loading the dataset in memory"), nil, 0) // in case it doesn't say so itself
	}
}

// settings reads the answers to CONFIG GET.
func (v *visitor) settings(got map[string]string) {
	if aof, ok := got["appendonly"]; ok && v.Persistence == nil {
		v.Persistence = &Persistence{AOF: aof == "yes"}
	}
	if p := v.Persistence; p != nil {
		save, known := got["save"]
		p.Fsync, p.Save, p.SaveKnown = clean(got["appendfsync"]), clean(save), known
	}
	if limit, err := strconv.ParseInt(got["maxmemory"], 10, 64); err == nil && v.Memory == nil {
		v.Memory = &Memory{Max: limit, Policy: clean(got["maxmemory-policy"])}
	}
}

// mostLooked bounds how many mutexes of a server are looked at one by one.
const mostLooked = 200

// rights asks what the user may do.
func (v *visitor) rights(ctx context.Context) error {
	var asked []need
	var by []string
	var words []any
	for _, r := range v.node.residents[:min(len(v.node.residents), mostLooked)] {
		for _, n := range needs(r, v.node.replicas) {
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
// out one: nothing is ever written.
func (v *visitor) write(ctx context.Context) error {
	for _, r := range v.node.residents[:min(len(v.node.residents), 1)] {
		err := v.client.Do(ctx, "set", r.key, "x", "nx", "xx", "px", 1).Err()
		if err != nil && !isReply(err) && !errors.Is(err, redis.Nil) {
			return err
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

// keys looks at those keys that can be known.
func (v *visitor) keys(ctx context.Context) error {
	looked := make(map[string]bool)
	for _, r := range v.node.residents[:min(len(v.node.residents), mostLooked)] {
		if !r.literal || looked[r.key] || v.node.Kind == "cluster" {
			continue
		}
		looked[r.key] = true
		l, err := look(ctx, v.client, r.key, r.Fencing)
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
