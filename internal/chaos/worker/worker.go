// Package worker is a process with a few goroutines that contend for locks and write down what becomes of it.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/history"
	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/mutex"
)

// Config is what a process is to do.
type Config struct {
	// Process is the number of the process among all of a history, Workers that of its goroutines.
	Process, Workers int
	Seed             uint64
	// URLs are the nodes, Mutexes the names of the definitions to use on them, each with so many Keys.
	URLs    []string
	Mutexes []string
	Keys    int
	// Tenacious workers hold on to their locks for long.
	Tenacious bool
	// Journal is the path of the file to write to.
	Journal string
}

// How acquires end without a lock, and how locks end.
const (
	Locked      = "already locked"
	Quarantined = "quarantined"
	NoQuorum    = "no quorum"
	Cancelled   = "cancelled"

	Released = "released"
	Lost     = "lost"
	// Forgotten: the holder relied on the lock until it released it, and then the nodes had it no more. Unconfirmed: too few
	// of them answered.
	Forgotten   = "forgotten"
	Unconfirmed = "unconfirmed"
)

// Run works until stop ends, which it does when whoever started the process closes it, or dies.
func Run(c Config, stop io.Reader) error {
	journal, err := history.NewJournal(c.Journal)
	if err != nil {
		return err
	}
	defer journal.Close()
	opened, err := locks.Open(mutex.WithServers(mutex.AllMutexes, c.URLs...))
	if err != nil {
		return err
	}
	defer opened.Close()
	all := Contestants(opened)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := range c.Workers {
		w := &worker{
			config: c, number: i, journal: journal, clock: history.NewClock(),
			rand: rand.New(rand.NewPCG(c.Seed, uint64(c.Process)<<32|uint64(i))),
		}
		for _, name := range c.Mutexes {
			w.mutexes = append(w.mutexes, all[name])
		}
		workers.Go(func() {
			if err := w.run(ctx); err != nil {
				cancel(fmt.Errorf("worker %d.%d: %w", c.Process, i, err))
			}
		})
	}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stop)
		close(done)
	}()
	select {
	case <-done:
		cancel(nil)
	case <-ctx.Done():
	}
	workers.Wait()
	if err := context.Cause(ctx); err != context.Canceled {
		return err
	}
	return nil
}

// worker acquires one lock after another.
type worker struct {
	config  Config
	number  int
	mutexes []Contestant
	journal *history.Journal
	clock   history.Clock
	rand    *rand.Rand
	attempt int
}

func (w *worker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		w.attempt++
		refused, err := w.try(ctx)
		if err != nil {
			return err
		}
		pause := w.upTo(20 * time.Millisecond)
		if refused {
			pause += 20 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// try acquires a lock and, if it gets one, holds it for a while.
func (w *worker) try(ctx context.Context) (refused bool, err error) {
	m := w.mutexes[w.rand.IntN(len(w.mutexes))]
	renewed := w.chance(50)
	var options []mutex.AcquireOption
	if renewed {
		options = append(options, mutex.WithRenewal())
	}
	if w.chance(20) {
		options = append(options, mutex.WithExpiration(w.between(m.Expiration/2, m.Expiration)))
	}
	patience := 5 * time.Second
	switch {
	case w.chance(20): // and doesn't wait
	case w.chance(60):
		options = append(options, mutex.WithWait(w.upTo(time.Second)))
	default:
		options = append(options, mutex.WithWait(mutex.Forever))
		patience = w.upTo(3 * time.Second)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	resource := fmt.Sprint(w.rand.IntN(w.config.Keys))
	asked := w.clock.Now()
	lock, err := m.Acquire(waiting, resource, options...)
	at := w.clock.Now()
	if err != nil {
		why := WhyRefused(err)
		if why == "" {
			return true, err
		}
		return why != Cancelled, w.write(history.Record{Kind: history.Refused, Mutex: m.Name, At: at, Why: why})
	}
	err = w.write(history.Record{
		Kind: history.Got, Mutex: m.Name, Key: lock.Key(), Asked: asked, At: at, Until: w.until(lock), Token: lock.Token(),
	})
	if err != nil {
		return false, err
	}
	return false, w.hold(ctx, m, lock, renewed)
}

// WhyRefused is how an acquire ended, "" if it is none of the ways in which it may.
func WhyRefused(err error) string {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Cancelled
	case errors.Is(err, mutex.ErrNodeQuarantined):
		return Quarantined
	case errors.Is(err, mutex.ErrAlreadyLocked):
		return Locked
	case errors.Is(err, mutex.ErrNoQuorum):
		return NoQuorum
	}
	return ""
}

// hold relies on the lock for a while and then releases it, or lets it expire.
func (w *worker) hold(ctx context.Context, m Contestant, lock Lock, renewed bool) error {
	var length time.Duration
	switch {
	case w.config.Tenacious:
		length = w.upTo(2 * m.Expiration)
	case w.chance(60): // and has all but done
	case w.chance(80):
		length = w.upTo(10 * time.Millisecond)
	case w.chance(70):
		length = w.upTo(m.Expiration / 2)
	default:
		length = w.upTo(2 * m.Expiration)
	}
	abandoned := !renewed && w.chance(1)
	end := time.Now().Add(length)
	if abandoned {
		end = end.Add(time.Hour)
	}
	for time.Now().Before(end) {
		select {
		case <-lock.Done():
		case <-ctx.Done():
			end = time.Now()
		case <-time.After(min(m.Expiration/20, max(time.Until(end), 0))):
		}
		at := w.clock.Now()
		if lock.Err() != nil {
			return w.over(lock, at, Lost)
		}
		if err := w.writeNow(history.Held, at, lock); err != nil {
			return err
		}
		if !abandoned && w.chance(5) {
			_ = m.Extend(ctx, lock, w.between(m.Expiration/2, m.Expiration)) // whatever came of it, the lock tells
		}
	}
	if err := w.writeNow(history.Letting, w.clock.Now(), lock); err != nil {
		return err
	}
	lost := lock.Err() != nil
	err := m.Release(ctx, lock)
	at := w.clock.Now()
	switch {
	case err == nil:
		return w.over(lock, at, Released)
	case lost:
		return w.over(lock, at, Lost)
	case errors.Is(err, mutex.ErrNotHeld):
		return w.over(lock, at, Forgotten)
	case errors.Is(err, mutex.ErrNoQuorum):
		return w.over(lock, at, Unconfirmed)
	}
	return err
}

func (w *worker) over(lock Lock, at int64, how string) error {
	if err := lock.Err(); err == nil {
		return fmt.Errorf("%s has ended and doesn't know", lock.Key())
	}
	return w.write(history.Record{Kind: history.Over, At: at, Until: w.until(lock), Token: lock.Token(), Why: how})
}

func (w *worker) writeNow(kind history.Kind, at int64, lock Lock) error {
	return w.write(history.Record{Kind: kind, At: at, Until: w.until(lock)})
}

func (w *worker) write(r history.Record) error {
	r.Process, r.Worker, r.Attempt = w.config.Process, w.number, w.attempt
	return w.journal.Write(r)
}

func (w *worker) until(lock Lock) int64 { return w.clock.At(lock.Until()) }

func (w *worker) chance(percent int) bool { return w.rand.IntN(100) < percent }

func (w *worker) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

func (w *worker) between(least, most time.Duration) time.Duration {
	return least + w.upTo(most-least+1)
}
