package rival

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/amyangfei/redlock-go/v3/redlock"
)

// RedlockGo is redlock-go, over the go-redis 8 that it brings. It cannot extend, and its release says nothing.
var RedlockGo = Library{
	Name: "redlock-go v3", Quorum: true, Releases: true,
	Key: asIs, Open: openRedlockGo,
}

type redlockGoLocker struct {
	addrs []string
	*redlock.RedLock
}

func openRedlockGo(t testing.TB, urls ...string) Locker {
	t.Helper()
	var addrs []string
	for _, url := range urls {
		addrs = append(addrs, "tcp"+strings.TrimPrefix(url, "redis"))
	}
	once, err := redlock.NewRedLock(t.Context(), addrs)
	if err != nil {
		t.Fatal(err)
	}
	once.SetRetryCount(1)
	once.SetRetryDelay(1) // it pauses after the last attempt, too
	return redlockGoLocker{addrs, once}
}

func (r redlockGoLocker) Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error) {
	return acquireRedlockGo(ctx, r.RedLock, keys[0], expiration)
}

func acquireRedlockGo(
	ctx context.Context, r *redlock.RedLock, key string, expiration time.Duration,
) (Lock, error) {
	_, err := r.Lock(ctx, key, expiration)
	if errors.Is(err, redlock.ErrAcquireLock) {
		return nil, errors.Join(ErrTaken, err)
	}
	if err != nil {
		return nil, err
	}
	return redlockGoLock{r, key}, nil
}

// Contend gives each worker a RedLock of its own, as if it were a process: one that several share forgets the next
// holder's lock when a release of the one before ends late, and then never releases it.
func (r redlockGoLocker) Contend(ctx context.Context, c Contest) error {
	return inParallel(ctx, c.Workers, func(ctx context.Context) error {
		own, err := redlock.NewRedLock(ctx, r.addrs)
		if err != nil {
			return err
		}
		own.SetRetryDelay(int(2 * c.Retry / time.Millisecond)) // at most
		return Contend(ctx, c, Side, func() (func() error, error) {
			for {
				lock, err := acquireRedlockGo(ctx, own, c.Keys[0], c.Expiration)
				if err == nil {
					return func() error { return lock.Release(ctx) }, nil
				}
				// It says the same of a lock that is held and of a context that has ended.
				if ctx.Err() != nil || !errors.Is(err, ErrTaken) {
					return nil, errors.Join(context.Cause(ctx), err)
				}
			}
		})
	})
}

type redlockGoLock struct {
	*redlock.RedLock
	key string
}

func (l redlockGoLock) Release(ctx context.Context) error { return l.UnLock(ctx, l.key) }

func (redlockGoLock) Extend(context.Context, time.Duration) error {
	return errors.New("redlock-go cannot extend")
}
