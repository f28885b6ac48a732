package mutex_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/mutex"
)

func lockHasAToken(t *testing.T, b *bench) {
	lock := acquire(t, b.open(t))
	if (lock.Token() > 0) != b.fenced {
		t.Errorf("token %d", lock.Token())
	}
	// Exact in a float64, which is what JSON's numbers are to some.
	if exact := int64(float64(lock.Token())); exact != lock.Token() || lock.Token() >= 1<<53 {
		t.Errorf("token %d is %d as a float", lock.Token(), exact)
	}
	counters := b.values(t, "{"+b.key+"}:fence")
	some := 0
	for _, counter := range counters {
		if counter != "" {
			some++
		}
	}
	if (some > len(counters)/2) != b.fenced || some > 0 && !b.fenced {
		t.Errorf("counters: %q", counters)
	}
	release(t, lock)
	if after := lock.Token(); (after > 0) != b.fenced {
		t.Errorf("token %d after the release", after)
	}
}

// order checks that tokens come in the order in which locks are got.
type order struct {
	mu   sync.Mutex // guards last
	last int64
}

func (o *order) next(t *testing.T, token int64) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if token <= o.last {
		t.Errorf("token %d after %d", token, o.last)
	}
	o.last = token
}

func tokensIncrease(t *testing.T, b *bench) {
	if !b.fenced {
		t.Skip("without fencing there are no tokens")
	}
	var seen order
	one, other := b.open(t), b.open(t)
	for range 5 {
		for _, m := range []mutex.Mutex[counter]{one, other} {
			lock := acquire(t, m)
			seen.next(t, lock.Token())
			release(t, lock)
		}
	}
	// Handed over in a process, and to another.
	var all sync.WaitGroup
	for _, m := range []mutex.Mutex[counter]{one, one, other, other} {
		all.Go(func() {
			for range 10 {
				if err := m.Synchronize(t.Context(), func(ctx context.Context) error {
					seen.next(t, mutex.Token(ctx))
					return nil
				}, mutex.WithWait(mutex.Forever)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// Of a lock that expired, or was deleted.
	short := b.open(t, shortLived)
	expired := acquire(t, short, mutex.WithExpiration(400*time.Millisecond))
	seen.next(t, expired.Token())
	<-expired.Done()
	next := acquire(t, other, mutex.WithWait(soon))
	seen.next(t, next.Token())
	for _, node := range b.nodes {
		node.Del(t.Context(), b.key)
	}
	last := acquire(t, one, mutex.WithWait(soon)) // a node may have heard of the former one only after that
	seen.next(t, last.Token())
	release(t, last)
}

func tokenIsKept(t *testing.T, b *bench) {
	m := b.open(t)
	lock := acquire(t, m)
	token := lock.Token()
	for range 3 {
		if err := m.ExtendLock(t.Context(), lock, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if lock.Token() != token {
		t.Errorf("extensions have made %d of the token %d", lock.Token(), token)
	}
	release(t, lock)
	if !b.fenced {
		return
	}
	next := acquire(t, m)
	if next.Token() <= token {
		t.Errorf("token %d after %d", next.Token(), token)
	}
	release(t, next)
}

func renewalKeepsTheToken(t *testing.T, b *bench) {
	m, other := b.openWarm(t, renewing), b.openWarm(t)
	lock := acquire(t, m, mutex.WithRenewal())
	token, first := lock.Token(), lock.Until()
	eventually(t, "the lock is renewed", func() bool { return lock.Until().Sub(first) > brief/2 })
	if lock.Token() != token {
		t.Errorf("renewal has made %d of the token %d", lock.Token(), token)
	}
	release(t, lock)
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		token := mutex.Token(ctx)
		b.wantKept(t, other, 3*brief/2)
		if mutex.Token(ctx) != token || (token > lock.Token()) != b.fenced {
			t.Errorf("token %d, at first %d; that of the lock before was %d", mutex.Token(ctx), token, lock.Token())
		}
		return context.Cause(ctx)
	})
	if err != nil {
		t.Error(err)
	}
}

func synchronizeTellsTheToken(t *testing.T, b *bench) {
	set := open(t, b.on(b.urls...))
	outer, inner := at(set, b.key), at(set, b.key+" inside")
	bare := at(open(t, on(b.urls...)), b.key+" without fencing")
	type name struct{}
	run := func(m mutex.Mutex[counter], ctx context.Context, fn func(ctx context.Context, token int64)) {
		t.Helper()
		if err := m.Synchronize(ctx, func(ctx context.Context) error { fn(ctx, mutex.Token(ctx)); return nil }); err != nil {
			t.Error(err)
		}
	}
	// So that the tokens of one are told from those of the other.
	ahead := (time.Now().Unix() + 3600) << 20
	for _, node := range b.nodes {
		if err := node.Set(t.Context(), "{"+b.key+" inside}:fence", ahead, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	run(outer, t.Context(), func(ctx context.Context, token int64) {
		if (token > 0) != b.fenced || token > ahead {
			t.Errorf("token %d", token)
		}
		derived, cancel := context.WithCancel(context.WithValue(ctx, name{}, "value"))
		cancel()
		if mutex.Token(derived) != token || mutex.Token(context.WithoutCancel(derived)) != token {
			t.Error("a context that is derived has another token")
		}
		run(inner, ctx, func(_ context.Context, of int64) {
			if (of > ahead) != b.fenced {
				t.Errorf("inside: token %d", of)
			}
		})
		run(bare, ctx, func(_ context.Context, of int64) {
			if of != 0 {
				t.Errorf("inside, without fencing: token %d", of)
			}
		})
		if mutex.Token(ctx) != token {
			t.Errorf("token %d, was %d", mutex.Token(ctx), token)
		}
	})
	token, err := mutex.Result(t.Context(), outer, func(ctx context.Context) (int64, error) { return mutex.Token(ctx), nil })
	if (token > 0) != b.fenced || err != nil {
		t.Errorf("result: token %d, %v", token, err)
	}
}
