package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// nodeStops shows that a lock on three nodes withstands the loss of one, and is refused without a majority.
func (a *app) nodeStops(ctx context.Context) error {
	fmt.Println("7. A Redis node stops.")
	if a.nodes == nil {
		fmt.Println("   Skipped: this program does not stop your servers.")
		return nil
	}

	lock, err := a.locks.NightlyReport.AcquireLock(ctx)
	if err != nil {
		return err
	}
	for ctx.Err() == nil && !a.everywhere(lock.Key()) {
		time.Sleep(time.Millisecond)
	}
	a.nodes.Node(0).Stop()
	fmt.Println("   One of three stops while a worker holds the lock.")
	if err := a.locks.NightlyReport.ReleaseLock(ctx, lock); err != nil {
		return err
	}
	fmt.Println("   The lock is released all the same.")

	err = a.locks.NightlyReport.Synchronize(ctx, func(context.Context) error {
		fmt.Println("   The next worker gets it, from the other two.")
		return nil
	})
	if err != nil {
		return err
	}

	a.nodes.Node(1).Stop()
	fmt.Println("   A second one stops. Now nobody gets the lock:")
	_, err = a.locks.NightlyReport.AcquireLock(ctx)
	if !errors.Is(err, mutex.ErrNoQuorum) {
		return fmt.Errorf("one node of three was enough: %w", err)
	}
	fmt.Println("  ", text(err))
	return nil
}

// everywhere tells whether all nodes hold a key. To get its lock, the first two were enough: had one of these stopped before
// the third was asked, its release would rightly be uncertain.
func (a *app) everywhere(key string) bool {
	for i := range 3 {
		if _, held := a.nodes.Node(i).Holder(key); !held {
			return false
		}
	}
	return true
}
