package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// accountsDoNotWaitForEachOther shows a mutex whose key has a parameter: it is a mutex of its own for each account.
func (a *app) accountsDoNotWaitForEachOther(ctx context.Context) error {
	fmt.Println("2. Transfers lock the account that they touch, and no other.")

	first := a.begin(ctx, 1)
	if err := first.enter(); err != nil {
		return err
	}
	fmt.Println("   Account 1: a transfer is under way.")

	err := a.locks.AccountTransfer.Synchronize(ctx, 2, func(context.Context) error {
		fmt.Println("   Account 2: a transfer runs beside it.")
		return nil
	})
	if err != nil {
		return err
	}

	second := a.begin(ctx, 1)
	select {
	case <-second.entered:
		return errors.New("two transfers touch account 1")
	case <-time.After(50 * time.Millisecond):
		fmt.Println("   Account 1: the next transfer waits.")
	}

	if err := first.finish(); err != nil {
		return err
	}
	fmt.Println("   Account 1: the transfer is done.")
	if err := second.enter(); err != nil {
		return err
	}
	fmt.Println("   Account 1: the next transfer is under way.")
	return second.finish()
}

// transfer is one that runs in the background and holds its account until it is told to finish.
type transfer struct {
	entered  chan struct{} // closed when it holds the account
	finished chan struct{} // closed to make it finish
	result   chan error
}

func (a *app) begin(ctx context.Context, accountID int64) *transfer {
	t := &transfer{entered: make(chan struct{}), finished: make(chan struct{}), result: make(chan error, 1)}
	go func() {
		t.result <- a.locks.AccountTransfer.Synchronize(ctx, accountID, func(ctx context.Context) error {
			close(t.entered)
			select {
			case <-t.finished:
				return nil
			case <-ctx.Done(): // the account is no longer ours
				return context.Cause(ctx)
			}
		})
	}()
	return t
}

// enter returns when the transfer holds its account, or with the reason why it never will.
func (t *transfer) enter() error {
	select {
	case <-t.entered:
		return nil
	case err := <-t.result:
		return err
	}
}

// finish returns when the transfer has given its account back.
func (t *transfer) finish() error {
	close(t.finished)
	return <-t.result
}
