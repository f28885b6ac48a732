package mutex_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

// renewals say how locks are kept, as behaviours do. They mostly wait, so those of a target all go on at once.
var renewals = []struct {
	statement string
	test      func(t *testing.T, b *bench)
}{
	{"synchronize renews its lock as long as fn runs", synchronizeRenews},
	{"synchronize renews only where it shall", synchronizeHeedsRenew},
	{"max_hold ends renewal and says so", maxHoldEndsRenewal},
	{"acquire renews on request, until the release", acquireRenewsOnRequest},
	{"acquire doesn't renew unasked, whatever the definition says", acquireDoesNotRenewUnasked},
	{"a renewed lock whose key was deleted is set again", renewalSetsAgain},
	{"a renewed lock that somebody else took is lost at once", renewalFindsAnother},
	{"what a minority says takes no renewed lock away", renewalNeedsAQuorum},
	{"a renewed lock outlives its context, but not fn", renewalOutlivesTheContext},
	{"close ends renewal", closeEndsRenewal},
	{"a token is kept through renewal", renewalKeepsTheToken},
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		if target.name == "5 servers" || target.name == "1 embedded" || target.name == "1 server, with fencing" {
			continue // which differ from the others in nothing that matters here
		}
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			urls := target.urls(t)
			var all sync.WaitGroup
			for _, renewal := range renewals {
				all.Go(func() {
					t.Run(renewal.statement, func(t *testing.T) { renewal.test(t, newBench(t, urls, renewal.statement, target.fenced)) })
				})
			}
			all.Wait()
		})
	}
}

// brief is an expiration that a test can outlive; on a busy machine a renewal must come through within two thirds of it.
const brief = 900 * time.Millisecond

// renewing makes Synchronize renew locks of a brief expiration.
func renewing(d *mutex.Definition) {
	d.Renew, d.Expiration, d.NodeTimeout = true, brief, nodeTimeout
}

// openWarm is open, with connections made: what comes next takes no longer than it must.
func (b *bench) openWarm(t *testing.T, change ...func(d *mutex.Definition)) mutex.Mutex[counter] {
	t.Helper()
	m := b.open(t, change...)
	b.warm(t, m)
	return m
}

func (b *bench) warm(t *testing.T, m mutex.Mutex[counter]) {
	t.Helper()
	eventually(t, "every node votes", func() bool {
		lock, err := m.AcquireLock(t.Context())
		if err != nil {
			return false
		}
		defer func() { _ = m.ReleaseLock(t.Context(), lock) }()
		for range 100 {
			if !slices.Contains(b.values(t, b.key), "") {
				return true
			}
			time.Sleep(2 * time.Millisecond)
		}
		return false
	})
	b.wantNowhere(t, b.key)
}

// wantKept checks for so long that nobody else gets the lock, and that the same value stands at its key.
func (b *bench) wantKept(t *testing.T, other mutex.Mutex[counter], d time.Duration) {
	t.Helper()
	owner := b.wantEverywhere(t, b.key)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if lock, err := other.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("another acquire: %v, %v; want ErrAlreadyLocked", lock, err)
			return
		}
		if now := b.wantQuorum(t, b.key); now != owner {
			t.Errorf("the value at the key was %q and is %q", owner, now)
			return
		}
	}
}

// wantStaysNowhere checks that soon nothing stands at the bench's key, and that nothing brings it back.
func (b *bench) wantStaysNowhere(t *testing.T) {
	t.Helper()
	b.wantNowhere(t, b.key)
	for end := time.Now().Add(brief / 2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for i, value := range b.values(t, b.key) {
			if value != "" {
				t.Fatalf("%q is back on node %d", value, i)
			}
		}
	}
}

func synchronizeRenews(t *testing.T, b *bench) {
	set := open(t, with(b.on(b.urls...), renewing))
	m, other := at(set, b.key), b.openWarm(t)
	b.warm(t, m)
	var waited time.Time
	next := make(chan error, 1)
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		go func() {
			lock, err := other.AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
			waited = time.Now()
			next <- errors.Join(err, mutex.ReleaseLock(t.Context(), lock))
		}()
		first := set.Held()[0].Until
		b.wantKept(t, b.open(t), 2*brief)
		if ctx.Err() != nil {
			t.Errorf("lost after all: %v", context.Cause(ctx))
		}
		held := set.Held()
		if len(held) != 1 || held[0].Key != b.key || held[0].Until.Sub(first) < brief {
			t.Errorf("held is %v; at first until %v", held, first)
		}
		return nil
	})
	ended := time.Now()
	if err != nil {
		t.Error(err)
	}
	if err := <-next; err != nil {
		t.Error(err)
	}
	if d := waited.Sub(ended); d > slack {
		t.Errorf("who waited got the lock %v after its release", d)
	}
	if held := set.Held(); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
	b.wantStaysNowhere(t)
}

func synchronizeHeedsRenew(t *testing.T, b *bench) {
	m := b.openWarm(t, renewing, func(d *mutex.Definition) { d.Renew = false })
	start := time.Now()
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		<-ctx.Done()
		wantError(t, context.Cause(ctx), mutex.ErrLockLost)
		return nil
	})
	if d := time.Since(start); d < brief/2 {
		t.Errorf("lost after %v", d)
	}
	took(t, start, brief)
	wantError(t, err, mutex.ErrLockLost)
	wantText(t, err, "its validity ended")

	// A call may ask for more.
	if err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		b.wantKept(t, b.open(t), 5*brief/4)
		return ctx.Err()
	}, mutex.WithRenewal(), mutex.WithWait(soon)); err != nil {
		t.Error(err)
	}
}

func maxHoldEndsRenewal(t *testing.T, b *bench) {
	const maxHold = 2 * brief
	m := b.openWarm(t, renewing, func(d *mutex.Definition) { d.MaxHold = maxHold })
	start := time.Now()
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		b.wantKept(t, b.open(t), maxHold-brief)
		<-ctx.Done()
		wantError(t, context.Cause(ctx), mutex.ErrLockLost)
		wantText(t, context.Cause(ctx), "max_hold of 1.8s")
		return nil
	})
	if d := time.Since(start); d < maxHold-brief/2 {
		t.Errorf("lost after %v", d)
	}
	took(t, start, maxHold)
	wantError(t, err, mutex.ErrLockLost)
	wantText(t, err, "max_hold of 1.8s")
	b.wantNowhere(t, b.key)
}

func acquireRenewsOnRequest(t *testing.T, b *bench) {
	set, other := open(t, hasty(b.on(b.urls...))), b.openWarm(t)
	m := at(set, b.key)
	b.warm(t, m)
	lock := acquire(t, m, mutex.WithExpiration(brief), mutex.WithRenewal())
	first := lock.Until()
	b.wantKept(t, other, 5*brief/4)
	if err := lock.Err(); err != nil {
		t.Fatal(err)
	}
	held := set.Held()
	if len(held) != 1 || held[0].Until.Before(time.Now()) || !lock.Until().After(first) {
		t.Errorf("held is %v, the lock valid until %v, at first until %v", held, lock.Until(), first)
	}
	// An extension beyond what renewal asks for changes nothing about that.
	if err := m.ExtendLock(t.Context(), lock, 5*brief/4); err != nil {
		t.Error(err)
	}
	b.wantKept(t, other, 7*brief/4)
	release(t, lock)
	wantError(t, lock.Err(), mutex.ErrNotHeld)
	b.wantStaysNowhere(t)
}

func acquireDoesNotRenewUnasked(t *testing.T, b *bench) {
	lock := acquire(t, b.openWarm(t, renewing))
	<-lock.Done()
	wantError(t, lock.Err(), mutex.ErrLockLost)
	wantText(t, lock.Err(), "its validity ended")
}

func renewalSetsAgain(t *testing.T, b *bench) {
	m := b.openWarm(t, renewing)
	lock := acquire(t, m, mutex.WithRenewal())
	owner := b.wantEverywhere(t, b.key)
	for _, node := range b.nodes {
		node.Del(t.Context(), b.key)
	}
	if again := b.wantEverywhere(t, b.key); again != owner {
		t.Errorf("the value was %q and is %q", owner, again)
	}
	b.wantKept(t, b.open(t), brief)
	release(t, lock)
	b.wantStaysNowhere(t)
}

func renewalFindsAnother(t *testing.T, b *bench) {
	const expiration = 3 * brief
	m := b.openWarm(t, renewing, func(d *mutex.Definition) { d.Expiration = expiration })
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		b.wantEverywhere(t, b.key)
		for _, node := range b.nodes {
			node.Set(t.Context(), b.key, "somebody else", time.Minute)
		}
		start := time.Now()
		<-ctx.Done()
		took(t, start, expiration/3) // when the first renewal is due
		wantError(t, context.Cause(ctx), mutex.ErrLockLost)
		wantText(t, context.Cause(ctx), "another owner's value")
		return nil
	})
	wantError(t, err, mutex.ErrLockLost)
	wantText(t, err, "another owner's value")
	if owner := b.wantEverywhere(t, b.key); owner != "somebody else" {
		t.Errorf("%q stands at the key", owner)
	}
}

func renewalNeedsAQuorum(t *testing.T, b *bench) {
	minority := b.nodes[:len(b.nodes)/2]
	if err := b.openWarm(t, renewing).Synchronize(t.Context(), func(ctx context.Context) error {
		b.wantEverywhere(t, b.key)
		for _, node := range minority {
			node.Set(t.Context(), b.key, "somebody else", time.Minute)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(3 * brief / 2):
			return nil
		}
	}); err != nil {
		t.Error(err)
	}
	for i := range minority {
		if owner := b.values(t, b.key)[i]; owner != "somebody else" {
			t.Errorf("%q stands at the key of node %d", owner, i)
		}
	}
}

func renewalOutlivesTheContext(t *testing.T, b *bench) {
	m := b.openWarm(t, renewing)
	ctx, cancel := context.WithCancel(t.Context())
	if err := m.Synchronize(ctx, func(inner context.Context) error {
		cancel()
		<-inner.Done()
		b.wantKept(t, b.open(t), 5*brief/4) // fn still works, if only to stop in an orderly way
		return nil
	}); err != nil {
		t.Error(err)
	}
	b.wantStaysNowhere(t)

	func() {
		defer func() { _ = recover() }()
		_ = m.Synchronize(t.Context(), func(context.Context) error { panic("rage") })
	}()
	b.wantStaysNowhere(t)
}

func closeEndsRenewal(t *testing.T, b *bench) {
	set := open(t, with(b.on(b.urls...), renewing))
	b.warm(t, at(set, b.key))
	lock := acquire(t, at(set, b.key), mutex.WithRenewal())
	b.wantKept(t, b.open(t), 5*brief/4)
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	closed := time.Now()
	wantError(t, lock.Err(), mutex.ErrLockLost, mutex.ErrClosed)
	b.wantNowhere(t, b.key)
	took(t, closed, brief) // by its expiration, as if the process had ended
}
