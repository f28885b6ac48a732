package contestant

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The limits do on go-redis what a lock needs, and nothing else: no error but their own is looked for, no validity
// counted, and even the owner value is a constant.

// limitOwner is as long as the owner values of this library.
const limitOwner = "0123456789abcdef0123456789abcdef01234567"

// script is a script and its name for EVALSHA.
type script struct{ source, hash string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

var (
	compareAndDelete = newScript(`if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end return 0`)
	compareAndExpire = newScript(`if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("pexpire", KEYS[1], ARGV[2]) end return 0`)
)

func (c clients) load(scripts ...script) error {
	for _, client := range c {
		for _, s := range scripts {
			if err := client.ScriptLoad(context.Background(), s.source).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// errLimit means that a limit's own keys were in its way.
var errLimit = errors.New("a key was not as the limit left it")

// Commands is the limit L1: one command per round trip, SET NX PX and then EVALSHA of compare-and-delete. With several
// nodes a goroutine for each sends the command, and all answers are waited for.
func Commands() []Variant {
	var variants []Variant
	for _, pool := range pools {
		variants = append(variants, Variant{Label: pool.label, From: pool.from, Open: func(use Use) (Locks, error) {
			clients := newClients(use, pool.size(use), nil)
			if err := clients.load(compareAndDelete); err != nil {
				clients.Close()
				return nil, err
			}
			return &commands{clients, use.Expiration}, nil
		}})
	}
	return variants
}

type commands struct {
	clients
	expiration time.Duration
}

func (c *commands) Pair(ctx context.Context, key string) error {
	if err := c.set(ctx, key); err != nil {
		return err
	}
	return c.delete(ctx, key)
}

func (c *commands) Acquire(ctx context.Context, key string) (Release, error) {
	if err := c.set(ctx, key); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return c.delete(ctx, key) }, nil
}

func (c *commands) set(ctx context.Context, key string) error {
	return c.each(func(client *redis.Client) error {
		set, err := client.SetNX(ctx, key, limitOwner, c.expiration).Result()
		if err == nil && !set {
			return errLimit
		}
		return err
	})
}

func (c *commands) delete(ctx context.Context, key string) error {
	return c.each(func(client *redis.Client) error {
		deleted, err := client.EvalSha(ctx, compareAndDelete.hash, []string{key}, limitOwner).Int()
		if err == nil && deleted != 1 {
			return errLimit
		}
		return err
	})
}

// each runs ask for all nodes at once and waits for all.
func (c clients) each(ask func(*redis.Client) error) error {
	if len(c) == 1 {
		return ask(c[0])
	}
	errs := make([]error, len(c))
	var all sync.WaitGroup
	for i, client := range c {
		all.Go(func() { errs[i] = ask(client) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// PipelineSize is how many commands the pipelines of the limit L2 have.
const PipelineSize = 64

// Pipelines is the limit L2: pipelines made by hand, of SETs and then of as many EVALSHAs. With several nodes their
// pipelines are sent at once, and all are waited for.
type Pipelines struct {
	clients
	expiration time.Duration
}

// OpenPipelines opens the limit L2; use's workers are the pipelines that are under way at the same time.
func OpenPipelines(use Use) (*Pipelines, error) {
	clients := newClients(use, ownConnections(use), func(o *redis.Options) { o.PipelinePoolSize = max(use.Workers, 1) })
	if err := clients.load(compareAndDelete, compareAndExpire); err != nil {
		clients.Close()
		return nil, err
	}
	return &Pipelines{clients, use.Expiration}, nil
}

// Pairs acquires and releases all keys.
func (p *Pipelines) Pairs(ctx context.Context, keys []string) error {
	if err := p.Set(ctx, keys); err != nil {
		return err
	}
	return p.evalSha(ctx, keys, compareAndDelete, limitOwner)
}

// Set acquires all keys.
func (p *Pipelines) Set(ctx context.Context, keys []string) error {
	return p.each(func(client *redis.Client) error {
		pipe := client.Pipeline()
		for _, key := range keys {
			pipe.SetNX(ctx, key, limitOwner, p.expiration)
		}
		answers, err := pipe.Exec(ctx)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if !answer.(*redis.BoolCmd).Val() {
				return errLimit
			}
		}
		return nil
	})
}

// Extend extends all keys.
func (p *Pipelines) Extend(ctx context.Context, keys []string) error {
	return p.evalSha(ctx, keys, compareAndExpire, limitOwner, p.expiration.Milliseconds())
}

func (p *Pipelines) evalSha(ctx context.Context, keys []string, s script, arguments ...any) error {
	return p.each(func(client *redis.Client) error {
		pipe := client.Pipeline()
		for _, key := range keys {
			pipe.EvalSha(ctx, s.hash, []string{key}, arguments...)
		}
		answers, err := pipe.Exec(ctx)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if n, ok := answer.(*redis.Cmd).Val().(int64); !ok || n != 1 {
				return fmt.Errorf("%w: %v", errLimit, answer)
			}
		}
		return nil
	})
}
