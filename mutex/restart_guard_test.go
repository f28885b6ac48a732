package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// guarded gives a definition a restart guard, and an expiration by which its quarantine is as short as can be.
func guarded(d mutex.Definition) mutex.Definition {
	d.RestartGuard, d.Expiration, d.NodeTimeout = true, guardedFor, guardedFor/2
	return d
}

const (
	guardedFor = time.Second
	// quarantine is how long a server that a guarded definition finds new doesn't vote, without fencing.
	quarantine = guardedFor + guardedFor/100 + 2*time.Second
)

// wantQuarantined checks that nobody gets the lock because of a quarantine of which no more than most remains, or a second
// more: a server's uptime counts whole ones.
func wantQuarantined(t *testing.T, m mutex.Mutex[counter], most time.Duration, options ...mutex.AcquireOption) {
	t.Helper()
	lock, err := m.AcquireLock(t.Context(), options...)
	for end := time.Now().Add(most); err != nil && strings.Contains(err.Error(), ": timeout") && time.Now().Before(end); {
		lock, err = m.AcquireLock(t.Context(), options...) // the machine is busy
	}
	wantError(t, err, mutex.ErrNodeQuarantined, mutex.ErrNoQuorum)
	var quarantined *mutex.QuarantineError
	if !errors.As(err, &quarantined) {
		t.Fatalf("lock %v, error %v; want a QuarantineError", lock, err)
	}
	if left := quarantined.Remaining; left <= 0 || left > most+time.Second {
		t.Errorf("%v remain; want %v at most", left, most)
	}
	wantText(t, err, "no quorum; node quarantined: a quorum can vote in ", ": quarantined")
}

func TestAFleetThatIsNewRefusesForAWhile(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " servers"), func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, n)
			var n notes
			set := open(t, guarded(on(urls(servers)...)), mutex.WithLogger(n.logger(slog.LevelInfo)))
			m, start := at(set, "k"), time.Now()
			wantQuarantined(t, m, quarantine)
			asked := time.Now()
			wantQuarantined(t, m, quarantine, mutex.WithWait(quarantine/2)) // which isn't enough
			took(t, asked, quarantine/5)                                    // so it isn't waited for
			ran := false
			err := m.Synchronize(t.Context(), func(context.Context) error { ran = true; return nil })
			wantError(t, err, mutex.ErrNodeQuarantined)
			if ran {
				t.Error("fn has run without the lock")
			}
			if warnings := n.with("level=WARN", "quarantined", servers[0].Addr()); len(warnings) > 1 {
				t.Errorf("it was logged %d times", len(warnings))
			}

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err = m.AcquireLock(ctx, mutex.WithWait(mutex.Forever))
			wantError(t, err, context.DeadlineExceeded, mutex.ErrNoQuorum)

			lock := acquire(t, m, mutex.WithWait(mutex.Forever))
			if waited := time.Since(start); waited < quarantine {
				t.Errorf("it was over after %v", waited)
			}
			took(t, start, quarantine+3*time.Second) // an uptime counts whole seconds
			release(t, lock)
			// Without a guard nobody is refused.
			release(t, acquire(t, at(open(t, on(urls(servers)...)), "k")))
		})
	}
}

// aged are servers that are in nobody's quarantine any more.
func aged(t *testing.T, d mutex.Definition, n int, args ...string) (servers []*redistest.Server, aged mutex.Definition) {
	t.Helper()
	servers = redistest.StartN(t, n, args...)
	for _, s := range servers { // then only their uptime counts, of all at once
		s.CLI("SET", "mutexgen:birth", "0")
	}
	for _, s := range servers {
		alone := with(d, func(d *mutex.Definition) { d.URL = s.URL() })
		release(t, acquire(t, at(open(t, alone), "aged"), mutex.WithWait(mutex.Forever)))
	}
	if d.URL, d.Servers = "", urls(servers); n == 1 {
		d.URL, d.Servers = servers[0].URL(), nil
	}
	untilAllVote(t, open(t, d), servers)
	return servers, d
}

// What the guard is for, and what happens without.
func TestARestartedServerLetsNoSecondHolderIn(t *testing.T) {
	t.Parallel()
	for _, guard := range []bool{true, false} {
		t.Run(fmt.Sprint("guard ", guard), func(t *testing.T) {
			t.Parallel()
			const expiration = 2 * time.Second
			servers, d := aged(t, with(guarded(on()), func(d *mutex.Definition) { d.Expiration, d.RestartGuard = expiration, guard }), 3)
			m, other := at(open(t, d), "k"), at(open(t, d), "k")
			lock := acquire(t, m)
			eventually(t, "every server knows of the lock", func() bool {
				return servers[0].Get("k") != "" && servers[1].Get("k") != "" && servers[2].Get("k") != ""
			})
			servers[0].Restart()
			servers[1].Restart()
			second, err := other.AcquireLock(t.Context())
			if lock.Err() != nil {
				t.Skip("the servers took longer to restart than the lock lasts")
			}
			switch {
			case guard:
				if !errors.Is(err, mutex.ErrNodeQuarantined) && !errors.Is(err, mutex.ErrAlreadyLocked) { // as the third says
					t.Errorf("a second holder: %v, %v", second, err)
				}
			case err != nil:
				t.Errorf("there was nothing to be guarded against: %v", err)
			default:
				release(t, second)
			}
		})
	}
}

func TestALockIsKeptWhileAMinorityIsInQuarantine(t *testing.T) {
	t.Parallel()
	servers, d := aged(t, guarded(on()), 3)
	m, other := at(open(t, d), "k"), at(open(t, d), "k")
	lock := acquire(t, m, mutex.WithRenewal())
	first := lock.Until()
	servers[0].Restart()
	eventually(t, "the lock is renewed", func() bool { return lock.Until().Sub(first) > time.Second })
	if _, err := other.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
		t.Errorf("beside the holder: %v", err)
	}
	if owner := servers[0].Get("k"); owner != "" {
		t.Errorf("the server in quarantine has %q", owner)
	}
	release(t, lock)
	release(t, acquire(t, other)) // the other two suffice
}

// Deleted data is noticed though the server goes on: its uptime doesn't show it.
func TestDeletedDataIsARestart(t *testing.T) {
	t.Parallel()
	servers, d := aged(t, guarded(on()), 1)
	server, m := servers[0], at(open(t, d), "k")
	lock := acquire(t, m)
	server.Flush()
	wantQuarantined(t, m, quarantine)
	if err := m.ExtendLock(t.Context(), lock, guardedFor); err == nil {
		t.Error("a server in quarantine has extended a lock that it has forgotten")
	}
}

// Uptime shows a restart that lost no data, or not all: the birth key alone wouldn't.
func TestARestartWithDataIsARestart(t *testing.T) {
	t.Parallel()
	servers, d := aged(t, guarded(on()), 1, "--appendonly", "yes", "--appendfsync", "always")
	server, m := servers[0], at(open(t, d), "k")
	release(t, acquire(t, m))
	server.Restart()
	if server.Get("mutexgen:birth") == "" {
		t.Fatal("the server has lost its data")
	}
	wantQuarantined(t, m, quarantine)
}

func TestTokensIncreaseThoughAllServersLoseTheirData(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	d := with(guarded(fenced(on(urls(servers)...))), func(d *mutex.Definition) { d.Wait = mutex.Forever })
	m := at(open(t, d), "k")
	start := time.Now()
	wantQuarantined(t, m, 7*time.Second, mutex.WithWait(0)) // so long it is with fencing, at least
	before := acquire(t, m)
	if waited := time.Since(start); waited < 7*time.Second {
		t.Errorf("the quarantine was over after %v", waited)
	}
	release(t, before)
	for _, s := range servers {
		s.Restart()
	}
	start = time.Now()
	after := acquire(t, m)
	if waited := time.Since(start); waited < 4*time.Second {
		t.Errorf("the quarantine was over after %v", waited)
	}
	if after.Token() <= before.Token() {
		t.Errorf("token %d after %d", after.Token(), before.Token())
	}
	release(t, after)
}

func TestUnderAGuardNoLockLastsLonger(t *testing.T) {
	t.Parallel()
	m := at(open(t, guarded(on(mutextest.Run(t).URL()))), "k")
	const longer = guardedFor + time.Millisecond
	_, err := m.AcquireLock(t.Context(), mutex.WithExpiration(longer))
	wantText(t, err, "expiration 1.001s is too long", "restart guard")
	err = m.Synchronize(t.Context(), func(context.Context) error { return nil }, mutex.WithExpiration(longer))
	wantText(t, err, "expiration 1.001s is too long")
	lock := acquire(t, m, mutex.WithExpiration(guardedFor-time.Millisecond))
	wantText(t, m.ExtendLock(t.Context(), lock, longer), "expiration 1.001s is too long")
	if err := m.ExtendLock(t.Context(), lock, guardedFor); err != nil || lock.Err() != nil {
		t.Errorf("%v, %v", err, lock.Err())
	}
	release(t, lock)
}

// Without a right to info only lost data is seen; that is said once.
func TestAServerThatTellsNoUptime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rights := slices.DeleteFunc(slices.Concat(leastRights, fencingRights, guardRights), func(right string) bool { return right == "+info" })
	cli(t, server, append([]string{"ACL", "SETUSER", "somebody", "on", ">" + secret, "resetchannels", "~locks:*"}, rights...)...)
	var n notes
	set := open(t, guarded(on(withSecret(server, "somebody"))), mutex.WithLogger(n.logger(slog.LevelInfo)))
	wantQuarantined(t, at(set, "locks:k"), quarantine)
	server.CLI("SET", "mutexgen:birth", "0")
	eventually(t, "the server votes", func() bool {
		lock, err := at(set, "locks:k").AcquireLock(t.Context())
		return err == nil && lock.Token() == 0 && mutex.ReleaseLock(t.Context(), lock) == nil
	})
	if warnings := n.with("level=WARN", "uptime", server.Addr()); len(warnings) != 1 {
		t.Errorf("it was logged %d times: %q", len(warnings), warnings)
	}
}

// The birth key is everybody's to write. What is wrong with it must not keep anybody waiting for ever, nor lets anybody in.
func TestABirthThatIsNone(t *testing.T) {
	t.Parallel()
	for _, birth := range []string{"garbage", "", "nan", "inf", "1e300", "99999999999999", "0x10", "-5", " 5 "} {
		r := mutextest.Run(t)
		c := client(t, r.URL())
		if err := c.Set(t.Context(), "mutexgen:birth", birth, 0).Err(); err != nil {
			t.Fatal(err)
		}
		m := at(open(t, guarded(on(r.URL()))), "k")
		lock, err := m.AcquireLock(t.Context())
		if err == nil {
			release(t, lock)
			if birth != "-5" && birth != " 5 " && birth != "0x10" {
				t.Errorf("%q: it votes", birth)
			}
			continue
		}
		wantQuarantined(t, m, quarantine)
		if now, err := c.Get(t.Context(), "mutexgen:birth").Int64(); err != nil || time.Since(time.UnixMilli(now)) > soon {
			t.Errorf("%q has become %d, %v", birth, now, err)
		}
	}
}

// The generator knows nothing of the engine, but warns of its quarantine.
func TestTheGeneratorWarnsOfTheEnginesQuarantine(t *testing.T) {
	for _, s := range []engine.Settings{
		{Expiration: time.Hour, DriftFactor: 0.01},
		{Expiration: time.Hour, DriftFactor: 0},
		{Expiration: 10 * time.Minute, DriftFactor: 0.25, Fencing: true},
		{Expiration: 87600 * time.Hour, DriftFactor: 0.9},
		{Expiration: 299 * time.Second, DriftFactor: 0.01},
	} {
		s.RestartGuard = true
		text := fmt.Sprintf("version: 1\nmutexes:\n- {name: A, url: redis://a, restart_guard: on, fencing: %t, expiration: %v, drift_factor: %v}\n",
			s.Fencing, s.Expiration, s.DriftFactor)
		_, findings := definition.Parse("mutexes.yaml", []byte(text))
		if len(findings) != 1 || !strings.HasSuffix(findings[0].Message, fmt.Sprint("don't vote for ", s.Quarantine().Round(time.Second))) {
			t.Errorf("%s: %+v; want a warning of %v", text, findings, s.Quarantine())
		}
	}
}
