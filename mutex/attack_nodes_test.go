package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// outages are how nodes go and come back, and what an error says of them meanwhile.
var outages = []struct {
	name       string
	answer     string
	begin, end func(*redistest.Server)
}{
	{"killed", "down", (*redistest.Server).Kill, (*redistest.Server).Restart},
	{"hung", "timeout", (*redistest.Server).Pause, (*redistest.Server).Resume},
}

// Not parallel: it measures time.
func TestMinorityOfNodesGoneCostsNoLatency(t *testing.T) {
	const budget = 200 * time.Millisecond
	for _, nodes := range []int{3, 5} {
		gone := nodes / 2
		for _, outage := range outages {
			t.Run(fmt.Sprintf("%d of %d %s", gone, nodes, outage.name), func(t *testing.T) {
				servers := redistest.StartN(t, nodes)
				set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.NodeTimeout = budget }))
				const measurements = 3 // a machine that hiccups gets another chance
				for i := 1; ; i++ {
					var healthy, wounded measurement
					for range 2 {
						healthy.pairs(t, set)
						for _, s := range servers[:gone] {
							outage.begin(s)
						}
						wounded.pairs(t, set)
						for _, s := range servers[:gone] {
							outage.end(s)
						}
						untilAllVote(t, set, servers)
					}
					limit, longest := 2*p99(healthy.durations)+5*time.Millisecond, slices.Max(wounded.durations)
					if wounded.failed == nil && p99(wounded.durations) <= limit && longest < budget {
						break
					}
					t.Logf("with nodes gone p99 %v, at most %v, error %v; with all p99 %v, error %v",
						p99(wounded.durations), longest, wounded.failed, p99(healthy.durations), healthy.failed)
					if i == measurements {
						t.Errorf("in %d measurements p99 was above twice that of all nodes plus 5 ms, or somebody waited for a node, or failed", i)
						break
					}
				}
				wantNoKeys(t, servers...)
			})
		}
	}
}

// measurement is how long acquiring and releasing took, and the last failure.
type measurement struct {
	mu        sync.Mutex // guards what follows
	durations []time.Duration
	failed    error
}

// pairs acquires and releases on a few keys side by side. It goes on for long enough that a node which hangs is found to be
// down meanwhile.
func (m *measurement) pairs(t *testing.T, set *mutex.Set) {
	began := time.Now()
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			for start := began; start.Sub(began) < 450*time.Millisecond; {
				start = time.Now()
				lock, err := at(set, fmt.Sprint("k", i)).AcquireLock(t.Context())
				if err == nil {
					err = mutex.ReleaseLock(t.Context(), lock)
				}
				d := time.Since(start)
				m.mu.Lock()
				m.durations = append(m.durations, d)
				if err != nil {
					m.failed = err
				}
				m.mu.Unlock()
			}
		})
	}
	workers.Wait()
}

func p99(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)*99/100]
}

// untilAllVote waits until a lock's key reaches every node, and its release too.
func untilAllVote(t *testing.T, set *mutex.Set, servers []*redistest.Server) {
	t.Helper()
	keys := make([]string, 8) // so many that a node needs all its connections for them
	for i := range keys {
		keys[i] = fmt.Sprint("all", i)
	}
	lacks := func(s *redistest.Server) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return s.Get(key) == "" })
	}
	eventually(t, "every node votes", func() bool {
		for _, key := range keys {
			lock, err := at(set, key).AcquireLock(t.Context())
			if err != nil {
				return false
			}
			defer release(t, lock)
		}
		time.Sleep(5 * time.Millisecond)
		return !slices.ContainsFunc(servers, lacks)
	})
	for _, s := range servers {
		for _, key := range keys {
			eventually(t, "every node hears of the release", func() bool { return s.Get(key) == "" })
		}
	}
	time.Sleep(20 * time.Millisecond) // its answer is still under way, and there is nobody who tells when it came
}

func TestMajorityOfNodesGoneIsNoQuorum(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 3, 5} {
		for _, outage := range outages {
			t.Run(fmt.Sprintf("%d of %d %s", nodes/2+1, nodes, outage.name), func(t *testing.T) {
				t.Parallel()
				servers := redistest.StartN(t, nodes)
				gone, alive := servers[:nodes/2+1], servers[nodes/2+1:]
				set := open(t, with(hasty(on(urls(servers)...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
				untilAllVote(t, set, servers)
				m := at(set, "k")
				kept, given := acquire(t, at(set, "kept")), acquire(t, at(set, "given"))
				for _, s := range gone {
					outage.begin(s)
				}
				noQuorum := func(op string, limit time.Duration, operation func() error) {
					t.Helper()
					start := time.Now()
					err := operation()
					took(t, start, limit)
					if !errors.Is(err, mutex.ErrNoQuorum) || errors.Is(err, mutex.ErrAlreadyLocked) || errors.Is(err, mutex.ErrNotHeld) {
						t.Errorf("%s: %v; want ErrNoQuorum alone", op, err)
					}
					wantText(t, err, op+" Counter")
					for _, s := range gone {
						wantText(t, err, s.Addr()+": "+outage.answer)
					}
					for _, s := range alive {
						wantText(t, err, s.Addr()+": ")
					}
				}

				until := kept.Until()
				for range 3 { // the first meets the outage, the next find the nodes down
					noQuorum("acquire", nodeTimeout, func() error {
						_, err := m.AcquireLock(t.Context())
						return err
					})
				}
				noQuorum("acquire", nodeTimeout, func() error {
					return m.Synchronize(t.Context(), func(context.Context) error {
						t.Error("fn ran")
						return nil
					})
				})
				noQuorum("exists", nodeTimeout, func() error {
					_, err := at(set, "kept").ExistsLock(t.Context())
					return err
				})
				noQuorum("extend", nodeTimeout, func() error { return mutex.ExtendLock(t.Context(), kept, 2*time.Hour) })
				noQuorum("release", nodeTimeout, func() error { return mutex.ReleaseLock(t.Context(), given) })
				if kept.Err() != nil || !kept.Until().Equal(until) {
					t.Errorf("an extension without quorum: valid until %v instead of %v, %v", kept.Until(), until, kept.Err())
				}
				for _, s := range alive {
					eventually(t, "no attempt leaves a key on a living node", func() bool { return slices.Equal(s.Keys(), []string{"kept"}) })
				}

				for _, s := range gone {
					outage.end(s)
				}
				start := time.Now()
				for {
					lock, err := m.AcquireLock(t.Context())
					if err == nil {
						release(t, lock)
						break
					}
					if time.Since(start) > soon {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond)
				}
				took(t, start, reconnection+2*nodeTimeout)
				untilAllVote(t, set, servers)
				if err := mutex.ExtendLock(t.Context(), kept, time.Hour); err != nil {
					t.Error(err)
				}
				release(t, kept)
				wantNoKeys(t, servers...)
			})
		}
	}
}

func TestHeldLockSurvivesNodesThatRestartEmpty(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, with(on(urls(servers)...), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	m := at(set, "k")
	lock := acquire(t, m)
	owner := servers[0].Get("k")
	for _, s := range servers { // one after the other, each set again before the next forgets
		s.Kill()
		s.Restart()
		eventually(t, "an extension sets the key again", func() bool {
			if err := mutex.ExtendLock(t.Context(), lock, time.Hour); err != nil {
				t.Fatal(err)
			}
			return s.Get("k") == owner
		})
		_, err := m.AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
	}
	// Without an extension a quorum still knows the lock.
	servers[1].Restart()
	release(t, lock)
	wantNoKeys(t, servers...)
}
