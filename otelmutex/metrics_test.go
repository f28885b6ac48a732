package otelmutex_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestAnAcquireCountsByItsOutcome(t *testing.T) {
	waiting := func(d *mutex.Definition) { d.Wait = mutex.Forever }
	for _, test := range []struct {
		outcome string
		change  func(d *mutex.Definition)
		acquire func(server *redistest.Server, set *mutex.Set, m mutex.Mutex[report]) error
		want    error
	}{
		{"acquired", nil, func(_ *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			_, err := m.AcquireLock(t.Context())
			return err
		}, nil},
		{"already_locked", nil, func(server *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			server.CLI("SET", "k", "another's")
			_, err := m.AcquireLock(t.Context())
			return err
		}, mutex.ErrAlreadyLocked},
		{"no_quorum", nil, func(server *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			server.Kill()
			_, err := m.AcquireLock(t.Context())
			return err
		}, mutex.ErrNoQuorum},
		{"quarantined", func(d *mutex.Definition) { d.RestartGuard = true }, func(_ *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			_, err := m.AcquireLock(t.Context())
			return err
		}, mutex.ErrNodeQuarantined},
		{"canceled", nil, func(_ *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("no longer wanted"))
			_, err := m.AcquireLock(ctx)
			return err
		}, context.Canceled},
		{"deadline_exceeded", waiting, func(server *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			server.CLI("SET", "k", "another's")
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := m.AcquireLock(ctx)
			return err
		}, context.DeadlineExceeded},
		{"closed", nil, func(_ *redistest.Server, set *mutex.Set, m mutex.Mutex[report]) error {
			set.Close()
			_, err := m.AcquireLock(t.Context())
			return err
		}, mutex.ErrClosed},
		{"error", nil, func(_ *redistest.Server, _ *mutex.Set, m mutex.Mutex[report]) error {
			_, err := m.AcquireLock(t.Context(), mutex.WithExpiration(-1))
			return err
		}, nil},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			server := redistest.Start(t)
			trace, metrics := newMetrics(t)
			d := definition(server.URL())
			if test.change != nil {
				test.change(&d)
			}
			set := open(t, []mutex.Definition{d}, trace)
			err := test.acquire(server, set, at(set, "k"))
			if test.want != nil {
				wantError(t, err, test.want)
			}
			if (err == nil) != (test.outcome == "acquired") {
				t.Errorf("the acquire ended with %v", err)
			}
			if got := metrics.outcomes("mutex.acquisitions"); !maps.Equal(got, map[string]int64{test.outcome: 1}) {
				t.Errorf("counted %v; want one %s", got, test.outcome)
			}
			waits := uint64(0)
			if test.outcome == "deadline_exceeded" {
				waits = 1
			}
			if wait := metrics.histogram("mutex.wait.duration"); wait.Count != waits {
				t.Errorf("%d waits were told of; want %d", wait.Count, waits)
			}
		})
	}
}

func TestEveryOutcomeIsToldFromTheFirstEventOn(t *testing.T) {
	trace, metrics := newMetrics(t)
	trace.Acquired(t.Context(), mutex.Event{Mutex: "Report"})
	for name, outcomes := range map[string]string{
		"mutex.acquisitions": "acquired already_locked no_quorum quarantined canceled deadline_exceeded closed error",
		"mutex.releases":     "released not_held no_quorum lost repeated closed error",
		"mutex.renewals":     "renewed not_held no_quorum",
		"mutex.extensions":   "extended not_held no_quorum canceled deadline_exceeded closed error",
	} {
		for outcome := range strings.FieldsSeq(outcomes) {
			want := int64(0)
			if outcome == "acquired" {
				want = 1
			}
			if got := metrics.number(name, "mutex.name", "Report", "mutex.outcome", outcome); got != want {
				t.Errorf("%s of outcome %s is %d; want %d", name, outcome, got, want)
			}
		}
	}
	if lost := metrics.number("mutex.locks.lost", "mutex.name", "Report"); lost != 0 {
		t.Errorf("%d locks were lost; want 0, and not none told", lost)
	}
}

func TestWaitsAndHoldsAreMeasured(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	d := definition(server.URL())
	d.Wait = mutex.Forever
	m := at(open(t, []mutex.Definition{d}, trace), "k")
	const hold = 60 * time.Millisecond

	lock := acquire(t, m)
	if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 1 {
		t.Errorf("%d locks are held; want 1", held)
	}
	start := time.Now()
	var second sync.WaitGroup
	second.Go(func() {
		lock, err := m.AcquireLock(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if err := mutex.ReleaseLock(t.Context(), lock); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(hold) // what is measured is time
	release(t, lock)
	second.Wait()
	most := time.Since(start).Seconds()

	wait := metrics.histogram("mutex.wait.duration")
	if wait.Count != 1 {
		t.Errorf("%d waits were told of; want one, for the first lock was there at once", wait.Count)
	}
	if wait.Sum < hold.Seconds()*3/4 || wait.Sum > most {
		t.Errorf("the second waited %v s; want %v to %v s", wait.Sum, hold.Seconds(), most)
	}
	held := metrics.histogram("mutex.hold.duration")
	if longest, _ := held.Max.Value(); held.Count != 2 || longest < hold.Seconds() || longest > most+1 {
		t.Errorf("%d holds, the longest of %v s; want 2, and %v s", held.Count, longest, hold.Seconds())
	}
	if got := metrics.outcomes("mutex.releases"); !maps.Equal(got, map[string]int64{"released": 2}) {
		t.Errorf("releases are %v; want two that released", got)
	}
	if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 0 {
		t.Errorf("%d locks are held; want none", held)
	}
}

func TestTheBoundariesSuitLocks(t *testing.T) {
	trace, metrics := newMetrics(t)
	trace.Acquired(t.Context(), mutex.Event{Mutex: "Report", Waited: time.Second})
	trace.Released(t.Context(), mutex.Event{Mutex: "Report"})
	for name, longest := range map[string]float64{"mutex.wait.duration": 300, "mutex.hold.duration": 3600} {
		bounds := metrics.histogram(name).Bounds
		if len(bounds) < 10 || bounds[len(bounds)-1] != longest {
			t.Errorf("%s has the boundaries %v; want those up to %v s", name, bounds, longest)
		}
	}
	for _, metric := range metrics.all() {
		if _, is := metric.Data.(metricdata.Histogram[float64]); is && metric.Unit != "s" {
			t.Errorf("%s is in %q; want seconds", metric.Name, metric.Unit)
		}
	}
}

func TestReleasesCountByTheirOutcome(t *testing.T) {
	for _, test := range []struct {
		outcomes map[string]int64
		holds    uint64
		release  func(server *redistest.Server, set *mutex.Set, lock *mutex.Lock[report]) error
		want     error
	}{
		{map[string]int64{"not_held": 1}, 1, func(server *redistest.Server, _ *mutex.Set, lock *mutex.Lock[report]) error {
			server.Flush()
			return mutex.ReleaseLock(t.Context(), lock)
		}, mutex.ErrNotHeld},
		{map[string]int64{"no_quorum": 1}, 1, func(server *redistest.Server, _ *mutex.Set, lock *mutex.Lock[report]) error {
			server.Kill()
			return mutex.ReleaseLock(t.Context(), lock)
		}, mutex.ErrNoQuorum},
		{map[string]int64{"released": 1, "repeated": 2}, 1, func(_ *redistest.Server, _ *mutex.Set, lock *mutex.Lock[report]) error {
			_ = mutex.ReleaseLock(t.Context(), lock)
			_ = mutex.ReleaseLock(t.Context(), lock)
			return mutex.ReleaseLock(t.Context(), lock)
		}, mutex.ErrNotHeld},
		{map[string]int64{"closed": 1}, 1, func(_ *redistest.Server, set *mutex.Set, lock *mutex.Lock[report]) error {
			set.Close()
			return mutex.ReleaseLock(t.Context(), lock)
		}, mutex.ErrClosed},
	} {
		server := redistest.Start(t)
		trace, metrics := newMetrics(t)
		set := open(t, []mutex.Definition{definition(server.URL())}, trace)
		wantError(t, test.release(server, set, acquire(t, at(set, "k"))), test.want)
		if got := metrics.outcomes("mutex.releases"); !maps.Equal(got, test.outcomes) {
			t.Errorf("releases are %v; want %v", got, test.outcomes)
		}
		if holds := metrics.histogram("mutex.hold.duration").Count; holds != test.holds {
			t.Errorf("%d holds were told of after releases %v; want %d", holds, test.outcomes, test.holds)
		}
		if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 0 {
			t.Errorf("%d locks are held after releases %v; want none", held, test.outcomes)
		}
		if lost := metrics.number("mutex.locks.lost", "mutex.name", "Report"); lost != 0 {
			t.Errorf("%d locks were lost by releases %v; want none", lost, test.outcomes)
		}
	}
}

func TestExtensionsCountByTheirOutcome(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	lock := acquire(t, at(open(t, []mutex.Definition{definition(server.URL())}, trace), "k"))
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, mutex.ExtendLock(ended, lock, time.Minute), context.Canceled)
	server.Kill()
	wantError(t, mutex.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrNoQuorum)
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNoQuorum)
	wantError(t, mutex.ExtendLock(t.Context(), lock, time.Minute), mutex.ErrNotHeld)
	want := map[string]int64{"extended": 1, "canceled": 1, "no_quorum": 1, "not_held": 1}
	if got := metrics.outcomes("mutex.extensions"); !maps.Equal(got, want) {
		t.Errorf("extensions are %v; want %v", got, want)
	}
}

func TestRenewalsAndLossesAreCounted(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	d := definition(server.URL())
	d.Expiration, d.NodeTimeout = 300*time.Millisecond, 50*time.Millisecond
	lock := acquire(t, at(open(t, []mutex.Definition{d}, trace), "k"), mutex.WithRenewal())
	eventually(t, "two renewals are counted", func() bool { return metrics.outcomes("mutex.renewals")["renewed"] >= 2 })
	if failed := metrics.outcomes("mutex.renewals"); len(failed) != 1 {
		t.Errorf("renewals are %v; want none that failed", failed)
	}

	server.Kill()
	select {
	case <-lock.Done():
	case <-time.After(soon):
		t.Fatal("the lock is not lost")
	}
	eventually(t, "a lost lock is counted", func() bool { return metrics.number("mutex.locks.lost", "mutex.name", "Report") == 1 })
	if failed := metrics.outcomes("mutex.renewals")["no_quorum"]; failed == 0 {
		t.Error("no renewal is counted that failed")
	}
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNotHeld)
	if got := metrics.outcomes("mutex.releases"); !maps.Equal(got, map[string]int64{"lost": 1}) {
		t.Errorf("releases are %v; want one of a lost lock", got)
	}
	hold := metrics.histogram("mutex.hold.duration")
	if hold.Count != 1 || hold.Sum < .3 {
		t.Errorf("%d holds of %v s; want one, longer than the expiration", hold.Count, hold.Sum)
	}
	if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 0 {
		t.Errorf("%d locks are held; want none", held)
	}
}

func TestALockThatAnotherTookIsLost(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	d := definition(server.URL())
	d.Expiration, d.NodeTimeout = time.Second, 200*time.Millisecond
	acquire(t, at(open(t, []mutex.Definition{d}, trace), "k"), mutex.WithRenewal())
	server.CLI("SET", "k", "another's")
	eventually(t, "a lost lock is counted", func() bool { return metrics.number("mutex.locks.lost", "mutex.name", "Report") == 1 })
	eventually(t, "a renewal is counted that was refused", func() bool {
		return maps.Equal(metrics.outcomes("mutex.renewals"), map[string]int64{"not_held": 1})
	})
}

func TestLocksThatCloseEndsAreNotCountedAsLost(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	set := open(t, []mutex.Definition{definition(server.URL())}, trace)
	acquire(t, at(set, "a"))
	acquire(t, at(set, "b"))
	if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 2 {
		t.Errorf("%d locks are held; want 2", held)
	}
	set.Close()
	if lost := metrics.number("mutex.locks.lost", "mutex.name", "Report"); lost != 0 {
		t.Errorf("%d locks were lost; want none", lost)
	}
	if held, holds := metrics.number("mutex.locks.held", "mutex.name", "Report"), metrics.histogram("mutex.hold.duration").Count; held != 0 || holds != 2 {
		t.Errorf("%d locks are held, %d were; want none and 2", held, holds)
	}
}

func TestANodeThatDiesIsDownUntilItAnswers(t *testing.T) {
	servers := redistest.StartN(t, 3)
	trace, metrics := newMetrics(t)
	d := definition(servers[0].URL(), servers[1].URL(), servers[2].URL())
	m := at(open(t, []mutex.Definition{d}, trace), "k")
	up := func(i int) int64 { return metrics.number("mutex.node.up", "mutex.node", servers[i].Addr()) }
	for i := range servers {
		if up(i) != 1 {
			t.Errorf("node %d is %d when it was opened; want 1", i, up(i))
		}
		if q := metrics.number("mutex.node.quarantined", "mutex.node", servers[i].Addr()); q != 0 {
			t.Errorf("the quarantine of node %d is %d; want 0", i, q)
		}
	}
	pair := func() { release(t, acquire(t, m)) }
	pair()
	servers[1].Kill()
	eventually(t, "the node is down", func() bool { pair(); return up(1) == 0 })
	if up(0) != 1 || up(2) != 1 {
		t.Errorf("the other nodes are %d and %d; want both up", up(0), up(2))
	}
	servers[1].Restart()
	eventually(t, "the node is up", func() bool { pair(); return up(1) == 1 })
}

func TestAQuarantineEnds(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	d := definition(server.URL())
	d.Expiration, d.NodeTimeout, d.RestartGuard = 200*time.Millisecond, 50*time.Millisecond, true
	m := at(open(t, []mutex.Definition{d}, trace), "k")
	quarantined := func() int64 { return metrics.number("mutex.node.quarantined", "mutex.node", server.Addr()) }
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNodeQuarantined)
	if quarantined() != 1 {
		t.Errorf("the quarantine is %d; want 1", quarantined())
	}
	if up := metrics.number("mutex.node.up", "mutex.node", server.Addr()); up != 1 {
		t.Errorf("the node in quarantine is %d; want 1, for it answers", up)
	}
	eventually(t, "the quarantine is over", func() bool { return quarantined() == 0 })
	eventually(t, "the node votes", func() bool { _, err := m.AcquireLock(t.Context()); return err == nil })
}

func TestTheLongestQuarantineOfANodeCounts(t *testing.T) {
	trace, metrics := newMetrics(t)
	trace.NodeQuarantined("node", time.Hour)
	trace.NodeQuarantined("node", time.Nanosecond)
	if q := metrics.number("mutex.node.quarantined", "mutex.node", "node"); q != 1 {
		t.Errorf("the quarantine is %d; want 1", q)
	}
}

func TestTwoOpensMayShareATrace(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	first := open(t, []mutex.Definition{definition(server.URL())}, trace)
	second := open(t, []mutex.Definition{definition(server.URL())}, trace)
	lock := acquire(t, at(first, "k"))
	_, err := at(second, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	release(t, lock)
	release(t, acquire(t, at(second, "k")))
	want := map[string]int64{"acquired": 2, "already_locked": 1}
	if got := metrics.outcomes("mutex.acquisitions"); !maps.Equal(got, want) {
		t.Errorf("counted %v; want %v", got, want)
	}
}

func TestMutexesAreToldApartByName(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	other := definition(server.URL())
	other.Name, other.Key = "Other", "other"
	set := open(t, []mutex.Definition{definition(server.URL()), other}, trace)
	release(t, acquire(t, at(set, "a")))
	release(t, acquire(t, at(set, "b")))
	release(t, acquire(t, mutex.At[report](set.Opened("Other"), mutex.NewKey("other"))))
	for name, want := range map[string]int64{"Report": 2, "Other": 1} {
		if got := metrics.number("mutex.acquisitions", "mutex.name", name, "mutex.outcome", "acquired"); got != want {
			t.Errorf("%d acquires of %s are counted; want %d", got, name, want)
		}
	}
}

func TestNothingIsLostAmongManyGoroutines(t *testing.T) {
	server := redistest.Start(t)
	trace, metrics := newMetrics(t)
	set := open(t, []mutex.Definition{definition(server.URL())}, trace)
	const workers, rounds = 16, 50
	var working sync.WaitGroup
	for i := range workers {
		working.Go(func() {
			m := at(set, string(rune('a'+i)))
			for range rounds {
				if err := m.Synchronize(t.Context(), func(context.Context) error { return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-read:
				return
			default:
				metrics.all()
			}
		}
	})
	working.Wait()
	close(read)
	reading.Wait()
	if got := metrics.outcomes("mutex.acquisitions"); !maps.Equal(got, map[string]int64{"acquired": workers * rounds}) {
		t.Errorf("counted %v; want %d acquired", got, workers*rounds)
	}
	if holds := metrics.histogram("mutex.hold.duration").Count; holds != workers*rounds {
		t.Errorf("%d holds; want %d", holds, workers*rounds)
	}
	if held := metrics.number("mutex.locks.held", "mutex.name", "Report"); held != 0 {
		t.Errorf("%d locks are held; want none", held)
	}
}
