package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mutexgen/mutexgen/mutex"
)

// secondHolderIsRefused shows a mutex that nobody waits for: whoever comes second has nothing left to do.
func (a *app) secondHolderIsRefused(ctx context.Context) error {
	fmt.Println("3. One worker fills the cache. Others need not wait for that: they are refused.")

	lock, err := a.locks.CacheRefresh.AcquireLock(ctx)
	if err != nil {
		return err
	}
	fmt.Println("   The first worker gets the lock.")

	_, err = a.locks.CacheRefresh.AcquireLock(ctx)
	if !errors.Is(err, mutex.ErrAlreadyLocked) {
		return fmt.Errorf("the second worker was not refused: %w", err)
	}
	fmt.Println("   The second one gets an error:", text(err))

	if err := a.locks.CacheRefresh.ReleaseLock(ctx, lock); err != nil {
		return err
	}
	lock, err = a.locks.CacheRefresh.AcquireLock(ctx)
	if err != nil {
		return err
	}
	fmt.Println("   The first one releases the lock, and the second one can have it.")
	return a.locks.CacheRefresh.ReleaseLock(ctx, lock)
}
