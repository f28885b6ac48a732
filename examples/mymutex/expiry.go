package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// lockExpires shows what happens to a holder that takes longer than its lock lasts, where the lock is not extended: it goes
// to the next one, and the holder is told in time.
func (a *app) lockExpires(ctx context.Context) error {
	fmt.Println("5. A worker hangs, and its lock expires.")

	entered := make(chan struct{})
	lost := make(chan error, 1)
	hang, wake := context.WithCancel(ctx)
	defer wake()
	result := make(chan error, 1)
	go func() {
		result <- a.locks.CacheRefresh.Synchronize(ctx, func(ctx context.Context) error {
			close(entered)
			<-ctx.Done() // whatever takes ctx stops here: queries, requests
			lost <- context.Cause(ctx)
			<-hang.Done() // this worker does not stop
			return nil
		}, mutex.WithExpiration(500*time.Millisecond))
	}()

	select {
	case <-entered:
		fmt.Println("   It got the lock for half a second.")
	case err := <-result:
		return err
	}
	cause := <-lost
	if !errors.Is(cause, mutex.ErrLockLost) {
		return cause
	}
	fmt.Println("   Just before that is over, its ctx is cancelled:", cause)

	lock, err := a.locks.CacheRefresh.AcquireLock(ctx, mutex.WithWait(time.Second))
	if err != nil {
		return err
	}
	fmt.Println("   Another worker gets the lock.")

	wake()
	if err = <-result; !errors.Is(err, mutex.ErrLockLost) {
		return fmt.Errorf("the worker was not told that it lost the lock: %w", err)
	}
	fmt.Println("   The first one comes to, and gets an error:", text(err))
	return a.locks.CacheRefresh.ReleaseLock(ctx, lock)
}
