package mutextest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/examples/mymutex/locks"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// bank is an application that holds generated mutexes.
type bank struct {
	locks   *locks.Mutexes
	balance int
}

func (b *bank) transfer(ctx context.Context, amount int, options ...mutex.AcquireOption) error {
	return b.locks.AccountTransfer.Synchronize(ctx, 4711, func(context.Context) error {
		b.balance += amount
		return nil
	}, options...)
}

// openBank is what the tests of the bank begin with.
func openBank(t *testing.T, redis *mutextest.Quorum) *bank {
	t.Helper()
	locks, err := locks.Open(redis.Option())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { locks.Close() })
	return &bank{locks: locks}
}

func TestTransferSurvivesTheLossOfOneRedis(t *testing.T) {
	for name, fail := range map[string]func(*mutextest.Redis){
		"stopped": (*mutextest.Redis).Stop,
		"hung":    (*mutextest.Redis).Pause,
	} {
		t.Run(name, func(t *testing.T) {
			redis := mutextest.RunQuorum(t, 3)
			b := openBank(t, redis)
			fail(redis.Node(0))
			if err := b.transfer(t.Context(), 100); err != nil || b.balance != 100 {
				t.Errorf("balance %d, %v; want 100", b.balance, err)
			}
		})
	}
}

func TestTransferMayTakeLongerThanItsLockLasts(t *testing.T) {
	redis := mutextest.RunQuorum(t, 3)
	b := openBank(t, redis)
	if err := b.transfer(t.Context(), 100); err != nil { // the first one connects, which takes longer
		t.Fatal(err)
	}
	const expiration = time.Second
	err := b.locks.AccountTransfer.Synchronize(t.Context(), 4711, func(ctx context.Context) error {
		redis.Node(0).Stop()
		select {
		case <-time.After(3 * expiration / 2):
			return b.locks.AccountTransfer.Synchronize(ctx, 4711, func(context.Context) error { return nil }, mutex.WithWait(0))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, mutex.WithExpiration(expiration))
	if !errors.Is(err, mutex.ErrAlreadyLocked) || errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("%v; want a lock that is still held", err)
	}
	if _, held := redis.Holder("account:4711:transfer"); held {
		t.Error("the lock is still held after the transfer")
	}
}

// A transfer that outlives its lock must stop: this is how a test takes the lock away from it.
func TestTransferStopsWhenItsLockIsLost(t *testing.T) {
	redis := mutextest.RunQuorum(t, 3)
	b := openBank(t, redis)
	if err := b.transfer(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	err := b.locks.AccountTransfer.Synchronize(t.Context(), 4711, func(ctx context.Context) error {
		redis.Node(0).Stop()
		redis.Node(1).Stop()
		<-ctx.Done()
		return context.Cause(ctx)
	}, mutex.WithExpiration(time.Second))
	if !errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("%v; want ErrLockLost", err)
	}
}

func TestTransferDoesNothingWithoutAQuorum(t *testing.T) {
	redis := mutextest.RunQuorum(t, 3)
	b := openBank(t, redis)
	redis.Node(0).Stop()
	redis.Node(1).Stop()
	if err := b.transfer(t.Context(), 100, mutex.WithWait(0)); !errors.Is(err, mutex.ErrNoQuorum) || b.balance != 0 {
		t.Errorf("balance %d, %v; want 0 and ErrNoQuorum", b.balance, err)
	}
}

func TestTransferKeepsOutOfAnotherProcessesWay(t *testing.T) {
	redis := mutextest.RunQuorum(t, 3)
	b := openBank(t, redis)
	other := openBank(t, redis) // an Open of its own is as good as a process of its own
	lock, err := other.locks.AccountTransfer.AcquireLock(t.Context(), 4711)
	if err != nil {
		t.Fatal(err)
	}
	if _, held := redis.Holder(lock.Key()); !held {
		t.Errorf("nobody holds %s", lock.Key())
	}
	if err := b.transfer(t.Context(), 100, mutex.WithWait(0)); !errors.Is(err, mutex.ErrAlreadyLocked) || b.balance != 0 {
		t.Errorf("balance %d, %v; want 0 and ErrAlreadyLocked", b.balance, err)
	}

	redis.Expire(lock.Key()) // as if the other process had died ten seconds ago
	if err := b.transfer(t.Context(), 100, mutex.WithWait(time.Second)); err != nil || b.balance != 100 {
		t.Errorf("balance %d, %v; want 100", b.balance, err)
	}
}

// A program without tests starts its Redis itself.
func ExampleStartQuorum() {
	redis, err := mutextest.StartQuorum(3)
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	locks, err := locks.Open(redis.Option())
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()

	ctx := context.Background()
	refresh := func(context.Context) error {
		fmt.Println("the cache is filled")
		return nil
	}

	redis.Node(0).Pause()
	fmt.Println("one hangs:", locks.CacheRefresh.Synchronize(ctx, refresh))

	redis.Node(0).Stop()
	redis.Node(1).Stop()
	err = locks.CacheRefresh.Synchronize(ctx, refresh)
	fmt.Println("two are down:", errors.Is(err, mutex.ErrNoQuorum))

	// Output:
	// the cache is filled
	// one hangs: <nil>
	// two are down: true
}

// A lock that its holder has lost is not released over the head of the next one.
func ExampleRedis_Expire() {
	redis, err := mutextest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	locks, err := locks.Open(redis.Option())
	if err != nil {
		log.Fatal(err)
	}
	defer locks.Close()

	ctx := context.Background()
	first, err := locks.CacheRefresh.AcquireLock(ctx)
	fmt.Println("first:", err)

	redis.Expire(first.Key())
	_, err = locks.CacheRefresh.AcquireLock(ctx)
	fmt.Println("second:", err)

	err = locks.CacheRefresh.ReleaseLock(ctx, first)
	fmt.Println("the first one's lock is gone:", errors.Is(err, mutex.ErrNotHeld))
	_, held := redis.Holder(first.Key())
	fmt.Println("the second one's stands:", held)

	// Output:
	// first: <nil>
	// second: <nil>
	// the first one's lock is gone: true
	// the second one's stands: true
}
