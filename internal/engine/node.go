package engine

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Node is one independent Redis server, shared by all mutexes that live on it.
type Node struct {
	// name is the address that errors and traces show. It has no credentials.
	name     string
	lane     *lane
	listener *listener
	// options are those that the node was added with.
	options NodeOptions
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
	life, end := context.WithCancel(context.Background())
	own.Dialer = dialer(life, &own)
	own.OnConnect = onConnect(own.OnConnect)
	streams := min(own.PoolSize, maxStreams)
	node := e.addNode(nodeName(&own), newWire(&own, options.Replicas, end), streams, options.Timeout, options.ReconnectionInterval)
	given := *options.Redis
	options.Redis = &given
	node.options = options
	return node
}

func (e *Engine) addNode(name string, t transport, streams int, timeout, reconnection time.Duration) *Node {
	node := &Node{name: name}
	reconnection = max(reconnection, time.Millisecond) // a node that is down is not to be stormed
	node.lane = newLane(t, streams, timeout, reconnection, e.laneWatch(name))
	if opened := e.trace.NodeOpened; opened != nil {
		opened(name)
	}
	node.listener = &listener{engine: e, node: node, pause: reconnection}
	e.mu.Lock()
	e.nodes = append(e.nodes, node)
	e.mu.Unlock()
	return node
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

func nodeName(o *redis.Options) string {
	if o.DB == 0 {
		return o.Addr
	}
	return o.Addr + "/" + strconv.Itoa(o.DB)
}

// clusterModeError refuses a server that would answer for some keys only.
type clusterModeError struct{}

func (*clusterModeError) Error() string { return "the server runs in cluster mode" }

// onConnect asks a new connection whether its server runs in cluster mode, then calls the application's own hook. A
// server that will not say (an old one, or a user without the right to ask) is taken to be independent.
func onConnect(next func(context.Context, *redis.Conn) error) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		greeting, err := conn.Do(ctx, "hello").Result()
		var refused redis.Error
		if err != nil && !errors.As(err, &refused) {
			return err
		}
		if serverMode(greeting) == "cluster" {
			return &clusterModeError{}
		}
		if next != nil {
			return next(ctx, conn)
		}
		return nil
	}
}

// serverMode finds the mode in the answer to HELLO, a map in RESP3 and a list of pairs in RESP2.
func serverMode(greeting any) string {
	switch g := greeting.(type) {
	case map[any]any:
		mode, _ := g["mode"].(string)
		return mode
	case []any:
		for i := 0; i+1 < len(g); i += 2 {
			if g[i] == "mode" {
				mode, _ := g[i+1].(string)
				return mode
			}
		}
	}
	return ""
}
