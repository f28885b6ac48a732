package rival

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
)

// Redsync is redsync over go-redis, as in its README.
var Redsync = Library{
	Name: "redsync v4", Quorum: true, Extends: true, Releases: true, Tells: true,
	Key: asIs, Open: openRedsync,
}

type redsyncLocker struct{ *redsync.Redsync }

func openRedsync(t testing.TB, urls ...string) Locker {
	var pools []redsyncredis.Pool
	for _, client := range connect(t, urls) {
		pools = append(pools, goredis.NewPool(client))
	}
	return redsyncLocker{redsync.New(pools...)}
}

func (r redsyncLocker) Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error) {
	m := r.NewMutex(keys[0], redsync.WithExpiry(expiration))
	if err := m.TryLockContext(ctx); err != nil {
		return nil, redsyncError(err, ErrTaken)
	}
	return redsyncLock{m}, nil
}

func (r redsyncLocker) Contend(ctx context.Context, c Contest) error {
	return inParallel(ctx, c.Workers, func(ctx context.Context) error {
		return Contend(ctx, c, Side, func() (func() error, error) {
			m := r.NewMutex(c.Keys[0], redsync.WithExpiry(c.Expiration), redsync.WithTries(math.MaxInt),
				redsync.WithRetryDelay(c.Retry))
			if err := m.LockContext(ctx); err != nil {
				return nil, err
			}
			return func() error { return redsyncLock{m}.Release(ctx) }, nil
		})
	})
}

type redsyncLock struct{ *redsync.Mutex }

func (l redsyncLock) Release(ctx context.Context) error {
	released, err := l.UnlockContext(ctx)
	if released {
		return nil
	}
	return redsyncError(err, ErrNotHeld)
}

// Extend extends by what the lock was acquired for: redsync knows no other expiration.
func (l redsyncLock) Extend(ctx context.Context, _ time.Duration) error {
	extended, err := l.ExtendContext(ctx)
	if extended {
		return nil
	}
	return redsyncError(err, ErrNotHeld)
}

// redsyncError puts meaning before an error that says that another owner's value was found, or none.
func redsyncError(err, meaning error) error {
	var taken *redsync.ErrTaken
	if errors.As(err, &taken) || errors.Is(err, redsync.ErrLockAlreadyExpired) || errors.Is(err, redsync.ErrFailed) {
		return errors.Join(meaning, err)
	}
	return err
}
