package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// addCluster is AddNode for a Redis Cluster; own are the options of each connection but for the address.
func (e *Engine) addCluster(options NodeOptions, own redis.Options) *Node {
	own.DB = 0 // the only one that a cluster has
	own.Network = "tcp"
	own.OnConnect = onConnectCluster(own.OnConnect)
	open := func(addr string) memberTransport {
		o := own
		o.Addr = addr
		life, end := context.WithCancel(context.Background())
		o.Dialer = dialer(life, &o)
		w := newWire(&o, options.Replicas, end)
		w.inCluster = true
		return &memberWire{wire: w, guide: w.sender().(*wireSender)}
	}
	return e.addClusterNode(options.Cluster, open, options.Timeout, options.ReconnectionInterval)
}

func (e *Engine) addClusterNode(seeds []string, open func(string) memberTransport, timeout, reconnection time.Duration) *Node {
	node := &Node{name: strings.Join(seeds, ",")}
	reconnection = max(reconnection, time.Millisecond)
	node.cluster = newCluster(e, node.name, seeds, open, timeout, reconnection)
	node.listener = &listener{engine: e, node: node, pause: reconnection}
	node.cluster.listener = node.listener
	e.opened(node)
	return node
}

// onConnectCluster asks a new connection whether its server runs in cluster mode, as onConnect does, but here it must.
func onConnectCluster(next func(context.Context, *redis.Conn) error) func(context.Context, *redis.Conn) error {
	return func(ctx context.Context, conn *redis.Conn) error {
		greeting, err := conn.Do(ctx, "hello").Result()
		if err != nil && !isReply(err) {
			return err
		}
		if mode := greeted(greeting, "mode"); mode != "" && mode != "cluster" {
			return &standaloneError{}
		}
		if next != nil {
			return next(ctx, conn)
		}
		return nil
	}
}

// ask has the node asked. It never blocks; the asker may hear before ask returns.
func (n *Node) ask(c *call) {
	if n.cluster != nil {
		n.cluster.ask(c)
		return
	}
	n.lane.ask(c)
}

// askAndWait is lane.askAndWait, but that a cluster may hear later.
func (n *Node) askAndWait(ctx context.Context, c *call) bool {
	if n.cluster != nil {
		return n.cluster.askAndWait(ctx, c)
	}
	return n.lane.askAndWait(ctx, c)
}

// timeout is the budget for a batch.
func (n *Node) timeout() time.Duration {
	if n.cluster != nil {
		return n.cluster.timeout
	}
	return n.lane.timeout
}

// narrow leaves the node one stream: see lane.narrow.
func (n *Node) narrow() {
	if n.cluster == nil {
		n.lane.narrow()
	}
}

// hearsOfWaiters tells whether whoever waits for a lock of this engine's can tell it so by way of these nodes, at any time:
// only a cluster is listened to where nobody has waited yet.
func hearsOfWaiters(nodes []*Node) bool {
	for _, n := range nodes {
		if n.cluster == nil || !n.listener.reached.Load() {
			return false
		}
	}
	return true
}

func (n *Node) subscribe(timeout time.Duration) subscription {
	if n.cluster != nil {
		return n.cluster.subscribe(timeout)
	}
	return n.lane.transport.subscribe(timeout)
}

func (n *Node) close() {
	if n.cluster != nil {
		n.cluster.close()
		return
	}
	n.lane.close()
}

var errGuardedCluster = errors.New("a Redis Cluster cannot have a restart guard: its masters fail over to replicas, which may lack what they had")
