package arbiter

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hold has two workers of each side hold the key until the contest is over, each hold within lock and unlock.
func hold(t *testing.T, a *Arbiter, key string, lock, unlock func()) {
	t.Helper()
	var all sync.WaitGroup
	for _, side := range []string{"left", "right", "left", "right"} {
		all.Go(func() {
			for more := true; more; {
				lock()
				var err error
				more, err = a.Hold(t.Context(), side, key)
				unlock()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestALockThatExcludesIsAcquitted(t *testing.T) {
	a := New(t)
	a.Open("key", Goal{Holds: 200, Of: map[string]int{"left": 50, "right": 60}})
	var mu sync.Mutex
	hold(t, a, "key", mu.Lock, mu.Unlock)
	v := a.Verdict("key")
	if v.Overlaps != 0 || v.Lost != 0 || v.Inside != 0 {
		t.Error(v)
	}
	if v.Holds < 200 || v.Of["left"] < 50 || v.Of["right"] < 60 || v.Of["left"]+v.Of["right"] != v.Holds {
		t.Errorf("the contest ended too soon: %v", v)
	}
	if v.Turns < 2 || v.Turns > v.Holds {
		t.Errorf("turns: %v", v)
	}
}

func TestALockThatDoesNotExcludeIsConvicted(t *testing.T) {
	a := New(t)
	a.Open("key", Goal{Holds: 400})
	hold(t, a, "key", func() {}, func() {})
	if v := a.Verdict("key"); v.Overlaps == 0 || v.Lost == 0 || v.Inside != 0 {
		t.Errorf("four at once: %v", v)
	}
}

// One overlap in many holds is one, and the ledger need not have noticed.
func TestASingleOverlapIsSeen(t *testing.T) {
	a := New(t)
	a.Open("key", Goal{Holds: 3})
	ctx := t.Context()
	if more, err := a.Hold(ctx, "left", "key"); !more || err != nil {
		t.Fatal(more, err)
	}
	if err := a.client.Eval(ctx, Enter, []string{Contest("key")}, "right").Err(); err != nil {
		t.Fatal(err)
	}
	if v := a.Verdict("key"); v.Overlaps != 0 || v.Inside != 1 {
		t.Error(v)
	}
	if more, err := a.Hold(ctx, "left", "key"); more || err != nil {
		t.Errorf("after three holds: %v, %v", more, err)
	}
	if v := a.Verdict("key"); v.Overlaps != 1 || v.Inside != 1 || v.Turns != 3 || v.Lost != 1 {
		t.Error(v)
	}
}

func TestContestsForDifferentKeysDoNotMeet(t *testing.T) {
	a := New(t)
	a.Open("a", Goal{Holds: 2})
	a.Open("b", Goal{Holds: 1})
	if more, err := a.Hold(t.Context(), "left", "a", "b"); !more || err != nil {
		t.Errorf("the contest for a has one of two holds: %v, %v", more, err)
	}
	if more, err := a.Hold(t.Context(), "left", "b"); more || err != nil {
		t.Errorf("the contest for b is over: %v, %v", more, err)
	}
	for key, holds := range map[string]int{"a": 1, "b": 2, "c": 0} {
		if v := a.Verdict(key); v.Holds != holds || v.Overlaps != 0 || v.Lost != 0 {
			t.Errorf("%s: %v", key, v)
		}
	}
}

func TestAnArbiterThatCannotBeAskedIsAnError(t *testing.T) {
	a := New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if more, err := a.Hold(ctx, "left", "key"); more || err == nil {
		t.Errorf("%v, %v", more, err)
	}
}
