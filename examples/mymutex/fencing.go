package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// staleWorkerIsRefused shows what no lock can prevent, and its token can: a worker that goes on after its lock has ended,
// because it was paused meanwhile, by its garbage collector or its virtual machine.
func (a *app) staleWorkerIsRefused(ctx context.Context) error {
	fmt.Println("6. A worker is paused for longer than its lock lasts.")

	const item = "lamp"
	lamps := &stock{rows: map[string]row{item: {count: 10}}}

	first, err := a.locks.Stock.AcquireLock(ctx, item, mutex.WithExpiration(500*time.Millisecond))
	if err != nil {
		return err
	}
	fmt.Println("   It got the lock for half a second, to take one of 10 lamps.")

	err = lamps.take(item, first.Token(), 1, func() error {
		fmt.Println("   Just before it writes that 9 are left, it is paused.")
		return a.takeThree(ctx, lamps, item, first.Token())
	})
	if !errors.Is(err, errStale) {
		return fmt.Errorf("the first worker was not refused: %w", err)
	}
	fmt.Println("   The first one comes to, and writes. It is refused:", err)

	if left := lamps.count(item); left != 7 {
		return fmt.Errorf("%d lamps are left", left)
	}
	fmt.Println("   There are still 7 lamps, not 9.")
	return nil
}

// takeThree is what another worker does as soon as it gets the lock.
func (a *app) takeThree(ctx context.Context, lamps *stock, item string, before int64) error {
	return a.locks.Stock.Synchronize(ctx, item, func(ctx context.Context) error {
		token := mutex.Token(ctx)
		if token <= before {
			return fmt.Errorf("token %d after %d", token, before)
		}
		fmt.Println("   Its lock expires. Another worker gets it, with a larger token.")
		if err := lamps.take(item, token, 3, func() error { return nil }); err != nil {
			return err
		}
		fmt.Println("   That one takes three lamps, and writes that 7 are left.")
		return nil
	}, mutex.WithWait(time.Second))
}
