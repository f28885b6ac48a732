package acl_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// locker is the type that generated code would declare for a definition.
type locker struct{}

// expiration is that of a lock that is renewed while we look on, at a third of it.
const expiration = 3 * time.Second

// exercise has two clients do with the mutexes of a file all that a mutex can do. One mutex is named Long: it is waited for
// from the beginning until enough is closed, so that connections for messages live long enough to be tidied up and asked for
// a sign of life.
func exercise(ctx context.Context, file *definition.File, enough <-chan struct{}, options ...mutex.Option) (err error) {
	var definitions []mutex.Definition
	for i := range file.Mutexes {
		definitions = append(definitions, opened(&file.Mutexes[i]))
	}
	var sets [2]*mutex.Set
	for i := range sets {
		if sets[i], err = mutex.OpenSet(definitions, options...); err != nil {
			return err
		}
		defer sets[i].Close()
	}
	x := &exercises{one: sets[0], other: sets[1]}

	long, err := x.at(x.one, file, "Long", "").AcquireLock(ctx, mutex.WithWait(time.Minute), mutex.WithRenewal())
	if err != nil {
		return fmt.Errorf("Long: %w", err)
	}
	waited := make(chan error, 1)
	go func() {
		lock, err := x.at(x.other, file, "Long", "").AcquireLock(ctx, mutex.WithWait(mutex.Forever))
		waited <- errors.Join(err, release(lock))
	}()
	defer func() {
		err = errors.Join(err, release(long), <-waited)
	}()

	results := make(chan error)
	for i := range file.Mutexes {
		go func() { results <- x.use(ctx, file, &file.Mutexes[i]) }()
	}
	for range file.Mutexes {
		err = errors.Join(err, <-results)
	}
	if err != nil {
		return err
	}
	select {
	case <-enough:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type exercises struct{ one, other *mutex.Set }

// use does all with one mutex, or nothing if that is Long.
func (x *exercises) use(ctx context.Context, file *definition.File, m *definition.Mutex) error {
	if m.Name == "Long" {
		return nil
	}
	values := []string{"7"}
	for _, p := range m.Key.Parameters() {
		if p.Type == "string" {
			values = append(values, "{7}", "*?[a] \\n")
		}
	}
	for _, value := range values {
		one, other := x.at(x.one, file, m.Name, value), x.at(x.other, file, m.Name, value)
		if err := errors.Join(alone(ctx, one, other, m.Expiration), handedOver(ctx, one, other)); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if len(m.Key.Parameters()) > 0 {
		if err := x.together(ctx, file, m.Name); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// at is the mutex of that name with value for each of its parameters.
func (x *exercises) at(set *mutex.Set, file *definition.File, name, value string) mutex.Mutex[locker] {
	key := mutex.NewKey("")
	for i := range file.Mutexes {
		if file.Mutexes[i].Name != name {
			continue
		}
		for _, part := range file.Mutexes[i].Key.Parts {
			if part.Parameter != nil {
				key = key.String(part.Parameter.Name, value)
			} else {
				key = key.Text(part.Literal)
			}
		}
	}
	return mutex.At[locker](set.Opened(name), key)
}

func release(lock *mutex.Lock[locker]) error {
	if lock == nil {
		return nil
	}
	return mutex.ReleaseLock(context.Background(), lock)
}

// alone takes one lock through its life.
func alone(ctx context.Context, one, other mutex.Mutex[locker], longer time.Duration) error {
	lock, err := one.AcquireLock(ctx, mutex.WithWait(time.Minute)) // which waits out a quarantine
	if err != nil {
		return err
	}
	if exists, err := other.ExistsLock(ctx); err != nil || !exists {
		return errors.Join(fmt.Errorf("exists: %v, %w", exists, err), release(lock))
	}
	if second, err := other.AcquireLock(ctx); !errors.Is(err, mutex.ErrAlreadyLocked) {
		return errors.Join(fmt.Errorf("acquired twice, or %w", err), release(second), release(lock))
	}
	if err := errors.Join(mutex.ExtendLock(ctx, lock, longer), release(lock)); err != nil {
		return err
	}
	if lock, err = one.AcquireLock(ctx, mutex.WithExpiration(expiration), mutex.WithRenewal()); err != nil {
		return err
	}
	for first := lock.Until(); !lock.Until().After(first) && lock.Err() == nil && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
	}
	return errors.Join(ctx.Err(), lock.Err(), release(lock))
}

// handedOver has a lock go from client to client, and to another waiter of the same.
func handedOver(ctx context.Context, one, other mutex.Mutex[locker]) error {
	lock, err := one.AcquireLock(ctx)
	if err != nil {
		return err
	}
	results := make(chan error)
	for _, m := range []mutex.Mutex[locker]{other, other, one} {
		go func() {
			results <- m.Synchronize(ctx, func(ctx context.Context) error { return nil }, mutex.WithWait(time.Minute))
		}()
	}
	time.Sleep(50 * time.Millisecond) // they stand in line; should they come later, they get the lock all the same
	return errors.Join(release(lock), <-results, <-results, <-results)
}

// together releases many locks at once.
func (x *exercises) together(ctx context.Context, file *definition.File, name string) error {
	const rounds, many = 3, 40
	for range rounds {
		var locks []*mutex.Lock[locker]
		var err error
		for i := range many {
			lock, e := x.at(x.one, file, name, strconv.Itoa(i)).AcquireLock(ctx)
			if e != nil {
				err = e
				break
			}
			locks = append(locks, lock)
		}
		results := make(chan error)
		for _, lock := range locks {
			go func() { results <- release(lock) }()
		}
		for range locks {
			err = errors.Join(err, <-results)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// opened is a definition as generated code hands it to the library.
func opened(m *definition.Mutex) mutex.Definition {
	return mutex.Definition{
		Name: m.Name, URL: m.URL, Servers: m.Servers, Cluster: m.Cluster, Key: m.Key.Template, Expiration: m.Expiration,
		Wait: m.Wait, MaxRetry: m.MaxRetry, RetryInterval: m.RetryInterval, RetryJitter: m.RetryJitter, DriftFactor: m.DriftFactor,
		NodeTimeout: m.NodeTimeout, PoolSize: m.PoolSize, ReconnectionInterval: m.ReconnectionInterval, Renew: m.Renew,
		MaxHold: m.MaxHold, Fencing: m.Fencing, FencingMemory: m.FencingMemory, RestartGuard: m.RestartGuard, Replicas: m.Replicas,
	}
}
