package contestant

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	redsyncrueidis "github.com/go-redsync/redsync/v4/redis/rueidis"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidiscompat"
)

// FailFast is redsync's option to return as soon as a quorum has answered.
var FailFast = redsync.WithFailFast(true)

// Redsync is redsync over go-redis, as in its README: with go-redis's own pool, or with a connection for each goroutine.
func Redsync(options ...redsync.Option) []Variant {
	var variants []Variant
	for _, pool := range pools {
		variants = append(variants, redsyncOverGoRedis(Variant{Label: pool.label, From: pool.from}, pool.size, nil, options))
	}
	return variants
}

// RedsyncWithSocketDeadlines is redsync over a go-redis that hands the deadlines of contexts to the socket, which it does
// not by default. It is what helps redsync most against a node that hangs.
func RedsyncWithSocketDeadlines(options ...redsync.Option) []Variant {
	adjust := func(o *redis.Options) { o.ContextTimeoutEnabled = true }
	return []Variant{redsyncOverGoRedis(Variant{}, ownConnections, adjust, options)}
}

// RedsyncDelayed is redsync with another pause between its attempts than its random 50 to 250 ms.
func RedsyncDelayed(delay time.Duration, options ...redsync.Option) Variant {
	v := Variant{Label: fmt.Sprintf("retry %v", delay)}
	return redsyncOverGoRedis(v, ownConnections, nil, append(options, redsync.WithRetryDelay(delay)))
}

// RedsyncOverRueidis is redsync over its pool for rueidis, which sends the commands of all goroutines in pipelines.
func RedsyncOverRueidis(options ...redsync.Option) []Variant {
	return []Variant{{Open: func(use Use) (Locks, error) {
		var pools []redsyncredis.Pool
		var close []func()
		for _, addr := range use.Addrs {
			client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, SelectDB: use.Database})
			if err != nil {
				for _, c := range close {
					c()
				}
				return nil, err
			}
			close = append(close, client.Close)
			pools = append(pools, redsyncrueidis.NewPool(rueidiscompat.NewAdapter(client)))
		}
		return newRedsyncLocks(use, pools, options, close), nil
	}}}
}

// RedsyncOverAutoPipeline is redsync over go-redis's automatic pipelines.
func RedsyncOverAutoPipeline(options ...redsync.Option) []Variant {
	var variants []Variant
	for _, auto := range autoPipelines {
		variants = append(variants, Variant{Label: auto.label, From: auto.from, Open: func(use Use) (Locks, error) {
			clients := newClients(use, ownConnections(use), nil)
			var pools []redsyncredis.Pool
			for _, client := range clients {
				pipeline, err := client.AutoPipelineWithOptions(auto.options())
				if err != nil {
					clients.Close()
					return nil, err
				}
				pools = append(pools, goredis.NewPool(pipeline))
			}
			return newRedsyncLocks(use, pools, options, []func(){clients.Close}), nil
		}})
	}
	return variants
}

func redsyncOverGoRedis(v Variant, poolSize func(Use) int, adjust func(*redis.Options), options []redsync.Option) Variant {
	v.Open = func(use Use) (Locks, error) {
		clients := newClients(use, poolSize(use), adjust)
		var pools []redsyncredis.Pool
		for _, client := range clients {
			pools = append(pools, goredis.NewPool(client))
		}
		return newRedsyncLocks(use, pools, options, []func(){clients.Close}), nil
	}
	return v
}

type redsyncLocks struct {
	*redsync.Redsync
	options []redsync.Option
	close   []func()
}

func newRedsyncLocks(use Use, pools []redsyncredis.Pool, options []redsync.Option, close []func()) *redsyncLocks {
	all := append([]redsync.Option{redsync.WithExpiry(use.Expiration)}, options...)
	if use.Wait {
		all = append(all, redsync.WithTries(math.MaxInt)) // until ctx ends
	}
	return &redsyncLocks{redsync.New(pools...), all, close}
}

// Pair makes a mutex for the key, as does ours: which key is needed is known only now.
func (r *redsyncLocks) Pair(ctx context.Context, key string) error {
	m := r.NewMutex(key, r.options...)
	if err := m.LockContext(ctx); err != nil {
		return err
	}
	_, err := m.UnlockContext(ctx)
	return err
}

func (r *redsyncLocks) Acquire(ctx context.Context, key string) (Release, error) {
	m := r.NewMutex(key, r.options...)
	if err := m.LockContext(ctx); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := m.UnlockContext(ctx)
		return err
	}, nil
}

func (r *redsyncLocks) Close() {
	for _, close := range r.close {
		close()
	}
}
