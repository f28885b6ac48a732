package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

func expiryLetsTheNextIn(t *testing.T, b *bench) {
	m := b.open(t, shortLived)
	old := acquire(t, m, mutex.WithExpiration(300*time.Millisecond))
	next := acquire(t, m, mutex.WithWait(soon))
	if old.Err() == nil {
		t.Fatal("two locks are held")
	}
	wantError(t, old.Err(), mutex.ErrLockLost)
	<-old.Done()
	owner := b.wantQuorum(t, b.key) // on a node that let the old one's key expire last it may be missing
	wantError(t, mutex.ExtendLock(t.Context(), old, time.Minute), mutex.ErrNotHeld)
	wantError(t, mutex.ReleaseLock(t.Context(), old), mutex.ErrNotHeld)
	wantError(t, mutex.ReleaseLock(t.Context(), old), mutex.ErrNotHeld)
	// The late release is on its way to every node; what was asked after it is answered after it.
	if exists, err := m.ExistsLock(t.Context()); !exists || err != nil {
		t.Errorf("the next lock exists: %v, %v", exists, err)
	}
	if b.wantQuorum(t, b.key) != owner || next.Err() != nil {
		t.Error("the old owner touched the next one's lock")
	}
	if _, longest := b.remaining(t, b.key); longest > 10*time.Second {
		t.Error("the old owner extended the next one's lock")
	}
	release(t, next)
}

func extensionCountsFromNow(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	for _, expiration := range []time.Duration{time.Minute, time.Hour} {
		before := time.Now()
		if err := m.ExtendLock(t.Context(), lock, expiration); err != nil {
			t.Fatal(err)
		}
		drift := expiration/100 + 2*time.Millisecond
		least, most := before.Add(expiration-drift), time.Now().Add(expiration-drift)
		if until := lock.Until(); until.Before(least) || until.After(most) {
			t.Errorf("extended by %v: valid until %v; want %v to %v", expiration, until, least, most)
		}
		eventually(t, "the nodes keep the key that long", func() bool {
			shortest, longest := b.remaining(t, b.key)
			return shortest > time.Until(lock.Until()) && longest <= expiration
		})
	}
	until := lock.Until()
	if err := m.ExtendLock(t.Context(), lock, 2*time.Second); err != nil || !lock.Until().Equal(until) {
		t.Errorf("an extension by less than what is left: valid until %v instead of %v: %v", lock.Until(), until, err)
	}
	if shortest, _ := b.remaining(t, b.key); shortest < time.Until(until) {
		t.Errorf("a node keeps the key for %v only", shortest)
	}
	release(t, lock)
	wantError(t, m.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrNotHeld)
	b.wantNowhere(t, b.key)
}

func extensionIsChecked(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	until := lock.Until()
	for _, expiration := range []time.Duration{0, -1, math.MinInt64, math.MaxInt64, time.Microsecond, nodeTimeout} {
		err := m.ExtendLock(t.Context(), lock, expiration)
		if err == nil || errors.Is(err, mutex.ErrNotHeld) {
			t.Errorf("extension by %v: %v", expiration, err)
		}
		_, err = m.AcquireLock(t.Context(), mutex.WithExpiration(expiration))
		if err == nil || errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("acquire for %v: %v", expiration, err)
		}
	}
	wantError(t, m.ExtendLock(cancelled(t), lock, time.Minute), context.Canceled)
	if lock.Err() != nil || !lock.Until().Equal(until) {
		t.Errorf("the lock is valid until %v instead of %v: %v", lock.Until(), until, lock.Err())
	}
	release(t, lock)
}

func existsTells(t *testing.T, b *bench) {
	m, other := b.open(t), b.open(t)
	want := func(want bool) {
		t.Helper()
		if got, err := other.ExistsLock(t.Context()); got != want || err != nil {
			t.Errorf("exists is %v, %v; want %v", got, err, want)
		}
	}
	want(false)
	lock := acquire(t, m)
	want(true)
	release(t, lock)
	want(false)
	for _, node := range b.nodes[:len(b.nodes)/2+1] {
		node.Set(t.Context(), b.key, "somebody else", time.Minute)
	}
	want(true)
	for i, node := range b.nodes {
		node.Set(t.Context(), b.key, fmt.Sprint("somebody", i), time.Minute)
	}
	want(len(b.nodes) == 1) // where each node has another owner, nobody holds the lock
	_, err := m.ExistsLock(cancelled(t))
	wantError(t, err, context.Canceled)
}

func releaseIgnoresItsContext(t *testing.T, b *bench) {
	m := b.open(t)
	if err := m.ReleaseLock(cancelled(t), acquire(t, m)); err != nil {
		t.Error(err)
	}
	b.wantNowhere(t, b.key)
	var none context.Context
	if err := m.ReleaseLock(none, acquire(t, m)); err != nil {
		t.Error(err)
	}
	b.wantNowhere(t, b.key)
}

func lockIsReleasedOnce(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	results := make(chan error)
	for range 8 {
		go func() { results <- mutex.ReleaseLock(t.Context(), lock) }()
	}
	released := 0
	for range 8 {
		if err := <-results; err == nil {
			released++
		} else {
			wantError(t, err, mutex.ErrNotHeld)
		}
	}
	if released != 1 {
		t.Errorf("%d of 8 releases of one lock succeeded", released)
	}
	next := acquire(t, m)
	owner := b.wantEverywhere(t, b.key)
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNotHeld)
	if b.wantEverywhere(t, b.key) != owner {
		t.Error("a second release deleted the next lock")
	}
	release(t, next)
}

func deletedKeyIsNotHeld(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	b.wantEverywhere(t, b.key)
	for _, node := range b.nodes {
		node.Del(t.Context(), b.key)
	}
	err := mutex.ReleaseLock(t.Context(), lock)
	wantError(t, err, mutex.ErrNotHeld)
	wantText(t, err, ": gone")

	// Until it is released, a lock whose nodes forgot it can be set again, as after their restart.
	lock = acquire(t, m)
	b.wantEverywhere(t, b.key)
	for _, node := range b.nodes {
		node.Del(t.Context(), b.key)
	}
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	b.wantEverywhere(t, b.key)
	release(t, lock)
	b.wantNowhere(t, b.key)

	// Somebody else's value is another matter.
	lock = acquire(t, m)
	b.wantEverywhere(t, b.key)
	for _, node := range b.nodes {
		node.Set(t.Context(), b.key, "somebody else", time.Minute)
	}
	wantError(t, mutex.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrNotHeld)
	wantError(t, lock.Err(), mutex.ErrLockLost)
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNotHeld)
	if owner := b.wantEverywhere(t, b.key); owner != "somebody else" {
		t.Errorf("%q stands at the key", owner)
	}
}

func heldLists(t *testing.T, b *bench) {
	set := open(t, hasty(b.on(b.urls...)))
	if held := set.Held(); len(held) != 0 {
		t.Fatalf("held: %v", held)
	}
	first := acquire(t, at(set, b.key+"1"))
	second := acquire(t, at(set, b.key+"2"), mutex.WithExpiration(400*time.Millisecond))
	third := acquire(t, at(set, b.key+"3"))
	want := []mutex.Held{
		{Mutex: "Counter", Key: b.key + "1", Until: first.Until()},
		{Mutex: "Counter", Key: b.key + "2", Until: second.Until()},
		{Mutex: "Counter", Key: b.key + "3", Until: third.Until()},
	}
	held := set.Held()
	if fmt.Sprint(held) != fmt.Sprint(want) && second.Err() == nil {
		t.Errorf("held is %v; want %v", held, want)
	}
	release(t, first)
	<-second.Done()
	eventually(t, "what was released or lost is no longer held", func() bool {
		held := set.Held()
		return len(held) == 1 && held[0].Key == b.key+"3"
	})
	release(t, third)
	if held := set.Held(); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
}

func closeEnds(t *testing.T, b *bench) {
	set := open(t, b.on(b.urls...))
	m := at(set, b.key)
	lock := acquire(t, m)
	owner := b.wantEverywhere(t, b.key)
	waited := make(chan error)
	go func() {
		_, err := m.AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
		waited <- err
	}()
	time.Sleep(30 * time.Millisecond) // it waits, or is about to ask: both must end
	start := time.Now()
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	wantError(t, <-waited, mutex.ErrClosed)
	took(t, start, nodeTimeout)
	wantError(t, lock.Err(), mutex.ErrLockLost)
	<-lock.Done()
	for _, err := range everyOperation(t, m) {
		wantError(t, err, mutex.ErrClosed)
	}
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrClosed)
	wantError(t, mutex.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrClosed)
	if err := set.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	// What still runs under the lock stays exclusive until the nodes drop it.
	if b.wantEverywhere(t, b.key) != owner {
		t.Error("Close gave up a lock's key")
	}
	for _, node := range b.nodes {
		node.Del(t.Context(), b.key)
	}
}
