package contestant

import (
	"context"
	"fmt"
	"time"

	"github.com/bsm/redislock"
)

// Redislock is bsm/redislock over go-redis, with go-redis's own pool or with a connection for each goroutine. It knows
// one node.
func Redislock() []Variant {
	var variants []Variant
	for _, pool := range pools {
		variants = append(variants, redislockOverGoRedis(Variant{Label: pool.label, From: pool.from}, pool.size, nil))
	}
	return variants
}

// RedislockDelayed is redislock with its linear backoff: a waiter tries again after each delay.
func RedislockDelayed(delay time.Duration) Variant {
	v := Variant{Label: fmt.Sprintf("retry %v", delay)}
	return redislockOverGoRedis(v, ownConnections, &redislock.Options{RetryStrategy: redislock.LinearBackoff(delay)})
}

// RedislockOverAutoPipeline is redislock over go-redis's automatic pipelines.
func RedislockOverAutoPipeline() []Variant {
	var variants []Variant
	for _, auto := range autoPipelines {
		variants = append(variants, Variant{Label: auto.label, From: auto.from, Open: func(use Use) (Locks, error) {
			clients := newClients(use, ownConnections(use), nil)
			pipeline, err := clients[0].AutoPipelineWithOptions(auto.options())
			if err != nil {
				clients.Close()
				return nil, err
			}
			return &redislockLocks{redislock.New(pipeline), use.Expiration, nil, clients}, nil
		}})
	}
	return variants
}

func redislockOverGoRedis(v Variant, poolSize func(Use) int, options *redislock.Options) Variant {
	v.Open = func(use Use) (Locks, error) {
		clients := newClients(use, poolSize(use), nil)
		return &redislockLocks{redislock.New(clients[0]), use.Expiration, options, clients}, nil
	}
	return v
}

type redislockLocks struct {
	client     *redislock.Client
	expiration time.Duration
	options    *redislock.Options
	clients    clients
}

func (r *redislockLocks) Pair(ctx context.Context, key string) error {
	lock, err := r.client.Obtain(ctx, key, r.expiration, r.options)
	if err != nil {
		return err
	}
	return lock.Release(ctx)
}

func (r *redislockLocks) Acquire(ctx context.Context, key string) (Release, error) {
	lock, err := r.client.Obtain(ctx, key, r.expiration, r.options)
	if err != nil {
		return nil, err
	}
	return lock.Release, nil
}

func (r *redislockLocks) Close() { r.clients.Close() }
