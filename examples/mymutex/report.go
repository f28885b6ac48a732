package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// reportIsBuiltOnce shows workers that contend for a mutex: each gets it in its turn, one at a time.
func (a *app) reportIsBuiltOnce(ctx context.Context) error {
	fmt.Println("1. Three workers want to build the nightly report at the same time.")

	var entered, inside atomic.Int32
	build := func(context.Context) error {
		if inside.Add(1) > 1 {
			return errors.New("two workers hold NightlyReport")
		}
		defer inside.Add(-1)

		switch entered.Add(1) {
		case 1:
			fmt.Println("   The first one in builds it. The others wait.")
			time.Sleep(100 * time.Millisecond)
		case 2:
			fmt.Println("   The second one in finds it built, and leaves.")
		case 3:
			fmt.Println("   The third one in finds it built, and leaves.")
		}
		return nil
	}

	const workers = 3
	results := make(chan error, workers)
	for range workers {
		go func() { results <- a.locks.NightlyReport.Synchronize(ctx, build) }()
	}
	var failed error
	for range workers {
		if err := <-results; err != nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	fmt.Println("   There were never two inside.")
	return nil
}
