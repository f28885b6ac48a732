package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// lockIsRenewed shows work that takes longer than its lock lasts: the lock is extended until the work is done.
func (a *app) lockIsRenewed(ctx context.Context) error {
	fmt.Println("4. A report takes three times as long as its lock lasts.")

	entered := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- a.locks.NightlyReport.Synchronize(ctx, func(ctx context.Context) error {
			close(entered)
			select {
			case <-time.After(1500 * time.Millisecond): // this is how long it takes
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, mutex.WithExpiration(500*time.Millisecond))
	}()

	select {
	case <-entered:
		fmt.Println("   The worker gets the lock for half a second.")
	case err := <-result:
		return err
	}
	_, err := a.locks.NightlyReport.AcquireLock(ctx, mutex.WithWait(time.Second))
	if !errors.Is(err, mutex.ErrAlreadyLocked) {
		return fmt.Errorf("the lock was not extended: %w", err)
	}
	fmt.Println("   Another one waits for a whole second, in vain:", text(err))

	if err := <-result; err != nil {
		return err
	}
	fmt.Println("   The report is done. Its lock was extended again and again until then.")
	return nil
}
