package interop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/interop/arbiter"
	"github.com/mutexgen/mutexgen/interop/rival"
	"github.com/mutexgen/mutexgen/mutex"
)

const (
	// holds is how many a contest has at least, and share how many of them each side.
	holds, share = 1000, 350
	// ourPause is the longest between our holds. It is longer than theirs: ours are woken when a lock is released, and
	// theirs look every other millisecond.
	ourPause = 6 * time.Millisecond
	// contestLimit bounds a contest, on a machine that is busy with other tests.
	contestLimit = 150 * time.Second
)

// pace is how fast a contest is: ours is the longest pause of ours.
type pace struct {
	ours time.Duration
	rival.Contest
}

// contend has the library and ours contend for a name. What is witnessed there is the arbiter's name for it.
func (m *meeting) contend(a *arbiter.Arbiter, of string, goal arbiter.Goal, change func(c *pace)) arbiter.Verdict {
	m.t.Helper()
	a.Open(m.key(of), goal)
	c := pace{ourPause, rival.Contest{
		Arbiter: a, Keys: []string{m.name(of)}, Witnessed: []string{m.key(of)}, Workers: 3, Expiration: 30 * time.Second,
		Retry: 2 * time.Millisecond, Pause: time.Millisecond,
	}}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), contestLimit)
	defer cancel()
	start := time.Now()
	var both sync.WaitGroup
	both.Go(func() {
		if err := m.theirs.Contend(ctx, c.Contest); err != nil {
			m.t.Errorf("theirs: %v", err)
			cancel()
		}
	})
	both.Go(func() {
		if err := m.weContend(ctx, a, of, c.ours); err != nil {
			m.t.Errorf("ours: %v", err)
			cancel()
		}
	})
	both.Wait()
	v := a.Verdict(m.key(of))
	m.t.Logf("%v in %v", v, time.Since(start).Round(time.Millisecond))
	return v
}

// weContend is our side of a contest: two workers of one process, which hand the lock to each other, and one of another.
func (m *meeting) weContend(ctx context.Context, a *arbiter.Arbiter, of string, pause time.Duration) error {
	one, other := m.ours(of), m.oursIn(m.open(), of)
	c := rival.Contest{Arbiter: a, Witnessed: []string{m.key(of)}, Pause: pause}
	errs := make(chan error, 3)
	for _, at := range []ours{one, other} {
		go func() {
			errs <- rival.Contend(ctx, c, "ours", func() (func() error, error) {
				lock, err := at.Acquire(ctx, mutex.WithWait(mutex.Forever))
				if err != nil {
					return nil, err
				}
				return func() error { return errors.Join(lock.Err(), lock.Release(ctx)) }, nil
			})
		}()
	}
	go func() {
		more := true
		var err error
		for more && err == nil {
			err = one.Synchronize(ctx, func(ctx context.Context) (err error) {
				more, err = a.Hold(ctx, "ours", m.key(of))
				return err
			}, mutex.WithWait(mutex.Forever))
			time.Sleep(rand.N(pause))
		}
		errs <- err
	}()
	return errors.Join(<-errs, <-errs, <-errs)
}

// acquit wants that nobody ever held the lock while somebody else did.
func acquit(t *testing.T, v arbiter.Verdict) {
	t.Helper()
	if v.Overlaps != 0 || v.Lost != 0 || v.Inside != 0 {
		t.Errorf("two held the lock: %v", v)
	}
}

func TestContention(t *testing.T) {
	meet(t, everybody, []fact{
		{name: "never two holders", holds: neverTwoHolders},
		{
			name: "a lock that excludes nobody is caught", holds: aLockThatExcludesNobodyIsCaught,
			of: only(rival.Redlock4, rival.Redlock5, rival.RedisPy, rival.Redsync, rival.RedlockGo),
		},
		{
			name: "tokens increase among those who have none", holds: tokensIncreaseAmongThoseWhoHaveNone,
			of: only(rival.Redlock5, rival.Redsync),
		},
	})
}

func neverTwoHolders(m *meeting) {
	a := arbiter.New(m.t)
	goal := arbiter.Goal{Holds: holds, Of: map[string]int{"ours": share, rival.Side: share}}
	var change func(*pace)
	switch {
	case !m.library.Releases:
		// Each lock of theirs lasts until it expires, whatever they do.
		goal.Of[rival.Side] = 4
		change = func(c *pace) { c.Expiration, c.Workers, c.Pause = time.Second, 1, 3*time.Second }
	case m.library.Name == rival.Lyokato.Name && len(m.servers) > 1:
		// An attempt that fails leaves keys behind. Whoever tries again before they have expired may find, for ever, that
		// no two nodes are free at the same time.
		goal.Of[rival.Side] = 12
		change = func(c *pace) {
			c.Expiration, c.Workers = time.Second, 1
			c.Retry, c.Pause = 1100*time.Millisecond, 10*time.Millisecond
			c.ours = 30 * time.Millisecond
		}
	}
	v := m.contend(a, "contended", goal, change)
	acquit(m.t, v)
	if v.Holds < goal.Holds || v.Of["ours"] < goal.Of["ours"] || v.Of[rival.Side] < goal.Of[rival.Side] {
		m.t.Errorf("the contest ended too soon: %v", v)
	}
	if v.Turns < min(goal.Of[rival.Side]/2, 100) {
		m.t.Errorf("they hardly met: %v", v)
	}
	if m.library.Releases {
		m.everyNodeIsRidOf("contended")
	}
}

// The same harness, with a rival whose lock is no lock: it locks another key. If that went unseen, nothing that is said
// here about the others would be worth anything. Each way by which holders reach the arbiter is tried.
func aLockThatExcludesNobodyIsCaught(m *meeting) {
	a := arbiter.New(m.t)
	goal := arbiter.Goal{Holds: 300, Of: map[string]int{"ours": 100, rival.Side: 100}}
	v := m.contend(a, "contended", goal, func(c *pace) { c.Keys = []string{m.name("another")} })
	if v.Overlaps == 0 || v.Lost == 0 {
		m.t.Errorf("the arbiter saw nothing: %v", v)
	}
}

// Tokens of ours increase although theirs hold the lock in between, who know nothing of tokens.
func tokensIncreaseAmongThoseWhoHaveNone(m *meeting) {
	a := arbiter.New(m.t)
	key := "fenced:" + m.fact
	a.Open(key, arbiter.Goal{Holds: 200, Of: map[string]int{"ours": 50, rival.Side: 50}})
	ctx, cancel := context.WithTimeout(m.t.Context(), contestLimit)
	defer cancel()
	var newest atomic.Int64
	c := rival.Contest{
		Arbiter: a, Keys: []string{key}, Witnessed: []string{key}, Workers: 1, Expiration: 30 * time.Second,
		Retry: 2 * time.Millisecond, Pause: time.Millisecond,
	}
	errs := make(chan error, 3)
	go func() { errs <- m.theirs.Contend(ctx, c) }()
	for range 2 {
		fenced := wrap(m.open().Fenced.For(m.fact))
		go func() {
			errs <- rival.Contend(ctx, c, "ours", func() (func() error, error) {
				lock, err := fenced.Acquire(ctx, mutex.WithWait(mutex.Forever))
				if err != nil {
					return nil, err
				}
				if before := newest.Swap(lock.Token); before >= lock.Token {
					err = fmt.Errorf("token %d came after %d", lock.Token, before)
				}
				return func() error { return errors.Join(err, lock.Release(ctx)) }, nil
			})
		}()
	}
	if err := errors.Join(<-errs, <-errs, <-errs); err != nil {
		m.t.Error(err)
	}
	v := a.Verdict(key)
	acquit(m.t, v)
	if newest.Load() == 0 || v.Turns < 20 {
		m.t.Errorf("newest token %d; %v", newest.Load(), v)
	}
}
