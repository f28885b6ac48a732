package scenario

import (
	"context"
	"runtime"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
)

// settledGoroutines is the number of goroutines once those of the contestant before have ended.
func settledGoroutines(ctx context.Context) int {
	const still = 50 * time.Millisecond
	n := runtime.NumGoroutine()
	for since, end := time.Now(), time.Now().Add(2*time.Second); time.Since(since) < still && time.Now().Before(end); {
		contest.Pause(ctx, still/10)
		if now := runtime.NumGoroutine(); now != n {
			n, since = now, time.Now()
		}
	}
	return n
}

// watchGoroutines watches their number until it is asked for the largest.
func watchGoroutines() (largest func() int) {
	stop, result := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			most = max(most, runtime.NumGoroutine()-1)
			select {
			case <-ticker.C:
			case <-stop:
				result <- most
				return
			}
		}
	}()
	return func() int { close(stop); return <-result }
}
