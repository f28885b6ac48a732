// Package contestant is every library and every limit that is measured, each used as its documentation says and with the
// settings that suit it best: nobody is to lose for a pool that is too small, or for a connection that must be made first.
package contestant

import (
	"context"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
)

// Locks is a library, connected to the nodes of a contest.
type Locks interface {
	// Pair acquires the lock on key and releases it. What it allocates counts, so nothing stands between it and the
	// library.
	Pair(ctx context.Context, key string) error
	// Acquire acquires the lock, waiting for it if that was asked for, and returns what releases it.
	Acquire(ctx context.Context, key string) (Release, error)
	Close()
}

// Release gives a lock back.
type Release func(ctx context.Context) error

// Use is what a contestant is opened for.
type Use struct {
	// Addrs are the nodes.
	Addrs []string
	// Database is the contestant's own where several share the nodes: what one leaves behind is not in another's way.
	Database int
	// Workers is how many goroutines use it at the same time.
	Workers int
	// Expiration of the locks. Ours has it from its mutexes.yaml instead, in a mutex for each that is used here.
	Expiration time.Duration
	// Wait says that Acquire waits for a held lock until ctx ends.
	Wait bool
}

// Variant is a way to use a contestant. Where its authors leave a choice, the one that does best is measured.
type Variant struct {
	Label string
	// From is the least number of workers for which it differs from the others.
	From int
	Open func(Use) (Locks, error)
}

// Silence keeps go-redis from writing a line for each failure: nobody should pay for that.
func Silence() { redis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// defaultPool is the size that go-redis itself chooses for a pool.
func defaultPool() int { return 10 * runtime.GOMAXPROCS(0) }

// pools are the sizes of pools that are tried: go-redis's own, and one in which no worker waits for a connection.
var pools = []struct {
	label string
	from  int
	size  func(Use) int
}{
	{"", 0, func(Use) int { return defaultPool() }},
	{"own connections", defaultPool() + 1, ownConnections},
}

// ownConnections is a connection for each worker, but no fewer than go-redis itself would allow.
func ownConnections(use Use) int { return max(use.Workers, defaultPool()) }

// clients are the go-redis clients of the nodes.
type clients []*redis.Client

// newClients makes a client with go-redis's default options for each node, but for the pool's size and what adjust
// changes.
func newClients(use Use, poolSize int, adjust func(*redis.Options)) clients {
	var all clients
	for _, addr := range use.Addrs {
		options := &redis.Options{Addr: addr, DB: use.Database, PoolSize: poolSize}
		if adjust != nil {
			adjust(options)
		}
		all = append(all, redis.NewClient(options))
	}
	return all
}

func (c clients) Close() {
	for _, client := range c {
		client.Close()
	}
}

// autoPipelines are the documented ways to have go-redis gather the commands of all goroutines into pipelines. The first
// is its default.
var autoPipelines = []struct {
	label   string
	from    int
	options func() *redis.AutoPipelineOptions
}{
	{"", 0, redis.DefaultBlockingAutoPipelineOptions},
	{"8 batches at once", 2, func() *redis.AutoPipelineOptions {
		return &redis.AutoPipelineOptions{MaxConcurrentBatches: 8, Unordered: true}
	}},
	{"full duplex", 2, func() *redis.AutoPipelineOptions { return &redis.AutoPipelineOptions{FullDuplex: true} }},
}
