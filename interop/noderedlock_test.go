package interop

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/interop/arbiter"
	"github.com/mutexgen/mutexgen/interop/rival"
	"github.com/mutexgen/mutexgen/mutex"
)

// nodeRedlocks lock several keys at once.
var nodeRedlocks = []rival.Library{rival.Redlock4, rival.Redlock5}

func TestNodeRedlock(t *testing.T) {
	meet(t, nodeRedlocks, []fact{
		{name: "a lock of several keys excludes ours at each", holds: aLockOfSeveralKeysExcludesOursAtEach},
		{name: "one key of ours excludes a lock of several", holds: oneKeyOfOursExcludesALockOfSeveral},
		{name: "a lock of several keys that lost one to us", holds: aLockOfSeveralKeysThatLostOneToUs},
		{name: "never two holders of one of several keys", holds: neverTwoHoldersOfOneOfSeveralKeys},
		{name: "what using extends stays theirs", holds: whatUsingExtendsStaysTheirs, of: only(rival.Redlock5)},
	})
}

func aLockOfSeveralKeysExcludesOursAtEach(m *meeting) {
	lock := m.theyAcquire(time.Minute, "a", "b")
	m.weAreRefused("a")
	m.weAreRefused("b")
	if err := lock.Extend(m.t.Context(), time.Hour); err != nil {
		m.t.Errorf("their extension: %v", err)
	}
	m.weAreRefused("a")
	m.weAreRefused("b")
	if err := m.weAcquire("c").Release(m.t.Context()); err != nil {
		m.t.Errorf("our release of what they have not asked for: %v", err)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
	m.everyNodeIsRidOf("a", "b")
	a, b := m.weAcquire("a"), m.weAcquire("b")
	if err := errors.Join(a.Release(m.t.Context()), b.Release(m.t.Context())); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

func oneKeyOfOursExcludesALockOfSeveral(m *meeting) {
	for _, held := range []string{"a", "b"} {
		lock := m.weAcquire(held)
		m.everyNodeHas(held)
		m.theyAreRefused("a", "b")
		free := map[string]string{"a": "b", "b": "a"}[held]
		m.everyNodeIsRidOf(free)
		if err := m.weAcquire(free).Release(m.t.Context()); err != nil {
			m.t.Errorf("our release of the other: %v", err)
		}
		if err := lock.Release(m.t.Context()); err != nil {
			m.t.Errorf("our release: %v", err)
		}
		m.everyNodeIsRidOf("a", "b")
	}
}

// One of their keys is deleted and becomes ours: what they do with their lock must leave that one alone.
func aLockOfSeveralKeysThatLostOneToUs(m *meeting) {
	theirs := m.theyAcquire(time.Minute, "a", "b")
	m.deleteEverywhere("b")
	lock := m.weAcquire("b")
	m.everyNodeHas("b")
	before := m.stands("b")
	if err := theirs.Extend(m.t.Context(), time.Hour); !errors.Is(err, rival.ErrNotHeld) {
		m.t.Errorf("their extension: %v", err)
	}
	if err := theirs.Release(m.t.Context()); !errors.Is(err, rival.ErrNotHeld) {
		m.t.Errorf("their release: %v", err)
	}
	m.everyNodeIsRidOf("a")
	if after := m.stands("b"); !slices.Equal(before, after) {
		m.t.Errorf("they changed our lock from %q to %q", before, after)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

// They lock a and b, ours one of the two.
func neverTwoHoldersOfOneOfSeveralKeys(m *meeting) {
	a := arbiter.New(m.t)
	names := []string{"a", "b"}
	c := rival.Contest{
		Arbiter: a, Workers: 2, Expiration: 30 * time.Second, Retry: 2 * time.Millisecond, Pause: time.Millisecond,
	}
	goal := arbiter.Goal{Holds: holds / 2, Of: map[string]int{"ours": holds / 10, rival.Side: holds / 10}}
	for _, name := range names {
		c.Keys = append(c.Keys, m.name(name))
		c.Witnessed = append(c.Witnessed, m.key(name))
		a.Open(m.key(name), goal)
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), contestLimit)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if err := m.theirs.Contend(ctx, c); err != nil {
			m.t.Errorf("theirs: %v", err)
			cancel()
		}
	})
	for _, name := range names {
		all.Go(func() {
			if err := m.weContend(ctx, a, name, 2*ourPause); err != nil {
				m.t.Errorf("ours: %v", err)
				cancel()
			}
		})
	}
	all.Wait()
	for _, name := range names {
		v := a.Verdict(m.key(name))
		m.t.Logf("%s: %v", name, v)
		acquit(m.t, v)
		if v.Of["ours"] < holds/10 || v.Of[rival.Side] < holds/10 || v.Turns < holds/40 {
			m.t.Errorf("they hardly met: %v", v)
		}
	}
}

// Within using, node-redlock 5 extends by itself. Ours stay out for as long as it lasts, longer than one expiration.
func whatUsingExtendsStaysTheirs(m *meeting) {
	const expiration, threshold = brief, brief * 3 / 4
	ctx := m.t.Context()
	end, err := m.theirs.(*rival.Process).Using(ctx, expiration, threshold, m.name("a"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.everyNodeHas("a")
	for start := time.Now(); time.Since(start) < 2*expiration && !m.t.Failed(); time.Sleep(10 * time.Millisecond) {
		m.weAreRefused("a")
	}
	if err := end(ctx); err != nil {
		m.t.Errorf("theirs: %v", err)
	}
	m.everyNodeIsRidOf("a")

	// And it notices that its lock has become ours.
	if end, err = m.theirs.(*rival.Process).Using(ctx, expiration, threshold, m.name("a")); err != nil {
		m.t.Fatal(err)
	}
	m.everyNodeHas("a")
	m.deleteEverywhere("a")
	lock := m.weAcquire("a", mutex.WithWait(soon))
	m.everyNodeHas("a")
	before := m.stands("a")
	time.Sleep(expiration / 2) // an extension is due, and refused
	if err := end(ctx); !errors.Is(err, rival.ErrNotHeld) {
		m.t.Errorf("theirs, of a lock that is ours now: %v", err)
	}
	if after := m.stands("a"); !slices.Equal(before, after) {
		m.t.Errorf("their extensions changed our lock from %q to %q", before, after)
	}
	if err := lock.Release(ctx); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

// Why an even number of servers is an error in mutexes.yaml: two nodes that disagree decide nothing. node-redlock 4
// calls that a refusal, 5 waits for a quorum on either side and never answers.
func TestTwoNodesThatDisagree(t *testing.T) {
	t.Parallel()
	for _, library := range nodeRedlocks {
		t.Run(library.Name, func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, 2)
			servers[0].CLI("SET", "a", "somebody's", "PX", "60000")
			theirs := library.Open(t, servers[0].URL(), servers[1].URL())
			if library.Name == rival.Redlock4.Name {
				if _, err := theirs.Acquire(t.Context(), time.Minute, "a"); !errors.Is(err, rival.ErrTaken) {
					t.Errorf("%v", err)
				}
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answered := make(chan error, 1)
			go func() {
				_, err := theirs.Acquire(ctx, time.Minute, "a")
				answered <- err
			}()
			eventually(t, "the second node has granted it", func() bool { return servers[1].CLI("EXISTS", "a") == "1" })
			select {
			case err := <-answered:
				t.Errorf("it answers: %v: say so in the README, and be glad", err)
			case <-time.After(500 * time.Millisecond):
			}
			cancel()
			<-answered
		})
	}
}
