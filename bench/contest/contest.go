// Package contest measures contestants side by side: in rounds, each contestant in turn with a short slice of time, so
// that what disturbs the machine disturbs all of them, and a ratio compares what was measured within the same seconds.
package contest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Entrant is one contestant. S is what one slice measures.
type Entrant[S any] struct {
	Name string
	// Rounds is in how many rounds, the first ones, it takes part; zero: in all.
	Rounds int
	// Slice is one turn. It ends soon after ctx does.
	Slice func(ctx context.Context) (S, error)
}

// Outcome is what came of an entrant.
type Outcome[S any] struct {
	Name string
	// Slices are the measurements of rounds 0, 1, 2 and so on, until the entrant was done or failed.
	Slices []S
	// Err says why the entrant took part no longer. What it measured before is no less true.
	Err error
}

// ErrHangs means that a slice was not done in its time. What it left running may still disturb the others.
var ErrHangs = errors.New("hangs")

// Run has every entrant take its slice in each round, in an order that begins with another entrant each time. A slice
// that fails, or isn't over after the limit, ends the part of its entrant alone. The error is ctx's.
func Run[S any](ctx context.Context, rounds int, limit time.Duration, entrants []Entrant[S]) ([]Outcome[S], error) {
	outcomes := make([]Outcome[S], len(entrants))
	for i, e := range entrants {
		outcomes[i].Name = e.Name
	}
	for round := range rounds {
		for step := range entrants {
			i := (round + step) % len(entrants)
			e, o := &entrants[i], &outcomes[i]
			if o.Err != nil || e.Rounds > 0 && round >= e.Rounds {
				continue
			}
			runtime.GC() // nobody pays for what the one before has left
			s, err := Bounded(ctx, limit, e.Slice)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				o.Err = err
				continue
			}
			o.Slices = append(o.Slices, s)
		}
	}
	return outcomes, nil
}

// patience is what a slice may take after its context has ended.
const patience = 2 * time.Second

// Bounded runs a slice with a context that ends after the limit. It returns ErrHangs if that is what the slice failed of,
// and gives up on one that runs on then.
func Bounded[S any](ctx context.Context, limit time.Duration, slice func(context.Context) (S, error)) (S, error) {
	type result struct {
		sample S
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		s, err := slice(ctx)
		done <- result{s, err}
	}()
	hangs := fmt.Errorf("%w: not done within %v", ErrHangs, limit)
	select {
	case r := <-done:
		return r.sample, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		if errors.Is(r.err, context.DeadlineExceeded) {
			return r.sample, hangs
		}
		return r.sample, r.err
	case <-time.After(patience):
		return *new(S), hangs
	}
}
