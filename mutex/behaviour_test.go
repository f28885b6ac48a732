package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// targets are what every behaviour holds on.
var targets = []struct {
	name string
	urls func(t *testing.T) []string
}{
	{"1 server", func(t *testing.T) []string { return urls(redistest.StartN(t, 1)) }},
	{"1 server that speaks RESP2", func(t *testing.T) []string { return []string{redistest.Start(t).URL() + "?protocol=2"} }},
	{"3 servers", func(t *testing.T) []string { return urls(redistest.StartN(t, 3)) }},
	{"5 servers", func(t *testing.T) []string { return urls(redistest.StartN(t, 5)) }},
	{"1 embedded", func(t *testing.T) []string { return []string{mutextest.Run(t).URL()} }},
	{"3 embedded", func(t *testing.T) []string { return mutextest.RunQuorum(t, 3).URLs() }},
}

// behaviours are the specification, one statement each.
var behaviours = []struct {
	statement string
	test      func(t *testing.T, b *bench)
}{
	{"a lock is a string key with an expiration on every node", lockIsAKey},
	{"a second acquire is refused", secondAcquireIsRefused},
	{"other keys are independent", otherKeysAreIndependent},
	{"an acquire waits until the lock is released", acquireWaits},
	{"an acquire that waits forever ends with its context", waitEndsWithTheContext},
	{"a wait ends in time", waitEndsInTime},
	{"max_retry is a number of further attempts", maxRetryCounts},
	{"an expired lock is the next one's, and its old owner cannot touch it", expiryLetsTheNextIn},
	{"an extension counts from now", extensionCountsFromNow},
	{"an extension of what is no expiration changes nothing", extensionIsChecked},
	{"exists tells whether anybody holds the lock", existsTells},
	{"release ignores its context", releaseIgnoresItsContext},
	{"a lock is released once", lockIsReleasedOnce},
	{"a lock whose key was deleted is not held", deletedKeyIsNotHeld},
	{"synchronize runs fn under the lock", synchronizeHolds},
	{"synchronize releases when fn panics or ends its goroutine", synchronizeReleases},
	{"synchronize tells fn when the lock ends", synchronizeTells},
	{"synchronize reports a lock that was taken away", synchronizeReports},
	{"synchronize passes on its context's end", synchronizePassesOn},
	{"result returns what fn returns", resultReturns},
	{"key parameters make independent locks", parametersMakeLocks},
	{"held lists the locks of this process", heldLists},
	{"close ends locks and waits", closeEnds},
	{"the key picks the group", keyPicksTheGroup},
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			urls := target.urls(t)
			for _, behaviour := range behaviours {
				t.Run(behaviour.statement, func(t *testing.T) {
					t.Parallel()
					b := &bench{urls: urls, key: behaviour.statement}
					for _, url := range urls {
						b.nodes = append(b.nodes, client(t, url))
					}
					behaviour.test(t, b)
				})
			}
		})
	}
}

// bench is where one behaviour is tried: nodes shared with the others, and a key that is its own.
type bench struct {
	urls  []string
	nodes []*redis.Client
	key   string
}

// open is the mutex at the bench's key.
func (b *bench) open(t *testing.T, change ...func(d *mutex.Definition)) mutex.Mutex[counter] {
	d := on(b.urls...)
	for _, c := range change {
		c(&d)
	}
	return at(open(t, d), b.key)
}

// shortLived makes room for expirations of some 300 ms.
func shortLived(d *mutex.Definition) { d.NodeTimeout = nodeTimeout }

// values are what stands at a key on each node; empty where there is nothing.
func (b *bench) values(t *testing.T, key string) []string {
	t.Helper()
	values := make([]string, len(b.nodes))
	for i, node := range b.nodes {
		value, err := node.Get(t.Context(), key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		values[i] = value
	}
	return values
}

// wantEverywhere waits until every node holds the same value at a key, and returns it.
func (b *bench) wantEverywhere(t *testing.T, key string) string {
	t.Helper()
	var owner string
	eventually(t, "one value on every node", func() bool {
		values := b.values(t, key)
		owner = values[0]
		for _, v := range values {
			if v == "" || v != owner {
				return false
			}
		}
		return true
	})
	return owner
}

// wantQuorum returns the value that a quorum of nodes holds at a key.
func (b *bench) wantQuorum(t *testing.T, key string) string {
	t.Helper()
	votes := make(map[string]int)
	values := b.values(t, key)
	for _, value := range values {
		votes[value]++
		if value != "" && votes[value] > len(values)/2 {
			return value
		}
	}
	t.Errorf("no quorum holds one value at %q: %q", key, values)
	return ""
}

// wantNowhere waits until no node holds anything at a key.
func (b *bench) wantNowhere(t *testing.T, key string) {
	t.Helper()
	eventually(t, "nothing at "+key, func() bool { return strings.Join(b.values(t, key), "") == "" })
}

// remaining is the shortest and the longest remaining life of a key.
func (b *bench) remaining(t *testing.T, key string) (shortest, longest time.Duration) {
	t.Helper()
	shortest = math.MaxInt64
	for _, node := range b.nodes {
		ttl, err := node.PTTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		shortest, longest = min(shortest, ttl), max(longest, ttl)
	}
	return shortest, longest
}

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
	set := open(t, on(b.urls...))
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
	d := with(on(b.urls...), func(d *mutex.Definition) { d.MaxRetry = 3 })
	set := open(t, d, mutex.WithTrace(&mutex.Trace{
		Refused: func(_, _ string, n int, _ time.Duration, _ error) { attempts <- n },
	}))
	m := at(set, b.key)
	lock := acquire(t, m)
	start := time.Now()
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if n := <-attempts; n != 4 {
		t.Errorf("%d attempts; want 4", n)
	}
	if d := time.Since(start); d < 3*10*time.Millisecond { // three pauses of 20 ms ± 10 ms
		t.Errorf("took %v; want three pauses", d)
	}
	release(t, lock)
}

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
	for _, expiration := range []time.Duration{time.Minute, 2 * time.Second, time.Hour} {
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

func parametersMakeLocks(t *testing.T, b *bench) {
	set := open(t, on(b.urls...))
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

func heldLists(t *testing.T, b *bench) {
	set := open(t, hasty(on(b.urls...)))
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
	set := open(t, on(b.urls...))
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

func keyPicksTheGroup(t *testing.T, b *bench) {
	d := on()
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
