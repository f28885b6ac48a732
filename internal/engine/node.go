package engine

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Node is one independent Redis server, shared by all mutexes that live on it.
type Node struct {
	// name is the address that errors and traces show. It has no credentials.
	name string
	// lane is the way to it, or, if it is a Redis Cluster, cluster is.
	lane     *lane
	cluster  *cluster
	listener *listener
	// options are those that the node was added with.
	options NodeOptions
	// wire is what the lane's questions travel on; nil for a Redis Cluster.
	wire *wire
	// sentinels name the node's master; nil if it is one server.
	sentinels *sentinels
	// blind says that it was reported that the node does not tell its uptime; quarantined is when, on the engine's
	// monotonic clock, the quarantine that was reported last ends.
	blind       atomic.Bool
	quarantined atomic.Int64
}

// NodeOptions say how a node is reached.
type NodeOptions struct {
	// Redis are go-redis's options: address, credentials, database, TLS, dialer. The engine overrides what its rules need:
	// retries, timeouts, pool size.
	Redis *redis.Options
	// Sentinel, if it is not nil, tells which server is the master; the address in Redis has no meaning then.
	Sentinel *Sentinel
	// Cluster, if it is not empty, are addresses of some servers of a Redis Cluster, of which the key picks one; the address in
	// Redis has no meaning then.
	Cluster []string
	// Replicas is how many replicas must have acknowledged what sets or extends a key before the node's vote counts.
	Replicas int
	// Timeout is the budget for one answer: the largest node timeout of the mutexes on this node.
	Timeout time.Duration
	// PoolSize is the number of connections at most.
	PoolSize int
	// ReconnectionInterval is how long the node is left alone after it failed.
	ReconnectionInterval time.Duration
}

// Sentinel is a set of Redis Sentinels that watch over a master.
type Sentinel struct {
	// Master is the name by which they know it.
	Master string
	// Addrs are addresses of some of the sentinels; they tell of the others.
	Addrs []string
	// Username and Password are the sentinels' own; the servers' are in the Redis options.
	Username, Password string
}

// handshakeTimeout is what dialling and greeting a server may take when nobody waits for it. It is longer than a node
// timeout may be, so that a node with a slow handshake (TLS over a distance) is reached at all.
const handshakeTimeout = time.Second

// maxPoolSize is the most connections that a pool is made for: go-redis panics at sizes beyond 31 bits, and allocates the
// pool's list whatever the size.
const maxPoolSize = 1000

// maxStreams is how many connections a lane uses at most. With more, the batches become smaller, and nothing faster.
const maxStreams = 2

// AddNode returns a new node of the engine. It does no I/O; the first operation connects.
func (e *Engine) AddNode(options NodeOptions) *Node {
	own := *options.Redis
	own.MaxRetries = -1 // a repeated SET NX would see its own value and call it somebody else's
	own.ContextTimeoutEnabled = true
	own.DialTimeout = max(options.Timeout, handshakeTimeout)
	own.DialerRetries = 1
	own.ReadTimeout, own.WriteTimeout = -1, -1 // the contexts' deadlines reach the socket
	own.Protocol = 2                           // nothing of RESP3 is needed, and its pushes cost a look before each batch
	own.ConnMaxIdleTime = -1                   // see liveConn
	own.PoolSize = min(max(options.PoolSize, 1), maxPoolSize)
	own.PoolTimeout = options.Timeout
	own.PipelinePoolSize = -1 // no second pool, with larger buffers, beside the one whose size was asked for
	own.MinIdleConns, own.MaxIdleConns, own.MaxActiveConns = 0, 0, 0
	own.DisableIdentity = true
	own.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if len(options.Cluster) > 0 {
		return e.addCluster(options, own).keep(options)
	}
	life, end := context.WithCancel(context.Background())
	own.Dialer = dialer(life, &own)
	hangUp := end
	var sentinels *sentinels
	if options.Sentinel != nil {
		sentinels = newSentinels(life, options.Sentinel, &own, options.ReconnectionInterval)
		own.Network, own.Addr, own.Dialer = "tcp", sentinelName(options.Sentinel), sentinels.dialMaster
		hangUp = func() { end(); sentinels.close() }
	}
	own.OnConnect = onConnect(own.OnConnect, sentinels)
	streams := min(own.PoolSize, maxStreams)
	wire := newWire(&own, options.Replicas, hangUp)
	wire.sentinels = sentinels
	node := e.addNode(nodeName(&own), wire, streams, options.Timeout, options.ReconnectionInterval)
	node.wire = wire
	if node.sentinels = sentinels; sentinels != nil {
		node.lane.recent = &lastReleases{}
		sentinels.moved = func(before, master string) {
			if before != "" {
				e.logger.Info("redis node has another master", "node", node.name, "master", master, "before", before)
			}
			node.lane.masterMoved()
		}
	}
	return node.keep(options)
}

// keep has the node remember what it was added with.
func (n *Node) keep(options NodeOptions) *Node {
	given := *options.Redis
	options.Redis = &given
	n.options = options
	return n
}

func (e *Engine) addNode(name string, t transport, streams int, timeout, reconnection time.Duration) *Node {
	node := &Node{name: name}
	reconnection = max(reconnection, time.Millisecond) // a node that is down is not to be stormed
	node.lane = newLane(t, streams, timeout, reconnection, e.laneWatch(name))
	node.listener = &listener{engine: e, node: node, pause: reconnection}
	e.opened(node)
	return node
}

// opened makes a node one of the engine's.
func (e *Engine) opened(n *Node) {
	e.mu.Lock()
	e.nodes = append(e.nodes, n)
	e.mu.Unlock()
	if opened := e.trace.NodeOpened; opened != nil {
		opened(n.name)
	}
}

// laneWatch reports a node's state to log and trace.
func (e *Engine) laneWatch(name string) func(error) {
	return func(err error) {
		if err != nil {
			e.logger.Warn("redis node down", "node", name, "error", err)
			if e.trace.NodeDown != nil {
				e.trace.NodeDown(name, err)
			}
			return
		}
		e.logger.Info("redis node up", "node", name)
		if e.trace.NodeUp != nil {
			e.trace.NodeUp(name)
		}
	}
}

// sentinelName is master@host:port,host:port.
func sentinelName(s *Sentinel) string { return s.Master + "@" + strings.Join(s.Addrs, ",") }

func nodeName(o *redis.Options) string {
	if o.DB == 0 {
		return o.Addr
	}
	return o.Addr + "/" + strconv.Itoa(o.DB)
}

// clusterModeError refuses a server that would answer for some keys only.
type clusterModeError struct{}

func (*clusterModeError) Error() string { return "the server runs in cluster mode" }

// sentinelModeError refuses a sentinel in a server's place.
type sentinelModeError struct{}

func (*sentinelModeError) Error() string { return "this is a Redis Sentinel, which keeps no keys" }

// onConnect asks a new connection whether its server runs in cluster mode and, if sentinels named it, whether it is the
// master; then it calls the application's own hook. A server that will not say (an old one, or a user without the right to
// ask) is taken to be independent, and the master.
func onConnect(next func(context.Context, *redis.Conn) error, sentinels *sentinels) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		greeting, err := conn.Do(ctx, "hello").Result()
		var refused redis.Error
		if err != nil && !errors.As(err, &refused) {
			return err
		}
		switch greeted(greeting, "mode") {
		case "cluster":
			return &clusterModeError{}
		case "sentinel":
			return kept(&dialError{&sentinelModeError{}})
		}
		if sentinels != nil && isReplica(ctx, conn, greeted(greeting, "role")) {
			sentinels.doubt()
			return kept(&dialError{&notMasterError{}})
		}
		if next != nil {
			return next(ctx, conn)
		}
		return nil
	}
}

// isReplica tells whether a server says that it is one: in its greeting, or to who asks.
func isReplica(ctx context.Context, conn *redis.Conn, role string) bool {
	if role == "" {
		answer, _ := conn.Do(ctx, "role").Slice()
		if len(answer) > 0 {
			role, _ = answer[0].(string)
		}
	}
	return role == "replica" || role == "slave"
}

// greeted finds something in the answer to HELLO, a map in RESP3 and a list of pairs in RESP2.
func greeted(greeting any, name string) string {
	switch g := greeting.(type) {
	case map[any]any:
		text, _ := g[name].(string)
		return text
	case []any:
		for i := 0; i+1 < len(g); i += 2 {
			if g[i] == name {
				text, _ := g[i+1].(string)
				return text
			}
		}
	}
	return ""
}
