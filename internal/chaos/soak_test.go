package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/locks"
	"github.com/mutexgen/mutexgen/internal/chaos/report"
	"github.com/mutexgen/mutexgen/internal/chaos/storm"
	"github.com/mutexgen/mutexgen/internal/chaos/worker"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// TestSoak has sixteen goroutines do all that an application may do, on one node, a quorum and groups, while a node restarts
// or hangs now and then. It does so in laps. When all is quiet after the last, there must be no more memory in use than after
// the first, no keys, and no more goroutines and connections than the nodes are worth; and after Close no more than before
// Open.
func TestSoak(t *testing.T) {
	lap, laps := 3*time.Second, 2
	if *duration > 0 {
		lap = min(*duration/4, 5*time.Minute)
		laps = int(*duration / lap)
	}
	servers := redistest.StartN(t, 4)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL())
	}
	before := rest(t, nil, servers)
	opened, err := locks.Open(
		mutex.WithServers(mutex.AllMutexes, urls[1:]...),
		mutex.WithURL("Plain", urls[0]), mutex.WithURL("Fenced", urls[0]), mutex.WithURL("GuardedBrief", urls[0]),
		mutex.WithCluster("Grouped", urls[:1], urls[1:]), mutex.WithCluster("GroupedFenced", urls[:1], urls[1:]),
	)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(*seed, 3))
	table := &report.Table{Head: []string{"when", "locks:", "acquires refused:", "restarts and hangs:", "goroutines:", "open files:", "heap, KiB:", "keys:"}}
	add := func(when string, w work, r resting) {
		table.Add(when, w.locks, w.refused, w.faults, r.goroutines, r.files, r.heap>>10, r.keys)
	}
	add("before Open", work{}, before)
	var all work
	var first, last resting
	for i := range laps {
		w := runLap(t, opened, servers, lap, random.Uint64())
		last = rest(t, opened, servers)
		add(fmt.Sprintf("after %v", time.Duration(i+1)*lap), w, last)
		all.add(w)
		if i == 0 {
			first = last
		}
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
	after := rest(t, nil, servers)
	add("after Close", work{}, after)
	tell(t, "%d locks in %v:\n\n%v\n%v\n%v", all.locks, lap*time.Duration(laps), table, all.kindTable(), report.Place(*seed))

	first.goroutines, first.files = before.goroutines, before.files
	first.wantNoMore(t, "the first lap and the last", last, len(servers))
	before.wantNoMore(t, "Open and Close", after, 0)
	if all.locks < 200 {
		t.Errorf("%d locks: that shows little", all.locks)
	}
	for _, kind := range kinds {
		if all.kinds[kind.name] == 0 {
			t.Errorf("never: %s", kind.name)
		}
	}
}

// resting is what there is when nobody does anything.
type resting struct {
	goroutines, files, keys int
	heap                    uint64
}

// rest waits until locks that nobody released have expired, and until goroutines that have nothing to do any more have
// ended, and looks at what is left.
func rest(t *testing.T, opened *locks.Mutexes, servers []*redistest.Server) resting {
	t.Helper()
	var r resting
	for end, quiet := time.Now().Add(10*time.Second), 0; quiet < 5 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		now := resting{goroutines: runtime.NumGoroutine()}
		for _, s := range servers {
			now.keys += len(slices.DeleteFunc(s.Keys(), storm.Lasting))
		}
		held := 0
		if opened != nil {
			held = len(opened.Held())
		}
		quiet++
		if now != r || now.keys > 0 || held > 0 {
			r, quiet = now, 0
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err == nil {
		r.files = len(files)
	}
	runtime.GC()
	runtime.GC() // what pools kept goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.heap = m.HeapAlloc
	return r
}

// wantNoMore fails the test if there is more later: of memory and keys, and of goroutines and files more than each of some
// nodes may have in use (two connections with a flusher each, a subscription with its keeper and its reader, a timer).
func (r resting) wantNoMore(t *testing.T, between string, later resting, nodes int) {
	t.Helper()
	if later.goroutines > r.goroutines+5*nodes || later.files > r.files+3*nodes {
		t.Errorf("between %s: goroutines grew from %d to %d, open files from %d to %d",
			between, r.goroutines, later.goroutines, r.files, later.files)
	}
	if later.heap > r.heap+r.heap/5+1<<20 {
		t.Errorf("between %s: the heap grew from %d KiB to %d", between, r.heap>>10, later.heap>>10)
	}
	if later.keys > 0 {
		t.Errorf("%d keys are left", later.keys)
	}
}

// work is what was done.
type work struct {
	locks, refused, faults int
	kinds                  map[string]int
}

func (w *work) add(other work) {
	w.locks += other.locks
	w.refused += other.refused
	w.faults += other.faults
	if w.kinds == nil {
		w.kinds = make(map[string]int)
	}
	for name, n := range other.kinds {
		w.kinds[name] += n
	}
}

func (w *work) kindTable() *report.Table {
	table := &report.Table{Head: []string{"work", "times:"}}
	for _, name := range slices.Sorted(maps.Keys(w.kinds)) {
		table.Add(name, w.kinds[name])
	}
	return table
}

// runLap works for a while.
func runLap(t *testing.T, opened *locks.Mutexes, servers []*redistest.Server, length time.Duration, seed uint64) work {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	contestants := slices.Collect(maps.Values(worker.Contestants(opened)))
	var (
		workers sync.WaitGroup
		mu      sync.Mutex // guards all
		all     work
	)
	for i := range 16 {
		workers.Go(func() {
			w := soaker{t: t, rand: rand.New(rand.NewPCG(seed, uint64(i))), mutexes: contestants, done: work{kinds: make(map[string]int)}}
			for ctx.Err() == nil {
				w.turn(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(w.done)
		})
	}
	random := rand.New(rand.NewPCG(seed, 99))
	faults := 0
	for sleep(ctx, time.Duration(1+random.IntN(4))*length/10) {
		s := servers[random.IntN(len(servers))]
		switch faults++; random.IntN(3) {
		case 0:
			s.Restart()
		case 1:
			s.Pause()
			sleep(ctx, 300*time.Millisecond)
			s.Resume()
		case 2:
			s.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
	}
	workers.Wait()
	all.faults = faults
	return all
}

// sleep sleeps for d. False: ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// soaker is one goroutine that works.
type soaker struct {
	t       *testing.T
	rand    *rand.Rand
	mutexes []worker.Contestant
	done    work
}

// kinds are what it may do, each as often as the others.
var kinds = [...]struct {
	name string
	do   func(*soaker, context.Context, worker.Contestant)
}{
	{"acquire and release", func(s *soaker, ctx context.Context, m worker.Contestant) {
		s.release(ctx, m, s.acquire(ctx, m, s.resource(m)))
	}},
	{"contended, with a wait", func(s *soaker, ctx context.Context, m worker.Contestant) {
		s.release(ctx, m, s.acquire(ctx, m, s.few(), mutex.WithWait(s.upTo(500*time.Millisecond))))
	}},
	{"contended, until the context ends", func(s *soaker, ctx context.Context, m worker.Contestant) {
		ctx, cancel := context.WithTimeout(ctx, s.upTo(time.Second))
		defer cancel()
		s.release(ctx, m, s.acquire(ctx, m, s.few(), mutex.WithWait(mutex.Forever)))
	}},
	{"context cancelled meanwhile", func(s *soaker, ctx context.Context, m worker.Contestant) {
		ctx, cancel := context.WithTimeout(ctx, s.upTo(2*time.Millisecond))
		defer cancel()
		s.release(ctx, m, s.acquire(ctx, m, s.few(), mutex.WithWait(time.Second)))
	}},
	{"renewed", func(s *soaker, ctx context.Context, m worker.Contestant) {
		lock := s.acquire(ctx, m, s.resource(m), mutex.WithRenewal())
		if lock != nil {
			sleep(ctx, s.upTo(m.Expiration*3/2))
		}
		s.release(ctx, m, lock)
	}},
	{"extended", func(s *soaker, ctx context.Context, m worker.Contestant) {
		lock := s.acquire(ctx, m, s.resource(m))
		if lock != nil {
			_ = m.Extend(ctx, lock, m.Expiration/2+s.upTo(m.Expiration/2))
		}
		s.release(ctx, m, lock)
	}},
	{"abandoned", func(s *soaker, ctx context.Context, m worker.Contestant) {
		if lock := s.acquire(ctx, m, s.resource(m), mutex.WithExpiration(m.Expiration/2)); lock != nil {
			sleep(ctx, s.upTo(10*time.Millisecond))
		}
	}},
	{"Synchronize", func(s *soaker, ctx context.Context, m worker.Contestant) {
		err := m.At(s.few()).Synchronize(ctx, func(ctx context.Context) error {
			if token := mutex.Token(ctx); (token > 0) != m.Fencing {
				s.t.Errorf("%s: token %d", m.Name, token)
			}
			sleep(ctx, s.upTo(5*time.Millisecond))
			return nil
		}, mutex.WithWait(s.upTo(200*time.Millisecond)))
		if err == nil || errors.Is(err, mutex.ErrLockLost) {
			s.done.locks++
		} else {
			s.refused(m, err)
		}
	}},
}

func (s *soaker) turn(ctx context.Context) {
	kind := kinds[s.rand.IntN(len(kinds))]
	m := s.mutexes[s.rand.IntN(len(s.mutexes))]
	s.done.kinds[kind.name]++
	kind.do(s, ctx, m)
}

func (s *soaker) acquire(ctx context.Context, m worker.Contestant, resource string, options ...mutex.AcquireOption) worker.Lock {
	lock, err := m.Acquire(ctx, resource, options...)
	if err != nil {
		s.refused(m, err)
		return nil
	}
	s.done.locks++
	return lock
}

func (s *soaker) refused(m worker.Contestant, err error) {
	s.done.refused++
	if worker.WhyRefused(err) == "" {
		s.t.Errorf("%s: %v", m.Name, err)
	}
}

func (s *soaker) release(ctx context.Context, m worker.Contestant, lock worker.Lock) {
	if lock == nil {
		return
	}
	if err := m.Release(ctx, lock); err != nil && !errors.Is(err, mutex.ErrNotHeld) && !errors.Is(err, mutex.ErrNoQuorum) {
		s.t.Errorf("%s: %v", m.Name, err)
	}
}

// few is one of a few resources that all contend for.
func (s *soaker) few() string { return fmt.Sprint(s.rand.IntN(3)) }

// resource is one that nobody else uses, or ever will again, unless the mutex leaves a counter for each.
func (s *soaker) resource(m worker.Contestant) string {
	if m.Fencing {
		return fmt.Sprint("own ", s.rand.IntN(1000))
	}
	return fmt.Sprint("own ", s.rand.Uint64())
}

func (s *soaker) upTo(d time.Duration) time.Duration { return time.Duration(s.rand.Int64N(int64(d))) }
