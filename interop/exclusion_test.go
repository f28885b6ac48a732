package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/interop/rival"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestExclusion(t *testing.T) {
	meet(t, everybody, []fact{
		{name: "a lock of theirs excludes ours", holds: aLockOfTheirsExcludesOurs},
		{name: "a lock of ours excludes theirs", holds: aLockOfOursExcludesTheirs},
		{name: "our release and extension leave theirs alone", holds: ourReleaseAndExtensionLeaveTheirsAlone},
		{name: "our handover leaves theirs alone", holds: ourHandoverLeavesTheirsAlone},
		{name: "their release and extension leave ours alone", holds: theirReleaseAndExtensionLeaveOursAlone},
		{name: "a refusal leaves nothing behind", holds: aRefusalLeavesNothingBehind},
		{name: "what they left behind is ours when it expires", holds: whatTheyLeftBehindIsOursWhenItExpires},
		{name: "what we left behind is theirs when it expires", holds: whatWeLeftBehindIsTheirsWhenItExpires},
		{name: "what they extend stays theirs", holds: whatTheyExtendStaysTheirs, of: func(l rival.Library) bool { return l.Extends }},
		{name: "what we renew stays ours", holds: whatWeRenewStaysOurs},
	})
}

func aLockOfTheirsExcludesOurs(m *meeting) {
	lock := m.theyAcquire(time.Minute, "a")
	before := m.stands("a")
	m.weAreRefused("a")
	if after := m.stands("a"); !slices.Equal(before, after) {
		m.t.Errorf("our attempt changed their lock from %q to %q", before, after)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
	if m.library.Releases {
		m.everyNodeIsRidOf("a")
	} else {
		m.deleteEverywhere("a")
	}
	if err := m.weAcquire("a").Release(m.t.Context()); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

func aLockOfOursExcludesTheirs(m *meeting) {
	lock := m.weAcquire("a")
	m.everyNodeHas("a")
	before := m.stands("a")
	m.theyAreRefused("a")
	if after := m.stands("a"); !slices.Equal(before, after) {
		m.t.Errorf("their attempt changed our lock from %q to %q", before, after)
	}
	if err := lock.Err(); err != nil {
		m.t.Errorf("our lock: %v", err)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("our release: %v", err)
	}
	m.everyNodeIsRidOf("a")
	if err := m.theyAcquire(time.Minute, "a").Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
}

// Somebody deletes our key while we hold it, and they get the lock: what we do with ours then must not touch theirs.
func ourReleaseAndExtensionLeaveTheirsAlone(m *meeting) {
	for what, do := range map[string]func(l ourLock) error{
		"release":   func(l ourLock) error { return l.Release(m.t.Context()) },
		"extension": func(l ourLock) error { return l.Extend(m.t.Context(), time.Hour) },
	} {
		lock := m.weAcquire("a")
		m.everyNodeHas("a")
		m.deleteEverywhere("a")
		theirs := m.theyAcquire(time.Minute, "a")
		before := m.stands("a")
		if err := do(lock); !errors.Is(err, mutex.ErrNotHeld) {
			m.t.Errorf("our %s of a lock that is theirs now: %v", what, err)
		}
		m.weAreRefused("a") // behind what was sent before it
		if after := m.stands("a"); !slices.Equal(before, after) {
			m.t.Errorf("our %s changed their lock from %q to %q", what, before, after)
		}
		if err := theirs.Release(m.t.Context()); err != nil {
			m.t.Errorf("their release after our %s: %v", what, err)
		}
		m.deleteEverywhere("a") // of those that don't release
	}
}

// Whoever waits in our own line gets the lock when it is released, without others being asked: unless it is theirs by then.
func ourHandoverLeavesTheirsAlone(m *meeting) {
	m.theyAcquire(time.Minute, "a")
	type result struct {
		ourLock
		err error
	}
	got := make(chan result, 2)
	for range 2 {
		go func() {
			lock, err := m.ours("a").Acquire(m.t.Context(), mutex.WithWait(soon))
			got <- result{lock, err}
		}()
	}
	time.Sleep(20 * time.Millisecond) // both stand in line
	m.deleteEverywhere("a")
	lock := <-got
	if lock.err != nil {
		m.t.Fatalf("ours: %v", lock.err)
	}
	if err := lock.Extend(m.t.Context(), 2*time.Minute); err != nil { // to the nodes that were not free yet
		m.t.Fatalf("our extension: %v", err)
	}
	for _, s := range m.servers {
		eventually(m.t, "every node has extended", func() bool { return s.PTTL(m.key("a")) > time.Minute })
	}
	m.deleteEverywhere("a")
	theirs := m.theyAcquire(time.Minute, "a")
	before := m.stands("a")
	if err := lock.Release(m.t.Context()); !errors.Is(err, mutex.ErrNotHeld) {
		m.t.Errorf("our release of a lock that is theirs now: %v", err)
	}
	m.weAreRefused("a")
	if after := m.stands("a"); !slices.Equal(before, after) {
		m.t.Errorf("our handover changed their lock from %q to %q", before, after)
	}
	if err := theirs.Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
	if !m.library.Releases {
		m.deleteEverywhere("a")
	}
	if lock = <-got; lock.err != nil {
		m.t.Fatalf("ours, who waited: %v", lock.err)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

func theirReleaseAndExtensionLeaveOursAlone(m *meeting) {
	for what, do := range map[string]func(l rival.Lock) error{
		"release":   func(l rival.Lock) error { return l.Release(m.t.Context()) },
		"extension": func(l rival.Lock) error { return l.Extend(m.t.Context(), time.Hour) },
	} {
		if what == "extension" && !m.library.Extends {
			continue
		}
		theirs := m.theyAcquire(time.Minute, "a")
		m.deleteEverywhere("a")
		lock := m.weAcquire("a")
		m.everyNodeHas("a")
		before := m.stands("a")
		err := do(theirs)
		if tells := m.library.Tells || what == "extension"; tells && !errors.Is(err, rival.ErrNotHeld) || !tells && err != nil {
			m.t.Errorf("their %s of a lock that is ours now: %v", what, err)
		}
		if after := m.stands("a"); !slices.Equal(before, after) {
			m.t.Errorf("their %s changed our lock from %q to %q", what, before, after)
		}
		if err := lock.Extend(m.t.Context(), time.Hour); err != nil {
			m.t.Errorf("our extension after their %s: %v", what, err)
		}
		if err := lock.Release(m.t.Context()); err != nil {
			m.t.Errorf("our release after their %s: %v", what, err)
		}
		m.everyNodeIsRidOf("a")
	}
}

// Somebody else holds a quorum, and the rest of the nodes are free: whoever is refused gives back what it got of them.
func aRefusalLeavesNothingBehind(m *meeting) {
	quorum := m.servers[:len(m.servers)/2+1]
	for _, s := range quorum {
		s.CLI("SET", m.key("a"), "somebody else's", "PX", "60000")
	}
	m.weAreRefused("a")
	for _, s := range m.servers[len(quorum):] {
		eventually(m.t, "ours gives back what it got", func() bool { return s.CLI("EXISTS", m.key("a")) == "0" })
	}
	m.theyAreRefused("a")
	for _, s := range m.servers[len(quorum):] {
		if m.library.Name == rival.Lyokato.Name {
			if s.PTTL(m.key("a")) < time.Minute/2 {
				m.t.Errorf("they give back what they got: say so in the README, and let them contend as the others do")
			}
			continue
		}
		eventually(m.t, "theirs gives back what it got", func() bool { return s.CLI("EXISTS", m.key("a")) == "0" })
	}
	for _, s := range quorum {
		if got := s.Get(m.key("a")); got != "somebody else's" {
			m.t.Errorf("the lock that excluded both has become %q", got)
		}
	}
}

func whatTheyLeftBehindIsOursWhenItExpires(m *meeting) {
	asked := time.Now()
	m.theyAcquire(brief, "a")
	lock := m.weAcquire("a", wait)
	// Redis counts from when it was asked, in whole milliseconds.
	if took := time.Since(asked); took < brief-time.Millisecond {
		m.t.Errorf("ours got the lock after %v; theirs was to last for %v", took, brief)
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("our release: %v", err)
	}
}

func whatWeLeftBehindIsTheirsWhenItExpires(m *meeting) {
	asked := time.Now()
	lock := m.weAcquire("a", mutex.WithExpiration(brief))
	for {
		theirs, err := m.theirs.Acquire(m.t.Context(), time.Minute, m.name("a"))
		if err == nil {
			if took := time.Since(asked); took < brief-time.Millisecond {
				m.t.Errorf("theirs got the lock after %v; ours was to last for %v", took, brief)
			}
			if time.Now().Before(lock.Until()) {
				m.t.Errorf("theirs got the lock while ours was valid, until %v", lock.Until())
			}
			if err := theirs.Release(m.t.Context()); err != nil {
				m.t.Errorf("their release: %v", err)
			}
			break
		}
		if !errors.Is(err, rival.ErrTaken) || time.Since(asked) > soon {
			m.t.Fatalf("theirs, after %v: %v", time.Since(asked), err)
		}
		time.Sleep(time.Millisecond)
	}
	eventually(m.t, "ours knows that its lock has ended", func() bool { return errors.Is(lock.Err(), mutex.ErrLockLost) })
}

func whatTheyExtendStaysTheirs(m *meeting) {
	start := time.Now()
	lock := m.theyAcquire(brief, "a")
	longer := time.Minute
	if m.library.Name == rival.Redsync.Name {
		longer = brief // it knows no other
		time.Sleep(brief / 4)
	}
	extended := time.Now()
	if err := lock.Extend(m.t.Context(), longer); err != nil {
		m.t.Fatalf("their extension, %v after the lock: %v", time.Since(start), err)
	}
	for _, s := range m.servers {
		eventually(m.t, "every node has extended", func() bool {
			return time.Now().Add(s.PTTL(m.key("a"))).After(extended.Add(longer - 2*time.Millisecond))
		})
	}
	if longer == time.Minute {
		time.Sleep(time.Until(start.Add(brief + 50*time.Millisecond)))
		m.weAreRefused("a")
	}
	if err := lock.Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
	m.everyNodeIsRidOf("a")
}

// Renewal is ours: Synchronize keeps what it holds from them for longer than the expiration. That is so brief that a machine
// with more to do than it can may lose the lock, and is told so; then once more.
func whatWeRenewStaysOurs(m *meeting) {
	var start time.Time
	var err error
	for range 3 {
		err = m.ours("a").Synchronize(m.t.Context(), func(ctx context.Context) error {
			for _, s := range m.servers { // one may have been slower than the others
				for begin := time.Now(); ctx.Err() == nil && s.CLI("EXISTS", m.key("a")) != "1"; time.Sleep(time.Millisecond) {
					if time.Since(begin) > soon {
						return fmt.Errorf("not within %v: %s has the key", soon, s.Addr())
					}
				}
			}
			for start = time.Now(); ctx.Err() == nil && time.Since(start) < 2*brief; time.Sleep(5 * time.Millisecond) {
				m.theyAreRefused("a")
			}
			return context.Cause(ctx)
		}, mutex.WithExpiration(brief))
		if !errors.Is(err, mutex.ErrLockLost) {
			break
		}
		m.t.Logf("lost, and once more: %v", err)
	}
	if err != nil || start.IsZero() {
		m.t.Errorf("ours: %v", err)
	}
	m.everyNodeIsRidOf("a") // a release is done when a quorum's answers are in
	if err := m.theyAcquire(time.Minute, "a").Release(m.t.Context()); err != nil {
		m.t.Errorf("their release: %v", err)
	}
}
