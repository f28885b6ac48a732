package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// failovers are the ways in which another server becomes the master. Each returns when that is so, and undoes what stands
// in the way of the next.
var failovers = map[string]func(s *redistest.SentinelSet) (master *redistest.Server){
	"the master is killed": func(s *redistest.SentinelSet) *redistest.Server {
		old := s.Master()
		old.Kill()
		return s.WaitForAnotherMaster(old)
	},
	"the master hangs": func(s *redistest.SentinelSet) *redistest.Server {
		old := s.Master()
		old.Pause()
		return s.WaitForAnotherMaster(old)
	},
	"by hand": func(s *redistest.SentinelSet) *redistest.Server {
		old := s.Master()
		s.Failover()
		return s.WaitForAnotherMaster(old)
	},
}

func TestMasterThatSentinelsName(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	set := open(t, on(sentinels.URL()))
	lock := acquire(t, at(set, "k"))
	if sentinels.Master().Get("k") == "" {
		t.Error("the key is not on the master")
	}
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	first := sentinels.SentinelAddrs()
	wantText(t, err, fmt.Sprintf("[mymaster@%s,%s,%s: taken]", first[0], first[1], first[2]))
	release(t, lock)
	in1 := open(t, on(sentinels.URL()+"/1"))
	lock = acquire(t, at(in1, "k"))
	if got := sentinels.Master().CLI("INFO", "keyspace"); got == "" {
		t.Error("no key in any database")
	}
	release(t, lock)
}

// A lock that the replicas have is held on, over the failover, and nobody else gets it.
func TestRenewedLockOutlivesAFailover(t *testing.T) {
	for name, failover := range failovers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
			d := with(hasty(on(sentinels.URL())), func(d *mutex.Definition) { d.Expiration = 9 * time.Second })
			set, rival := open(t, d), open(t, d)
			lock := acquire(t, at(set, "k"), mutex.WithRenewal())
			for _, server := range sentinels.Servers {
				eventually(t, "the replicas have the key", func() bool { return server.Get("k") != "" })
			}
			ctx, cancel := context.WithCancel(t.Context())
			var rivals sync.WaitGroup
			rivals.Go(func() { // tries all the time
				if stolen, err := at(rival, "k").AcquireLock(ctx, mutex.WithWait(mutex.Forever)); err == nil {
					if lock.Err() == nil {
						t.Error("two hold the lock")
					}
					_ = mutex.ReleaseLock(context.Background(), stolen)
				}
			})
			master := failover(sentinels)
			owner, left := master.Get("k"), master.PTTL("k")
			eventually(t, "the lock is renewed on the new master", func() bool {
				if lock.Err() != nil {
					t.Fatalf("the lock is lost: %v", lock.Err())
				}
				return master.PTTL("k") > left
			})
			if owner == "" || master.Get("k") != owner {
				t.Errorf("the new master has %q at the key, and had %q", master.Get("k"), owner)
			}
			cancel()
			rivals.Wait()
			release(t, lock)
			eventually(t, "the key is gone", func() bool { return master.Get("k") == "" })
		})
	}
}

// A lock that no replica heard of is lost with the master: the holder learns so at its next renewal, which sets the key
// again unless somebody else holds it by then.
func TestLockThatNoReplicaHasIsLostOrSetAgainNeverBoth(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	set := open(t, with(hasty(on(sentinels.URL())), func(d *mutex.Definition) { d.Expiration = 9 * time.Second }))
	old := sentinels.Master()
	warm := acquire(t, at(set, "warm"))
	for _, server := range sentinels.Servers {
		if server != old {
			server.Pause() // hears nothing more
		}
	}
	lock := acquire(t, at(set, "k"), mutex.WithRenewal())
	old.Kill()
	for _, server := range sentinels.Servers {
		if server != old {
			server.Resume()
		}
	}
	master := sentinels.WaitForAnotherMaster(old)
	eventually(t, "the lock is set again, or lost", func() bool {
		return lock.Err() != nil || master.Get("k") != ""
	})
	if lock.Err() == nil {
		_, err := at(set, "k").AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		release(t, lock)
	}
	_ = mutex.ReleaseLock(t.Context(), warm)
}

// holding is one spell of work under a lock, by an arbiter's clock.
type holding struct {
	key      int
	from, to time.Time
}

// Replication is asynchronous: a lock of the last moments before a failover may be unknown to the new master, which then
// grants it to somebody else while its first holder still works. But whoever got a lock from the new master is alone with
// those who got theirs from it too.
func TestWorkGoesOnAfterAFailover(t *testing.T) {
	for name, failover := range failovers {
		t.Run(name, func(t *testing.T) {
			sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
			const workers, keys, expiration = 64, 8, 8 * time.Second // longer than the test works after the failover
			const limit = 2 * time.Second
			var sets []*mutex.Set
			for range 4 { // processes
				sets = append(sets, open(t, with(hasty(on(sentinels.URL())), func(d *mutex.Definition) { d.Expiration = expiration })))
			}
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex // guards what follows
			var holdings []holding
			var failures []time.Time
			var busy atomic.Bool
			var working sync.WaitGroup
			for i := range workers {
				working.Go(func() {
					m := at(sets[i%len(sets)], fmt.Sprint("k", i%keys))
					for ctx.Err() == nil {
						h := holding{key: i % keys}
						err := m.Synchronize(ctx, func(context.Context) error {
							h.from = time.Now()
							time.Sleep(5 * time.Millisecond)
							h.to = time.Now()
							return nil
						}, mutex.WithWait(20*time.Second))
						mu.Lock()
						switch {
						case !h.to.IsZero():
							holdings = append(holdings, h)
							busy.Store(true)
						case ctx.Err() != nil:
						case errors.Is(err, mutex.ErrNoQuorum):
							failures = append(failures, time.Now())
						default:
							t.Errorf("a worker hears: %v", err)
						}
						mu.Unlock()
						if err != nil {
							time.Sleep(10 * time.Millisecond)
						}
					}
				})
			}
			eventually(t, "the workers work", busy.Load)
			failover(sentinels)
			promoted := time.Now()
			time.Sleep(limit + time.Second) // work
			ended := time.Now()
			cancel()
			working.Wait()

			// By hand, the old master goes on until it is told, and so do its clients until a sentinel sees the new one: of the
			// releases meanwhile the new master doesn't hear, unless it is told again.
			late := 0
			var latest [keys]time.Time // of a key, since the promotion
			for key := range latest {
				latest[key] = promoted
			}
			pause := time.Duration(0)
			byStart(holdings)
			for _, h := range holdings {
				if h.from.After(promoted) {
					pause = max(pause, h.from.Sub(latest[h.key]))
					latest[h.key] = h.from
				}
			}
			for _, at := range latest {
				pause = max(pause, ended.Sub(at))
			}
			for _, f := range failures {
				if f.After(promoted.Add(limit)) {
					late++
				}
			}
			if pause > limit {
				t.Errorf("after the promotion a key rests for %v", pause)
			}
			if late > 0 {
				t.Errorf("%d errors more than %v after the promotion", late, limit)
			}
			overlaps, lasting := 0, 0
			last := make(map[int]holding)
			for _, h := range holdings {
				before, ok := last[h.key]
				if ok && h.from.Before(before.to) {
					overlaps++
					if before.from.After(promoted.Add(time.Second)) {
						lasting++
					}
				}
				if !ok || h.to.After(before.to) {
					last[h.key] = h
				}
			}
			if lasting > 0 {
				t.Errorf("%d times two held one of the new master's locks", lasting)
			}
			t.Logf("%d holdings, %d errors, %v the longest rest of a key after the promotion, %d locks of the old master met one of the new",
				len(holdings), len(failures), pause.Round(time.Millisecond), overlaps)
		})
	}
}

func byStart(holdings []holding) {
	slices.SortFunc(holdings, func(a, b holding) int { return a.from.Compare(b.from) })
}
