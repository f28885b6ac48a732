package worker

import (
	"context"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/mutex"
)

// Contestant is a generated mutex, whatever its type.
type Contestant struct {
	mutex.Definition
	Acquire func(ctx context.Context, resource string, options ...mutex.AcquireOption) (Lock, error)
	// Extend and Release take what Acquire returned.
	Extend  func(ctx context.Context, lock Lock, expiration time.Duration) error
	Release func(ctx context.Context, lock Lock) error
	At      func(resource string) mutex.Synchronizer
}

// Lock is what all locks have.
type Lock interface {
	Key() string
	Until() time.Time
	Token() int64
	Done() <-chan struct{}
	Err() error
}

// Contestants are all mutexes, by name.
func Contestants(m *locks.Mutexes) map[string]Contestant {
	all := make(map[string]Contestant)
	for _, d := range m.All() {
		c := contestant(m, d.Name)
		c.Definition = d
		all[d.Name] = c
	}
	return all
}

func contestant(m *locks.Mutexes, name string) Contestant {
	switch name {
	case "Plain":
		return of(m.Plain.For)
	case "Brief":
		return of(m.Brief.For)
	case "Steady":
		return of(m.Steady.For)
	case "Fenced":
		return of(m.Fenced.For)
	case "Guarded":
		return of(m.Guarded.For)
	case "GuardedBrief":
		return of(m.GuardedBrief.For)
	case "GuardedLong":
		return of(m.GuardedLong.For)
	case "GuardedOnly":
		return of(m.GuardedOnly.For)
	case "Grouped":
		return of(m.Grouped.For)
	case "GroupedFenced":
		return of(m.GroupedFenced.For)
	}
	panic("no contestant is called " + name)
}

func of[M any](at func(resource string) mutex.Mutex[M]) Contestant {
	return Contestant{
		Acquire: func(ctx context.Context, resource string, options ...mutex.AcquireOption) (Lock, error) {
			lock, err := at(resource).AcquireLock(ctx, options...)
			if err != nil {
				return nil, err
			}
			return lock, nil
		},
		Extend: func(ctx context.Context, lock Lock, expiration time.Duration) error {
			return mutex.ExtendLock(ctx, lock.(*mutex.Lock[M]), expiration)
		},
		Release: func(ctx context.Context, lock Lock) error {
			return mutex.ReleaseLock(ctx, lock.(*mutex.Lock[M]))
		},
		At: func(resource string) mutex.Synchronizer { return at(resource) },
	}
}
