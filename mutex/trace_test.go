package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestTraceIsToldOfEveryVote(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	servers[2].Kill()
	var n notes
	m := at(open(t, hasty(on(servers[0].URL(), servers[1].URL(), servers[2].URL())), mutex.WithTrace(&mutex.Trace{
		Vote: func(e mutex.Event) {
			n.add("%s %s %s %s %s, %t, %t", e.Op, e.Mutex, e.Key, e.Node, e.Answer, e.Took > 0, e.Err != nil)
		},
	})), "k")
	told := func(op, answer string, node int, failed bool) func() bool {
		line := fmt.Sprintf("%s Counter k %s %s, true, %t", op, servers[node].Addr(), answer, failed)
		return func() bool { return len(n.with(line)) > 0 }
	}
	lock := acquire(t, m)
	eventually(t, "the first node's vote is told", told("acquire", "granted", 0, false))
	eventually(t, "the second node's vote is told", told("acquire", "granted", 1, false))
	eventually(t, "the dead node's vote is told", told("acquire", "down", 2, true))
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	eventually(t, "a refusal is told", func() bool { // one is enough with the dead node's, so the other may not be asked any more
		return told("acquire", "taken", 0, false)() || told("acquire", "taken", 1, false)()
	})
	if exists, err := m.ExistsLock(t.Context()); err != nil || !exists {
		t.Errorf("exists %t, %v", exists, err)
	}
	eventually(t, "what exists finds is told", told("exists", "granted", 0, false))
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	eventually(t, "an extension is told", told("extend", "granted", 0, false))
	release(t, lock)
	eventually(t, "a release is told", told("release", "granted", 1, false))
}

// TestTraceTellsHowAnAcquireWaited holds what the callbacks of one acquire say against each other.
func TestTraceTellsHowAnAcquireWaited(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	type contextKey struct{}
	ctx := context.WithValue(t.Context(), contextKey{}, "the caller's")
	var mu sync.Mutex
	var attempts []mutex.Event
	var waiting, acquired []mutex.Event
	into := func(list *[]mutex.Event) func(context.Context, mutex.Event) {
		return func(ctx context.Context, e mutex.Event) {
			mu.Lock()
			defer mu.Unlock()
			if ctx.Value(contextKey{}) == nil {
				t.Error("the context is not the caller's")
			}
			*list = append(*list, e)
		}
	}
	holder := acquire(t, at(open(t, on(server.URL())), "k"))
	m := at(open(t, with(on(server.URL()), func(d *mutex.Definition) { d.Wait = mutex.Forever }), mutex.WithTrace(&mutex.Trace{
		Attempt: into(&attempts), Waiting: into(&waiting), Acquired: into(&acquired),
		Refused: func(_ context.Context, e mutex.Event) { t.Errorf("refused: %v", e.Err) },
	})), "k")
	const pause = 100 * time.Millisecond
	time.AfterFunc(pause, func() { mutex.ReleaseLock(context.Background(), holder) })
	lock, err := m.AcquireLock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer mutex.ReleaseLock(ctx, lock)
	mu.Lock()
	defer mu.Unlock()
	if len(waiting) != 1 || waiting[0].Attempts != 1 {
		t.Errorf("waiting is told as %+v; want once, after one attempt", waiting)
	}
	if len(acquired) != 1 || acquired[0].Attempts != len(attempts) || acquired[0].Err != nil ||
		acquired[0].Waited < pause/2 || acquired[0].Took < acquired[0].Waited {
		t.Errorf("acquired is told as %+v; want one, of %d attempts, most of it a wait of %v", acquired, len(attempts), pause)
	}
	for i, e := range attempts {
		if last := i == len(attempts)-1; e.Attempts != i+1 || e.Took <= 0 || e.Took > acquired[0].Took || (e.Err == nil) != last {
			t.Errorf("attempt %d of %d is told as %+v", i+1, len(attempts), e)
		}
	}
}

func TestRenewalsAreTracedApartFromExtensions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var n notes
	m := at(open(t, hasty(on(server.URL())), mutex.WithTrace(&mutex.Trace{
		Extended: func(_ context.Context, e mutex.Event) { n.add("extended %v", e.Err) },
		Renewed:  func(e mutex.Event) { n.add("renewed %s %s, %t: %v", e.Mutex, e.Key, e.Took > 0, e.Err) },
	})), "k")
	lock := acquire(t, m, mutex.WithRenewal(), mutex.WithExpiration(300*time.Millisecond))
	eventually(t, "a renewal is told", func() bool { return len(n.with("renewed Counter k, true: <nil>")) > 0 })
	server.Kill()
	eventually(t, "a renewal that failed is told", func() bool { return len(n.with("renewed Counter k, true: extend", "no quorum")) > 0 })
	<-lock.Done()
	if got := n.with("extended"); len(got) > 0 {
		t.Errorf("nobody extended, but the trace says %q", got)
	}
}

func TestSynchronizeRunsInTheContextOfItsTrace(t *testing.T) {
	t.Parallel()
	type contextKey struct{}
	server := redistest.Start(t)
	var n notes
	span := func(name string) *mutex.Trace {
		return &mutex.Trace{
			Synchronize: func(ctx context.Context, mutex, key string) (context.Context, func(error)) {
				outer, _ := ctx.Value(contextKey{}).(string)
				n.add("%s begins %s %s", outer+name, mutex, key)
				return context.WithValue(ctx, contextKey{}, outer+name), func(err error) { n.add("%s ends: %v", name, err) }
			},
			Acquired: func(ctx context.Context, e mutex.Event) { n.add("%s acquired in %v", name, ctx.Value(contextKey{})) },
			Released: func(ctx context.Context, e mutex.Event) { n.add("%s released in %v", name, ctx.Value(contextKey{})) },
		}
	}
	silent := &mutex.Trace{Synchronize: func(context.Context, string, string) (context.Context, func(error)) { return nil, nil }}
	m := at(open(t, hasty(on(server.URL())),
		mutex.WithTrace(span("a")), mutex.WithTrace(nil), mutex.WithTrace(silent), mutex.WithTrace(span("b"))), "k")
	wrong := errors.New("wrong")
	err := m.Synchronize(t.Context(), func(ctx context.Context) error {
		n.add("fn in %v", ctx.Value(contextKey{}))
		return wrong
	})
	wantError(t, err, wrong)
	n.mu.Lock()
	lines := slices.Clone(n.lines)
	n.mu.Unlock()
	want := []string{
		"a begins Counter k", "ab begins Counter k", "a acquired in ab", "b acquired in ab", "fn in ab",
		"a released in ab", "b released in ab", "b ends: wrong", "a ends: wrong",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the traces say\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestTraceOfSynchronizeEndsHoweverItEnds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ends := make(chan error, 1)
	m := at(open(t, hasty(on(server.URL())), mutex.WithTrace(&mutex.Trace{
		Synchronize: func(context.Context, string, string) (context.Context, func(error)) {
			return nil, func(err error) { ends <- err }
		},
	})), "k")
	run := func(fn func(context.Context) error) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { recover() }()
			m.Synchronize(t.Context(), fn)
		}()
		<-done
		return <-ends
	}
	if err := run(func(context.Context) error { return nil }); err != nil {
		t.Errorf("a function that returned ends with %v", err)
	}
	for name, fn := range map[string]func(context.Context) error{
		"panic":  func(context.Context) error { panic("at the disco") },
		"goexit": func(context.Context) error { runtime.Goexit(); return nil },
	} {
		if err := run(fn); err == nil || !strings.Contains(err.Error(), "panicked or ended its goroutine") {
			t.Errorf("%s: the trace ends with %v", name, err)
		}
	}
	lock := acquire(t, m)
	wantError(t, run(func(context.Context) error { t.Error("fn ran without the lock"); return nil }), mutex.ErrAlreadyLocked)
	release(t, lock)
	wantError(t, run(func(ctx context.Context) error {
		server.Restart()
		return nil
	}), mutex.ErrLockLost)
}

func TestDebugLogTellsOfEveryLock(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var n notes
	m := at(open(t, hasty(on(server.URL())), mutex.WithLogger(n.logger(slog.LevelDebug))), "k")
	lock := acquire(t, m, mutex.WithRenewal(), mutex.WithExpiration(600*time.Millisecond))
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	eventually(t, "a renewal is logged", func() bool { return len(n.with("level=DEBUG", "lock renewed")) > 0 })
	release(t, lock)
	for _, want := range []string{"lock acquired", "lock not acquired", "lock extended", "lock released"} {
		if got := n.with("level=DEBUG", want, "mutex=Counter", "key=k", "took="); len(got) != 1 {
			t.Errorf("%q is logged %d times: %q", want, len(got), got)
		}
	}
	if got := n.with("level=", "lock"); len(got) != len(n.with("level=DEBUG")) {
		t.Errorf("ordinary operations are logged above debug: %q", got)
	}
	var none context.Context
	_, err = m.AcquireLock(none)
	if err == nil || len(n.with("level=DEBUG", "lock not acquired", "context is nil")) != 1 {
		t.Errorf("without a context: %v", err)
	}
}
