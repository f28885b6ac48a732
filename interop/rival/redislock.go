package rival

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bsm/redislock"
)

// Redislock is bsm/redislock over go-redis. It knows one node.
var Redislock = Library{
	Name: "bsm/redislock", Extends: true, Releases: true, Tells: true,
	Key: asIs, Open: openRedislock,
}

type redislockLocker struct{ *redislock.Client }

func openRedislock(t testing.TB, urls ...string) Locker {
	return redislockLocker{redislock.New(connect(t, urls)[0])}
}

func (r redislockLocker) Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error) {
	return r.obtain(ctx, expiration, keys[0], nil)
}

// metadata shows that a value which is more than the token is compared as a whole.
const metadata = " held by a test"

func (r redislockLocker) obtain(
	ctx context.Context, expiration time.Duration, key string, retry redislock.RetryStrategy,
) (Lock, error) {
	lock, err := r.Obtain(ctx, key, expiration, &redislock.Options{RetryStrategy: retry, Metadata: metadata})
	if errors.Is(err, redislock.ErrNotObtained) {
		return nil, errors.Join(ErrTaken, err)
	}
	if err != nil {
		return nil, err
	}
	return redislockLock{lock}, nil
}

func (r redislockLocker) Contend(ctx context.Context, c Contest) error {
	return inParallel(ctx, c.Workers, func(ctx context.Context) error {
		return Contend(ctx, c, Side, func() (func() error, error) {
			lock, err := r.obtain(ctx, c.Expiration, c.Keys[0], redislock.LinearBackoff(c.Retry))
			if err != nil {
				return nil, err
			}
			return func() error { return lock.Release(ctx) }, nil
		})
	})
}

type redislockLock struct{ lock *redislock.Lock }

func (l redislockLock) Release(ctx context.Context) error {
	err := l.lock.Release(ctx)
	if errors.Is(err, redislock.ErrLockNotHeld) {
		return errors.Join(ErrNotHeld, err)
	}
	return err
}

func (l redislockLock) Extend(ctx context.Context, expiration time.Duration) error {
	err := l.lock.Refresh(ctx, expiration, nil)
	if errors.Is(err, redislock.ErrNotObtained) {
		return errors.Join(ErrNotHeld, err)
	}
	return err
}
