package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// notes is a log or a trace, line by line.
type notes struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

// Write takes a line of a slog handler.
func (n *notes) Write(line []byte) (int, error) {
	n.add("%s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// with returns the lines that have every part.
func (n *notes) with(parts ...string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.lines), func(line string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

func (n *notes) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(n, &slog.HandlerOptions{Level: level}))
}

func (n *notes) trace() *mutex.Trace {
	return &mutex.Trace{
		Acquired: func(_ context.Context, e mutex.Event) {
			n.add("acquired %s %s after %d, %t", e.Mutex, e.Key, e.Attempts, e.Took > 0 && e.Waited == 0)
		},
		Refused: func(_ context.Context, e mutex.Event) {
			n.add("refused %s %s after %d, %t: %v", e.Mutex, e.Key, e.Attempts, e.Took > 0 && e.Waited == 0, e.Err)
		},
		Extended: func(_ context.Context, e mutex.Event) {
			n.add("extended %s %s, %t: %v", e.Mutex, e.Key, e.Took > 0, e.Err)
		},
		Released: func(_ context.Context, e mutex.Event) {
			n.add("released %s %s, %t: %v", e.Mutex, e.Key, e.Held > e.Took && e.Took > 0, e.Err)
		},
		Lost:       func(e mutex.Event) { n.add("lost %s %s, %t: %v", e.Mutex, e.Key, e.Held > 0, e.Err) },
		NodeOpened: func(node string) { n.add("opened %s", node) },
		NodeDown:   func(node string, err error) { n.add("down %s: %v", node, err) },
		NodeUp:     func(node string) { n.add("up %s", node) },
	}
}

func TestTraceIsToldOfEveryOperation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var n notes
	set := open(t, hasty(on(server.URL())), mutex.WithTrace(n.trace()))
	m := at(set, "k")
	lock := acquire(t, m)
	if _, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
		t.Error(err)
	}
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	release(t, lock)
	wantError(t, mutex.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrNotHeld)
	acquire(t, m, mutex.WithExpiration(300*time.Millisecond))
	eventually(t, "the loss is reported", func() bool { return len(n.with("lost")) == 1 })
	n.mu.Lock()
	want := []string{
		"opened " + server.Addr(),
		"acquired Counter k after 1, true",
		"refused Counter k after 1, true: acquire Counter (key \"k\"): already locked",
		"extended Counter k, true: <nil>",
		"released Counter k, true: <nil>",
		"extended Counter k, true: extend Counter (key \"k\"): lock not held",
		"acquired Counter k after 1, true",
		"lost Counter k, true: mutex: lock lost: its validity ended",
	}
	same := slices.EqualFunc(n.lines, want, strings.HasPrefix)
	lines := strings.Join(n.lines, "\n")
	n.mu.Unlock()
	if !same {
		t.Errorf("trace is\n%s\nwant\n%s", lines, strings.Join(want, "\n"))
	}

	server.Kill()
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	eventually(t, "the node's end is reported", func() bool { return len(n.with("down "+server.Addr())) == 1 })
	server.Restart()
	eventually(t, "the node's return is reported", func() bool { return len(n.with("up "+server.Addr())) == 1 })
}

func TestTraceMayBePartial(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := at(open(t, hasty(on(server.URL())), mutex.WithTrace(&mutex.Trace{})), "k")
	lock := acquire(t, m, mutex.WithExpiration(600*time.Millisecond))
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if err := mutex.ExtendLock(t.Context(), lock, 300*time.Millisecond); err != nil {
		t.Error(err)
	}
	<-lock.Done()
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNotHeld)
	server.Kill()
	_, err = m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
}

func TestLogTellsOfTroubleOnly(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var n notes
	m := at(open(t, hasty(on(server.URL())), mutex.WithLogger(n.logger(slog.LevelInfo))), "k")
	for range 20 {
		lock := acquire(t, m)
		_, err := m.AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
			t.Error(err)
		}
		release(t, lock)
	}
	if got := n.with("level="); len(got) != 0 {
		t.Errorf("ordinary operations are logged: %q", got)
	}

	acquire(t, m, mutex.WithExpiration(300*time.Millisecond))
	eventually(t, "the loss is logged", func() bool {
		return len(n.with("level=ERROR", "lock lost", "mutex=Counter", "key=k", "validity ended")) == 1
	})
	err := m.Synchronize(t.Context(), func(context.Context) error {
		server.Kill()
		return nil
	}, mutex.WithWait(soon)) // the nodes keep the lost lock's key a little longer
	if err != nil {
		t.Errorf("the release failed after fn had done its work: %v; want no error", err)
	}
	if got := n.with("level=WARN", "not released", "mutex=Counter", "key=k", server.Addr()); len(got) != 1 {
		t.Errorf("a release failed; the log says %q", n.with(""))
	}
	eventually(t, "the node's end is logged", func() bool { return len(n.with("level=WARN", "node down", server.Addr())) == 1 })
	server.Restart()
	eventually(t, "the node's return is logged", func() bool { return len(n.with("level=INFO", "node up", server.Addr())) == 1 })
}
