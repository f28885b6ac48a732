package mutex_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

func synchronizeHolds(t *testing.T, b *bench) {
	m, other := b.open(t), b.open(t)
	failure := errors.New("fn failed")
	for _, want := range []error{nil, failure} {
		var inner context.Context
		err := m.Synchronize(t.Context(), func(ctx context.Context) error {
			inner = ctx
			if ctx.Err() != nil {
				t.Error(ctx.Err())
			}
			wantError(t, other.Synchronize(ctx, func(context.Context) error {
				t.Error("two functions ran")
				return nil
			}), mutex.ErrAlreadyLocked)
			return want
		})
		if !errors.Is(err, want) || (want == nil) != (err == nil) || errors.Is(err, mutex.ErrLockLost) {
			t.Errorf("error is %v; want %v", err, want)
		}
		if inner == nil || inner.Err() == nil {
			t.Error("fn's context outlives it")
		}
		b.wantNowhere(t, b.key)
	}
}

func synchronizeReleases(t *testing.T, b *bench) {
	m := b.open(t)
	func() {
		defer func() {
			if r := recover(); r != "rage" {
				t.Errorf("recovered %v; want fn's panic", r)
			}
		}()
		_ = m.Synchronize(t.Context(), func(context.Context) error { panic("rage") })
		t.Error("the panic was swallowed")
	}()
	b.wantNowhere(t, b.key)
	ended := make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		_ = m.Synchronize(t.Context(), func(context.Context) error {
			runtime.Goexit()
			return nil
		})
		returned = true
	}()
	if <-ended {
		t.Error("Synchronize returned after Goexit")
	}
	b.wantNowhere(t, b.key)
}

func synchronizeTells(t *testing.T, b *bench) {
	m := b.open(t, shortLived, func(d *mutex.Definition) { d.DriftFactor = 0.1 })
	failure := errors.New("fn failed")
	const expiration = 600 * time.Millisecond
	var expires, told time.Time
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		b.wantEverywhere(t, b.key)
		asked := time.Now()
		shortest, _ := b.remaining(t, b.key)
		expires = asked.Add(shortest) // or later
		<-ctx.Done()
		told = time.Now()
		wantError(t, context.Cause(ctx), mutex.ErrLockLost)
		wantError(t, ctx.Err(), context.Canceled)
		return failure
	}, mutex.WithExpiration(expiration))
	if told.After(expires) {
		t.Errorf("fn was told %v after a node dropped the key", told.Sub(expires))
	}
	wantError(t, err, mutex.ErrLockLost, failure)
	if err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}, mutex.WithExpiration(300*time.Millisecond), mutex.WithWait(soon)); !errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("fn that outlived the lock without an error: %v; want ErrLockLost", err)
	}
}

func synchronizeReports(t *testing.T, b *bench) {
	m := b.open(t)
	failure := errors.New("fn failed")
	for _, want := range []error{nil, failure} {
		err := m.Synchronize(t.Context(), func(context.Context) error {
			b.wantEverywhere(t, b.key)
			for _, node := range b.nodes {
				node.Del(t.Context(), b.key)
			}
			return want
		})
		wantError(t, err, mutex.ErrLockLost)
		if want != nil {
			wantError(t, err, want)
		}
	}
	// What happens to a minority is no loss.
	if err := m.Synchronize(t.Context(), func(context.Context) error {
		b.wantEverywhere(t, b.key)
		for _, node := range b.nodes[:len(b.nodes)/2] {
			node.Del(t.Context(), b.key)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func synchronizePassesOn(t *testing.T, b *bench) {
	m := b.open(t)
	type name struct{}
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), name{}, "value"))
	enough := errors.New("enough")
	err := m.Synchronize(ctx, func(ctx context.Context) error {
		if ctx.Value(name{}) != "value" {
			t.Error("fn's context has lost its values")
		}
		cancel(enough)
		<-ctx.Done()
		wantError(t, context.Cause(ctx), enough)
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("error is %v; want the context's alone", err)
	}
	b.wantNowhere(t, b.key)
}

func resultReturns(t *testing.T, b *bench) {
	m := b.open(t, shortLived)
	failure := errors.New("fn failed")
	var s mutex.Synchronizer = m
	got, err := mutex.Result(t.Context(), s, func(context.Context) (int, error) { return 4711, nil })
	if got != 4711 || err != nil {
		t.Errorf("result %d, %v", got, err)
	}
	part, err := mutex.Result(t.Context(), s, func(context.Context) (string, error) { return "half", failure })
	if part != "half" || !errors.Is(err, failure) {
		t.Errorf("result %q, %v", part, err)
	}
	lock := acquire(t, m)
	none, err := mutex.Result(t.Context(), s, func(context.Context) (int, error) { return 1, nil })
	if none != 0 || !errors.Is(err, mutex.ErrAlreadyLocked) {
		t.Errorf("result without the lock: %d, %v", none, err)
	}
	release(t, lock)
	late, err := mutex.Result(t.Context(), s, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 2, nil
	}, mutex.WithExpiration(300*time.Millisecond))
	if late != 2 || !errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("result of a lost lock: %d, %v", late, err)
	}
}
