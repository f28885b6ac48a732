package contestant

import (
	"context"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/bench/locks"
	"github.com/mutexgen/mutexgen/mutex"
)

// OursName is what our own library is called in the tables.
const OursName = "mutexgen"

// Ours is this library by way of the code that it generates from bench/mutexes.yaml.
func Ours() Variant {
	return Variant{Open: func(use Use) (Locks, error) {
		opened, err := OpenOurs(use)
		if err != nil {
			return nil, err
		}
		switch {
		case use.Wait:
			return queue{opened}, nil
		case use.Expiration == 4*time.Second:
			return steady{opened}, nil
		case use.Expiration == time.Second:
			return brief{opened}, nil
		case use.Expiration == 10*time.Second:
			return resource{opened}, nil
		}
		opened.Close()
		return nil, fmt.Errorf("mutexes.yaml has no mutex with an expiration of %v", use.Expiration)
	}}
}

// OpenOurs opens the generated mutexes on the nodes.
func OpenOurs(use Use) (*locks.Mutexes, error) {
	urls := make([]string, len(use.Addrs))
	for i, addr := range use.Addrs {
		urls[i] = fmt.Sprintf("redis://%s/%d", addr, use.Database)
	}
	return locks.Open(mutex.WithServers(mutex.AllMutexes, urls...))
}

type resource struct{ *locks.Mutexes }

func (r resource) Pair(ctx context.Context, key string) error {
	lock, err := r.Resource.AcquireLock(ctx, key)
	if err != nil {
		return err
	}
	return r.Resource.ReleaseLock(ctx, lock)
}

func (r resource) Acquire(ctx context.Context, key string) (Release, error) {
	return releaseOf(r.Resource.AcquireLock(ctx, key))
}

func (r resource) Close() { r.Mutexes.Close() }

type queue struct{ *locks.Mutexes }

func (q queue) Pair(ctx context.Context, key string) error { return pair(ctx, q, key) }

func (q queue) Acquire(ctx context.Context, key string) (Release, error) {
	return releaseOf(q.Queue.AcquireLock(ctx, key))
}

func (q queue) Close() { q.Mutexes.Close() }

type steady struct{ *locks.Mutexes }

func (s steady) Pair(ctx context.Context, key string) error { return pair(ctx, s, key) }

func (s steady) Acquire(ctx context.Context, key string) (Release, error) {
	return releaseOf(s.Steady.AcquireLock(ctx, key))
}

func (s steady) Close() { s.Mutexes.Close() }

type brief struct{ *locks.Mutexes }

func (b brief) Pair(ctx context.Context, key string) error { return pair(ctx, b, key) }

func (b brief) Acquire(ctx context.Context, key string) (Release, error) {
	return releaseOf(b.Brief.AcquireLock(ctx, key))
}

func (b brief) Close() { b.Mutexes.Close() }

func releaseOf[M any](lock *mutex.Lock[M], err error) (Release, error) {
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return mutex.ReleaseLock(ctx, lock) }, nil
}

// pair is Pair where its allocations don't count.
func pair(ctx context.Context, l Locks, key string) error {
	release, err := l.Acquire(ctx, key)
	if err != nil {
		return err
	}
	return release(ctx)
}
