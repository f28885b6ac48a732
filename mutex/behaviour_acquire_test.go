package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

func lockIsAKey(t *testing.T, b *bench) {
	m := b.open(t)
	before := time.Now()
	lock := acquire(t, m)
	after := time.Now()
	if lock.Key() != b.key || lock.Err() != nil {
		t.Errorf("lock of %q: %v", lock.Key(), lock.Err())
	}
	// Validity is the expiration, 10 s, without the time that passed and the drift, 102 ms.
	if least, most := before.Add(9898*time.Millisecond), after.Add(9898*time.Millisecond); lock.Until().Before(least) || lock.Until().After(most) {
		t.Errorf("valid until %v; want %v to %v", lock.Until(), least, most)
	}
	owner := b.wantEverywhere(t, b.key)
	if random, _, _ := strings.Cut(owner, " "); len(random) < 27 { // 160 bits in base64
		t.Errorf("owner value %q has too little randomness", owner)
	}
	// The nodes keep it longer than its holder may rely on it.
	if shortest, longest := b.remaining(t, b.key); shortest <= time.Until(lock.Until()) || longest > 10*time.Second {
		t.Errorf("the nodes keep the key %v to %v", shortest, longest)
	}
	release(t, lock)
	wantError(t, lock.Err(), mutex.ErrNotHeld)
	<-lock.Done()
	b.wantNowhere(t, b.key)
	again := acquire(t, m)
	if b.wantEverywhere(t, b.key) == owner {
		t.Error("two acquisitions had the same owner value")
	}
	release(t, again)
}

func secondAcquireIsRefused(t *testing.T, b *bench) {
	first, second := b.open(t), b.open(t)
	lock := acquire(t, first)
	owner := b.wantEverywhere(t, b.key)
	for name, m := range map[string]mutex.Mutex[counter]{"the same mutex": first, "another": second} {
		got, err := m.AcquireLock(t.Context())
		if got != nil || !errors.Is(err, mutex.ErrAlreadyLocked) || errors.Is(err, mutex.ErrNoQuorum) {
			t.Errorf("%s: %v, %v; want ErrAlreadyLocked", name, got, err)
		}
		var e *mutex.Error
		if !errors.As(err, &e) || e.Op != "acquire" || e.Mutex != "Counter" || e.Key != b.key || len(e.Votes) != len(b.urls) {
			t.Errorf("%s: error %#v does not tell what failed", name, e)
		}
		wantText(t, err, "acquire Counter", b.key, "already locked", ": taken")
	}
	if b.wantEverywhere(t, b.key) != owner {
		t.Error("an acquire that was refused changed the key")
	}
	release(t, lock)
}

func otherKeysAreIndependent(t *testing.T, b *bench) {
	set := open(t, b.on(b.urls...))
	var locks []*mutex.Lock[counter]
	for i := range 20 {
		locks = append(locks, acquire(t, at(set, fmt.Sprint(b.key, i))))
	}
	for i, lock := range locks {
		if i%2 == 0 {
			release(t, lock)
		}
	}
	for i, lock := range locks {
		if held := lock.Err() == nil; held == (i%2 == 0) {
			t.Errorf("lock %d is held: %v", i, held)
		}
		if i%2 == 1 {
			release(t, lock)
		}
	}
}

func acquireWaits(t *testing.T, b *bench) {
	first := b.open(t)
	second := b.open(t, func(d *mutex.Definition) { d.Wait = mutex.Forever })
	lock := acquire(t, first)
	got := make(chan error)
	go func() {
		_, err := second.AcquireLock(t.Context())
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("acquire returned %v while the lock was held", err)
	case <-time.After(60 * time.Millisecond):
	}
	released := time.Now()
	release(t, lock)
	if err := <-got; err != nil {
		t.Error(err)
	}
	took(t, released, 30*time.Millisecond) // the retry interval and its jitter
}

func waitEndsWithTheContext(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	defer release(t, lock)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 60*time.Millisecond, errors.New("enough"))
	defer cancel()
	start := time.Now()
	_, err := m.AcquireLock(ctx, mutex.WithWait(mutex.Forever))
	took(t, start, 60*time.Millisecond)
	wantError(t, err, context.DeadlineExceeded, mutex.ErrAlreadyLocked)
	wantText(t, err, "enough", "already locked")
	_, err = m.AcquireLock(cancelled(t), mutex.WithWait(mutex.Forever))
	wantError(t, err, context.Canceled)
}

func waitEndsInTime(t *testing.T, b *bench) {
	const wait = 80 * time.Millisecond
	m := b.open(t, func(d *mutex.Definition) { d.Wait = wait })
	lock := acquire(t, m)
	defer release(t, lock)
	for _, options := range [][]mutex.AcquireOption{nil, {mutex.WithWait(wait / 2)}} {
		least := wait / time.Duration(1+len(options))
		start := time.Now()
		_, err := m.AcquireLock(t.Context(), options...)
		if d := time.Since(start); d < least {
			t.Errorf("gave up after %v; want to wait %v", d, least)
		}
		took(t, start, least)
		wantError(t, err, mutex.ErrAlreadyLocked)
	}
	start := time.Now()
	_, err := m.AcquireLock(t.Context(), mutex.WithWait(0))
	wantError(t, err, mutex.ErrAlreadyLocked)
	took(t, start, 0)
}

func maxRetryCounts(t *testing.T, b *bench) {
	attempts := make(chan int, 1)
	d := with(b.on(b.urls...), func(d *mutex.Definition) { d.MaxRetry = 3 })
	set := open(t, d, mutex.WithTrace(&mutex.Trace{
		Refused: func(_ context.Context, e mutex.Event) { attempts <- e.Attempts },
	}))
	m := at(set, b.key)
	lock := acquire(t, b.open(t)) // another process: one that holds the lock itself has nobody to ask
	start := time.Now()
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	// One more may be made to get in line, and one when the servers have begun to tell of releases.
	if n := <-attempts; n < 4 || n > 6 {
		t.Errorf("%d attempts; want 4, and at most two to get in line", n)
	}
	if d := time.Since(start); d < 3*10*time.Millisecond { // three pauses of 20 ms ± 10 ms
		t.Errorf("took %v; want three pauses", d)
	}
	release(t, lock)
}

func parametersMakeLocks(t *testing.T, b *bench) {
	set := open(t, b.on(b.urls...))
	transfer := func(accountID int64) mutex.Mutex[counter] {
		return mutex.At[counter](set.Opened("Counter"), mutex.NewKey(b.key+":").Int64("account_id", accountID).Text(":transfer"))
	}
	first, second := acquire(t, transfer(1)), acquire(t, transfer(2))
	_, err := transfer(1).AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if want := b.key + ":1:transfer"; first.Key() != want {
		t.Errorf("key %q; want %q", first.Key(), want)
	}
	b.wantEverywhere(t, b.key+":2:transfer")
	release(t, first)
	release(t, second)
}

func keyPicksTheGroup(t *testing.T, b *bench) {
	d := b.on()
	for _, url := range b.urls {
		d.Cluster = append(d.Cluster, []string{url})
	}
	set := open(t, d)
	for key, group := range ringChoices(t, len(b.urls)) {
		lock := acquire(t, at(set, key))
		for i, value := range b.values(t, key) {
			if (value != "") != (i == group) {
				t.Errorf("key %q: node %d holds %q; the group is %d", key, i, value, group)
			}
		}
		if exists, err := at(set, key).ExistsLock(t.Context()); !exists || err != nil {
			t.Errorf("key %q: exists %v, %v", key, exists, err)
		}
		release(t, lock)
		b.wantNowhere(t, key)
	}
}
