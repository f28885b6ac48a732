package contestant

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Token is the limit L5: a token in a list, which a waiter takes with BLPOP and puts back with RPUSH. The server wakes
// the waiter that has waited longest. Nothing is safe about it: if a holder dies, the token is gone.
func Token() Variant {
	return Variant{Open: func(use Use) (Locks, error) {
		return token{newClients(use, ownConnections(use), nil)}, nil
	}}
}

type token struct{ clients }

// Forge puts the token into the list, where there is none.
func Forge(ctx context.Context, addr, key string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	pipe := client.TxPipeline()
	pipe.Del(ctx, key)
	pipe.RPush(ctx, key, "token")
	_, err := pipe.Exec(ctx)
	return err
}

// tokenWait ends the wait of those who would otherwise wait for a token that was lost with its connection.
const tokenWait = time.Second

func (t token) Pair(ctx context.Context, key string) error { return pair(ctx, t, key) }

func (t token) Acquire(ctx context.Context, key string) (Release, error) {
	for {
		_, err := t.clients[0].BLPop(ctx, tokenWait, key).Result()
		if err == nil {
			break
		}
		if !errors.Is(err, redis.Nil) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return func(ctx context.Context) error { return t.clients[0].RPush(ctx, key, "token").Err() }, nil
}
