package contest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachRoundBeginsWithAnotherEntrant(t *testing.T) {
	var order []string
	entrant := func(name string, rounds int) Entrant[int] {
		return Entrant[int]{Name: name, Rounds: rounds, Slice: func(context.Context) (int, error) {
			order = append(order, name)
			return len(order), nil
		}}
	}
	outcomes, err := Run(t.Context(), 3, time.Minute, []Entrant[int]{entrant("a", 0), entrant("b", 2), entrant("c", 0)})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abcbcaca" {
		t.Errorf("the slices ran in the order %s", got)
	}
	if got := fmt.Sprint(outcomes); got != "[{a [1 6 8] <nil>} {b [2 4] <nil>} {c [3 5 7] <nil>}]" {
		t.Errorf("the outcomes are %s", got)
	}
}

func TestAFailureEndsThePartOfOneEntrantAlone(t *testing.T) {
	broken := errors.New("broken")
	slices := 0
	outcomes, err := Run(t.Context(), 3, time.Minute, []Entrant[int]{
		{Name: "fails", Slice: func(context.Context) (int, error) {
			if slices++; slices == 2 {
				return 0, broken
			}
			return slices, nil
		}},
		{Name: "works", Slice: func(context.Context) (int, error) { return 1, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := outcomes[0]; !errors.Is(o.Err, broken) || len(o.Slices) != 1 {
		t.Errorf("the one that failed in its second round: %+v", o)
	}
	if o := outcomes[1]; o.Err != nil || len(o.Slices) != 3 {
		t.Errorf("the one that didn't fail: %+v", o)
	}
}

func TestASliceThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		start := time.Now()
		outcomes, err := Run(t.Context(), 2, time.Second, []Entrant[int]{
			{Name: "hangs", Slice: func(context.Context) (int, error) { <-end; return 0, nil }},
			{Name: "ends late", Slice: func(ctx context.Context) (int, error) { <-ctx.Done(); return 7, nil }},
			{Name: "is not done", Slice: func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(outcomes[0].Err, ErrHangs) {
			t.Errorf("the one that hangs: %v", outcomes[0].Err)
		}
		if !slices.Equal(outcomes[1].Slices, []int{7, 7}) {
			t.Errorf("the one that ends with its context: %+v", outcomes[1])
		}
		if !errors.Is(outcomes[2].Err, ErrHangs) {
			t.Errorf("the one that isn't done when its context ends: %v", outcomes[2].Err)
		}
		if took := time.Since(start); took != 4*time.Second+patience {
			t.Errorf("it took %v", took)
		}
		close(end)
	})
}

func TestACancelledRunReturnsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := Run(ctx, 5, time.Minute, []Entrant[int]{{Slice: func(context.Context) (int, error) { calls++; cancel(); return 0, nil }}})
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("after %d slices: %v", calls, err)
	}
}

func TestPairsAreCountedWhileAllWorkersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Workers: 10, RampUp: 50 * time.Millisecond, Time: time.Second}
		pairs := Drive(t.Context(), load, func(context.Context, int) error { time.Sleep(10 * time.Millisecond); return nil })
		if pairs.PerSecond < 990 || pairs.PerSecond > 1010 || pairs.Failed != 0 {
			t.Errorf("ten workers with 100 pairs/s each: %+v", pairs)
		}
	})
}

func TestSlowPairsGetALongerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Workers: 4, RampUp: 50 * time.Millisecond, Time: 100 * time.Millisecond}
		pairs := Drive(t.Context(), load, func(context.Context, int) error { time.Sleep(90 * time.Millisecond); return nil })
		if pairs.PerSecond < 35 || pairs.PerSecond > 55 { // 44 with an endless time
			t.Errorf("four workers with 11 pairs/s each: %+v", pairs)
		}
	})
}

func TestFailedPairsAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		pairs := Drive(t.Context(), Load{Workers: 1, Time: time.Second}, func(context.Context, int) error { return broken })
		if pairs.PerSecond != 0 || pairs.Failed == 0 || !errors.Is(pairs.First, broken) {
			t.Errorf("where every pair fails: %+v", pairs)
		}
	})
}

func TestNoKeyIsUsedByTwoWorkersOrTwiceInARing(t *testing.T) {
	for _, workers := range []int{1, 8, 512} {
		keys := NewKeys(workers)
		cursor := keys.Cursor()
		seen := make(map[string]bool)
		for w := range workers {
			if len(keys[w]) < leastKeys {
				t.Fatalf("worker %d of %d has %d keys", w, workers, len(keys[w]))
			}
			for range keys[w] {
				key := cursor.Next(w)
				if seen[key] {
					t.Fatalf("%d workers: %s came twice", workers, key)
				}
				seen[key] = true
			}
			if got := cursor.Next(w); got != keys[w][0] {
				t.Errorf("after all keys of worker %d comes %s", w, got)
			}
		}
	}
}

var sink []byte

func TestAllocationsAreCounted(t *testing.T) {
	got, err := Allocations(100, func() error {
		sink = make([]byte, 100)
		sink = make([]byte, 200)
		return nil
	})
	if err != nil || got != 2 {
		t.Errorf("two allocations: %v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := Allocations(100, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("of what fails: %v", err)
	}
}
