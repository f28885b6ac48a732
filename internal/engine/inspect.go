package engine

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// This file is for who looks at mutexes and their nodes rather than locks: see package checkup.

const (
	// BirthKey is the key that tells when a node's data began.
	BirthKey = birthKey
	// EngineChannels is what the names of the channels begin with by which engines reach one another.
	EngineChannels = "mutexgen:engine:"
)

// CounterKey is the key of the fencing counter of a key of the mutex.
func (m *Mutex) CounterKey(key string) string {
	if slices.ContainsFunc(m.group(key), func(n *Node) bool { return n.cluster != nil }) {
		return clusterCounterKey(key)
	}
	return counterKey(key)
}

// IsCounterKey tells whether a key can be that of a fencing counter.
func IsCounterKey(key string) bool {
	if locked, ok := strings.CutSuffix(key, ":fence"); ok {
		return strings.HasPrefix(locked, "{") && strings.HasSuffix(locked, "}") || counterKey(locked) == key
	}
	end := strings.LastIndex(key, ":fence:")
	return end > 0 && clusterCounterKey(key[:end]) == key
}

// SlotRange is slots of a Redis Cluster, both ends among them, and the address of their master.
type SlotRange struct {
	First, Last int
	Master      string
}

// ReadSlotRange reads a range in the answer to CLUSTER SLOTS of the server that was asked, host and port.
func ReadSlotRange(element any, asked string) (SlotRange, bool) {
	r, ok := readRange(element, asked)
	return SlotRange{r.first, r.last, r.master}, ok
}

// SlotOf is the slot of a key in a Redis Cluster.
func SlotOf(key string) int { return slotOf(key) }

// KeyChannel is the channel on which releases of a key are told.
func KeyChannel(key string) string { return "mutexgen:key:" + key }

// Settings are those that the mutex was made with.
func (m *Mutex) Settings() Settings { return m.settings }

// Timeout is the budget for a node's answer about a lock with the mutex's own expiration.
func (m *Mutex) Timeout() time.Duration { return m.nodeTimeout(m.settings.Expiration) }

// Groups are the nodes of the mutex. They are the engine's own: nobody changes the slices.
func (m *Mutex) Groups() [][]*Node { return m.groups }

// Group are the nodes where a key of the mutex lives.
func (m *Mutex) Group(key string) []*Node { return m.group(key) }

// Name is the node's name, as errors and traces show it.
func (n *Node) Name() string { return n.name }

// Options are those that the node was added with. They have its credentials.
func (n *Node) Options() NodeOptions {
	own := n.options
	redis := *own.Redis
	own.Redis = &redis
	return own
}

// Visit returns a go-redis client for a visit that ends with ctx: then the connections are cut, whatever is under way on
// them. It is not for a node whose server sentinels name: ask them, then visit that.
func (n *Node) Visit(ctx context.Context, timeout time.Duration) redis.UniversalClient {
	visited := &Node{options: n.Options()}
	o := visited.options.Redis
	o.DialTimeout = timeout
	o.Dialer = visitor(ctx, o)
	o.Protocol = 2
	return visited.newClient(timeout)
}

// VisitServer is Visit of one server, by address, among those of the node; if that is empty, of the node's only one.
func (n *Node) VisitServer(ctx context.Context, addr string, timeout time.Duration) *redis.Client {
	one := &Node{options: n.Options()}
	one.options.Sentinel, one.options.Cluster = nil, nil
	if addr != "" {
		one.options.Redis.Network, one.options.Redis.Addr = "tcp", addr
	}
	return one.Visit(ctx, timeout).(*redis.Client)
}

// VisitSentinel is Visit of one of the node's sentinels.
func (n *Node) VisitSentinel(ctx context.Context, addr string, timeout time.Duration) *redis.SentinelClient {
	o := n.Options().Redis
	own := redis.Options{
		Network: "tcp", Addr: addr, Dialer: o.Dialer, TLSConfig: o.TLSConfig, Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout, PoolSize: 1,
	}
	if s := n.options.Sentinel; s != nil {
		own.Username, own.Password = s.Username, s.Password
	}
	own.Dialer = visitor(ctx, &own)
	return redis.NewSentinelClient(&own)
}

// visitor is a dialer whose connections end with ctx. See dialer for why a failed dial returns a connection.
func visitor(ctx context.Context, o *redis.Options) func(context.Context, string, string) (net.Conn, error) {
	dial := dialer(ctx, o)
	return func(dialling context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(dialling, network, addr)
		if live, ok := conn.(*liveConn); ok {
			return &visit{Conn: live, stop: context.AfterFunc(ctx, live.cutOff)}, nil
		}
		return conn, err
	}
}

// visit is a connection that ends with a context.
type visit struct {
	net.Conn
	stop func() bool
}

func (v *visit) Close() error {
	v.stop()
	return v.Conn.Close()
}

// NetConn is for who asks whether the connection has TLS.
func (v *visit) NetConn() net.Conn { return v.Conn }

// WithoutArguments is a server's error without the arguments that it quotes, which a password may be among.
func WithoutArguments(err error) error {
	if err == nil {
		return nil
	}
	return withoutArguments(err)
}

// Holder is who stands at a key, as an owner value tells.
type Holder struct {
	// Host is the machine's name, Process the process's id there.
	Host    string
	Process int
}

// HolderOf reads an owner value, or the beginning of one that no owner value is longer than. It is false for the values of
// other libraries, which tell nothing that can be relied on.
func HolderOf(owner string) (Holder, bool) {
	fields := strings.Split(owner, " ")
	if len(fields) != 4 || len(fields[0]) != (ownerBytes*8+5)/6 || fields[1] == "" || len(fields[1]) > hostLength ||
		len(fields[3]) < 2 || fields[3][0] != '@' {
		return Holder{}, false
	}
	process, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || process < 0 || strconv.FormatInt(process, 10) != fields[2] {
		return Holder{}, false
	}
	if strings.IndexFunc(fields[0]+fields[3][1:], notBase64) >= 0 || strings.IndexFunc(fields[1], notVisible) >= 0 {
		return Holder{}, false
	}
	return Holder{Host: fields[1], Process: int(process)}, true
}

// hostLength is how much of a host's name stands in an owner value at most.
const hostLength = 40

func notBase64(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }
