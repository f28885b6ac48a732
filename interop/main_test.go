package interop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/interop/locks"
	"github.com/mutexgen/mutexgen/interop/rival"
	"github.com/mutexgen/mutexgen/mutex"
)

// TestMain has eight tests at once, however many cores there are: most of them wait for something to expire.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "8")
	}
	// redlock-go cannot be closed: its connections' keepers stay.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/go-redis/redis/v8/internal/pool.(*ConnPool).reaper"))
}

// everybody is every library that locks as we do.
var everybody = []rival.Library{
	rival.Redlock4, rival.Redlock5, rival.Redsync, rival.Redislock, rival.RedisPy,
	rival.Lyokato, rival.RedMutex, rival.RedlockEx, rival.RedlockGo, rival.Redisson,
}

// soon bounds the wait for what happens in the background, on a machine that is busy with other tests.
const soon = 10 * time.Second

// brief is an expiration of ours that a test can wait for. It leaves room for the nodes' budget.
const brief = 2 * time.Second

// meeting is where a library meets ours: one server or a quorum of them.
type meeting struct {
	t       *testing.T
	library rival.Library
	servers []*redistest.Server
	theirs  rival.Locker
	set     *locks.Mutexes
	// fact is part of all names, so that facts don't meet.
	fact string
}

// fact is something that holds wherever a library meets ours.
type fact struct {
	name  string
	holds func(m *meeting)
	// of is whom it concerns, if not everybody.
	of func(l rival.Library) bool
}

// only is of for some libraries.
func only(libraries ...rival.Library) func(rival.Library) bool {
	return func(l rival.Library) bool {
		return slices.ContainsFunc(libraries, func(one rival.Library) bool { return one.Name == l.Name })
	}
}

// meet runs the facts with each library on one node, and on three if it can.
func meet(t *testing.T, libraries []rival.Library, facts []fact) {
	t.Parallel()
	for _, library := range libraries {
		for _, nodes := range []int{1, 3} {
			if nodes > 1 && !library.Quorum {
				continue
			}
			t.Run(fmt.Sprintf("%s/nodes=%d", library.Name, nodes), func(t *testing.T) {
				t.Parallel()
				all := newMeeting(t, library, nodes)
				for i, f := range facts {
					if f.of != nil && !f.of(library) {
						continue
					}
					t.Run(f.name, func(t *testing.T) {
						t.Parallel()
						m := *all
						m.t, m.fact = t, fmt.Sprint("fact", i, ":")
						f.holds(&m)
					})
				}
			})
		}
	}
}

func newMeeting(t *testing.T, library rival.Library, nodes int) *meeting {
	t.Helper()
	m := &meeting{t: t, library: library, servers: redistest.StartN(t, nodes)}
	m.theirs = library.Open(t, m.urls()...)
	m.set = m.open()
	return m
}

func (m *meeting) urls() []string {
	var urls []string
	for _, s := range m.servers {
		urls = append(urls, s.URL())
	}
	return urls
}

// open opens our mutexes on the nodes, as a process of its own would.
func (m *meeting) open() *locks.Mutexes {
	m.t.Helper()
	set, err := locks.Open(mutex.WithServers(mutex.AllMutexes, m.urls()...))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { set.Close() })
	return set
}

// name is what the library is told to lock, key what it locks then.
func (m *meeting) name(of string) string {
	if m.prefixes() {
		return m.fact + of
	}
	return "resource:" + m.fact + of
}

func (m *meeting) key(of string) string { return m.library.Key(m.name(of)) }

// prefixes says whether the library puts something before a name.
func (m *meeting) prefixes() bool { return m.library.Key("") != "" }

// ours is the generated mutex, of whatever type, that locks the same as the library.
func (m *meeting) ours(of string) ours { return m.oursIn(m.set, of) }

func (m *meeting) oursIn(set *locks.Mutexes, of string) ours {
	if m.prefixes() {
		return wrap(set.Prefixed.For(m.fact + of))
	}
	return wrap(set.Resource.For(m.fact + of))
}

// ours is a generated mutex at a key, whatever its type.
type ours struct {
	mutex.Synchronizer
	Acquire func(ctx context.Context, options ...mutex.AcquireOption) (ourLock, error)
	Exists  func(ctx context.Context) (bool, error)
}

// ourLock is a lock of ours, whatever its type.
type ourLock struct {
	Token   int64
	Until   func() time.Time
	Err     func() error
	Extend  func(ctx context.Context, expiration time.Duration) error
	Release func(ctx context.Context) error
}

func wrap[M any](m mutex.Mutex[M]) ours {
	return ours{
		Synchronizer: m,
		Acquire: func(ctx context.Context, options ...mutex.AcquireOption) (ourLock, error) {
			lock, err := m.AcquireLock(ctx, options...)
			if err != nil {
				return ourLock{}, err
			}
			return ourLock{
				Token: lock.Token(), Until: lock.Until, Err: lock.Err,
				Extend: func(ctx context.Context, expiration time.Duration) error {
					return mutex.ExtendLock(ctx, lock, expiration)
				},
				Release: func(ctx context.Context) error { return mutex.ReleaseLock(ctx, lock) },
			}, nil
		},
		Exists: m.ExistsLock,
	}
}

// wait is for acquires of ours that are to succeed in the end.
var wait = mutex.WithWait(soon)

func (m *meeting) weAcquire(of string, options ...mutex.AcquireOption) ourLock {
	m.t.Helper()
	lock, err := m.ours(of).Acquire(m.t.Context(), options...)
	if err != nil {
		m.t.Fatalf("ours: %v", err)
	}
	return lock
}

func (m *meeting) theyAcquire(expiration time.Duration, of ...string) rival.Lock {
	m.t.Helper()
	var names []string
	for _, o := range of {
		names = append(names, m.name(o))
	}
	lock, err := m.theirs.Acquire(m.t.Context(), expiration, names...)
	if err != nil {
		m.t.Fatalf("theirs: %v", err)
	}
	m.everyNodeHas(of...)
	return lock
}

// everyNodeHas waits until the keys are everywhere: a quorum is enough for a lock, the others hear of it a little later.
func (m *meeting) everyNodeHas(of ...string) {
	m.t.Helper()
	for _, o := range of {
		for _, s := range m.servers {
			eventually(m.t, "every node has "+m.key(o), func() bool { return s.CLI("EXISTS", m.key(o)) == "1" })
		}
	}
}

// everyNodeIsRidOf waits until the keys are nowhere.
func (m *meeting) everyNodeIsRidOf(of ...string) {
	m.t.Helper()
	for _, o := range of {
		for _, s := range m.servers {
			eventually(m.t, "no node has "+m.key(o), func() bool { return s.CLI("EXISTS", m.key(o)) == "0" })
		}
	}
}

// weAreRefused wants ours to be refused, and to see that the lock exists.
func (m *meeting) weAreRefused(of string) {
	m.t.Helper()
	lock, err := m.ours(of).Acquire(m.t.Context())
	if err == nil {
		m.t.Errorf("ours got %s, which is theirs", of)
		_ = lock.Release(m.t.Context())
	} else if !errors.Is(err, mutex.ErrAlreadyLocked) {
		m.t.Errorf("ours, refused %s: %v", of, err)
	}
	if exists, err := m.ours(of).Exists(m.t.Context()); !exists || err != nil {
		m.t.Errorf("their lock of %s exists, says ours: %v, %v", of, exists, err)
	}
}

func (m *meeting) theyAreRefused(of ...string) {
	m.t.Helper()
	var names []string
	for _, o := range of {
		names = append(names, m.name(o))
	}
	lock, err := m.theirs.Acquire(m.t.Context(), time.Minute, names...)
	if err == nil {
		m.t.Errorf("theirs got %q, of which one is ours", of)
		_ = lock.Release(m.t.Context())
	} else if !errors.Is(err, rival.ErrTaken) {
		m.t.Errorf("theirs, refused %q: %v", of, err)
	}
}

// deleteEverywhere is what an operator does, or a server that loses its data.
func (m *meeting) deleteEverywhere(of string) {
	m.t.Helper()
	for _, s := range m.servers {
		s.CLI("DEL", m.key(of))
	}
}

// stands returns what each node has at the key, and until when: two that are equal saw no change between them but time.
func (m *meeting) stands(of string) []string {
	m.t.Helper()
	var all []string
	for _, s := range m.servers {
		all = append(all, s.CLI("DUMP", m.key(of))+" until "+s.CLI("PEXPIRETIME", m.key(of)))
	}
	return all
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", soon, what)
		}
	}
}
