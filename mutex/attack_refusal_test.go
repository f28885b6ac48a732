package mutex_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// secret is every password of these tests. It stands in no text that the library writes.
const secret = "Qqpwz/Xx@vj"

// withSecret is a server's URL with a user and the secret.
func withSecret(s *redistest.Server, user string) string {
	return "redis://" + user + ":Qqpwz%2FXx%40vj@" + s.Addr()
}

// wantNoSecret checks that a text shows no part of the secret.
func wantNoSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, part := range []string{"Qqpwz", "Xx@vj", "Xx%40vj"} {
			if strings.Contains(text, part) {
				t.Errorf("%q shows the secret", text)
			}
		}
	}
}

func (n *notes) text() string { return strings.Join(n.with(), "\n") }

// cli sends a command that must be answered OK.
func cli(t *testing.T, s *redistest.Server, args ...string) {
	t.Helper()
	if answer := s.CLI(args...); answer != "OK" {
		t.Fatalf("%v: %s", args, answer)
	}
}

// A server that answers every question with an error is named with it; where it is known what to do, there is a hint; nobody waits
// for anything to change.
func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	start := func(args ...string) func(t *testing.T) *redistest.Server {
		return func(t *testing.T) *redistest.Server { return redistest.Start(t, args...) }
	}
	user := func(rules ...string) func(t *testing.T) *redistest.Server {
		return func(t *testing.T) *redistest.Server {
			s := redistest.Start(t)
			cli(t, s, append([]string{"ACL", "SETUSER", "somebody", "on", ">" + secret, "~*", "+@all"}, rules...)...)
			return s
		}
	}
	somebody := func(s *redistest.Server) string { return withSecret(s, "somebody") }
	plain := func(s *redistest.Server) string { return s.URL() }
	for _, test := range []struct {
		name  string
		start func(t *testing.T) *redistest.Server
		url   func(s *redistest.Server) string
		// answer and hint are parts of the error.
		answer, hint string
		// permanent: nobody who retries need wait for it to change.
		permanent bool
	}{
		{"wrong password", start("--requirepass", "other"), func(s *redistest.Server) string { return withSecret(s, "") },
			"WRONGPASS", "check the user and the password", true},
		{"wrong user", start(), func(s *redistest.Server) string { return withSecret(s, "nobody") }, "WRONGPASS", "check the user and the password", true},
		{"missing password", start("--requirepass", secret), plain, "NOAUTH", "check the user and the password", true},
		{"user that is off", user("off"), somebody, "WRONGPASS", "check the user and the password", true},
		{"user without SET", user("-set"), somebody, "NOPERM", "go tool mutexgen acl prints the ACL rule that it needs", true},
		{"user without the key", user("resetkeys", "~other:*"), somebody, "NOPERM", "go tool mutexgen acl", true},
		{"user without any command", user("-@all"), somebody, "NOPERM", "go tool mutexgen acl", true},
		{"server in cluster mode", start("--cluster-enabled", "yes"), plain, "cluster mode", "name independent servers", true},
		{"server in cluster mode that owns every slot", func(t *testing.T) *redistest.Server {
			s := redistest.Start(t, "--cluster-enabled", "yes")
			cli(t, s, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
			eventually(t, "the cluster is up", func() bool { return s.CLI("SET", "try", "x") == "OK" && s.CLI("DEL", "try") == "1" })
			return s
		}, plain, "cluster mode", "name independent servers", true},
		{"server in cluster mode, RESP2", start("--cluster-enabled", "yes"), func(s *redistest.Server) string { return s.URL() + "?protocol=2" },
			"cluster mode", "name independent servers", true},
		{"replica", start("--replicaof", "127.0.0.1", "1"), plain, "READONLY", "name the master", false},
		{"server without memory", start("--maxmemory", "1"), plain, "OOM", "maxmemory", false},
		{"server that lost its replicas", start("--min-replicas-to-write", "1"), plain, "NOREPLICAS", "", false},
		{"server that cannot save", func(t *testing.T) *redistest.Server {
			s := redistest.Start(t)
			_, dir, _ := strings.Cut(s.CLI("CONFIG", "GET", "dir"), "\n")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			cli(t, s, "CONFIG", "SET", "save", "3600 1")
			cli(t, s, "SET", "try", "x")
			s.CLI("BGSAVE")
			eventually(t, "saving fails", func() bool { return strings.Contains(s.CLI("INFO", "persistence"), "rdb_last_bgsave_status:err") })
			return s
		}, plain, "MISCONF", "cannot write its data to disk", false},
		{"no such database", start("--databases", "2"), func(s *redistest.Server) string { return s.URL() + "/7" }, "DB index is out of range", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := test.start(t)
			var n notes
			set := open(t, on(test.url(server)), mutex.WithLogger(n.logger(slog.LevelInfo)), mutex.WithTrace(n.trace()))
			m := at(set, "k")
			for _, wait := range []time.Duration{0, 300 * time.Millisecond, 0} {
				start := time.Now()
				lock, err := m.AcquireLock(t.Context(), mutex.WithWait(wait))
				took(t, start, nodeTimeout)
				if lock != nil || !errors.Is(err, mutex.ErrNoQuorum) || errors.Is(err, mutex.ErrAlreadyLocked) {
					t.Fatalf("acquire: %v, %v; want ErrNoQuorum", lock, err)
				}
				wantText(t, err, "acquire Counter", server.Addr(), ": refused: ", test.answer, test.hint)
				wantNoSecret(t, err.Error())
				var e *mutex.Error
				if errors.As(err, &e) && (e.Hint == "") != (test.hint == "") {
					t.Errorf("hint is %q", e.Hint)
				}
			}
			start := time.Now()
			err := m.Synchronize(t.Context(), func(context.Context) error {
				t.Error("fn ran")
				return nil
			})
			took(t, start, nodeTimeout)
			wantError(t, err, mutex.ErrNoQuorum)
			wantNoSecret(t, err.Error(), n.text())
			if test.permanent {
				retries := at(open(t, with(on(test.url(server)), func(d *mutex.Definition) { d.MaxRetry = 1000 })), "k")
				start := time.Now()
				_, err := retries.AcquireLock(t.Context())
				took(t, start, nodeTimeout)
				wantError(t, err, mutex.ErrNoQuorum)
			}
		})
	}
}

func TestUserWithoutScriptsAcquiresButCannotRelease(t *testing.T) {
	t.Parallel()
	for _, rules := range [][]string{{"-eval", "-evalsha"}, {"-evalsha"}, {"-@scripting"}, {"-get"}, {"-del"}} {
		server := redistest.Start(t)
		cli(t, server, append([]string{"ACL", "SETUSER", "somebody", "on", ">" + secret, "~*", "+@all"}, rules...)...)
		var n notes
		m := at(open(t, on(withSecret(server, "somebody")), mutex.WithLogger(n.logger(slog.LevelInfo))), "k")
		lock := acquire(t, m)
		start := time.Now()
		err := mutex.ReleaseLock(t.Context(), lock)
		took(t, start, nodeTimeout)
		if !errors.Is(err, mutex.ErrNoQuorum) {
			t.Errorf("%v: release: %v; want ErrNoQuorum", rules, err)
		}
		wantText(t, err, server.Addr()+": refused", "hint: the server's user may not do this: go tool mutexgen acl prints the ACL rule that it needs")
		if server.Get("k") == "" {
			t.Errorf("%v: the key is gone", rules)
		}
		server.Flush()
		if err := m.Synchronize(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("%v: the work was done, exclusively: %v", rules, err)
		}
		if got := n.with("level=WARN", "not released", "hint: the server's user"); len(got) != 1 {
			t.Errorf("%v: the release failed; the log says %q", rules, n.text())
		}
		wantNoSecret(t, err.Error(), n.text())
	}
}

// leastRights are those that the README says a user needs, and waitingRights what those do who wait; fencingRights and
// guardRights come with tokens and a restart guard.
var (
	fencingRights = []string{"~*:fence", "+time", "+incr"}
	guardRights   = []string{"~mutexgen:birth", "+time", "+info"}
	leastRights   = []string{"+set", "+get", "+del", "+pttl", "+pexpire", "+eval", "+evalsha"}
	waitingRights = []string{"+publish", "+subscribe", "+unsubscribe", "+ping", "&mutexgen:*"}
)

func TestUserWithTheLeastRights(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		rights   []string
		interval time.Duration
	}{
		{"waits for word of the release", append(leastRights, waitingRights...), time.Hour},
		{"asks from time to time", leastRights, 300 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			cli(t, server, append([]string{"ACL", "SETUSER", "somebody", "on", ">" + secret, "resetchannels", "~locks:*"}, test.rights...)...)
			d := with(on(withSecret(server, "somebody")), func(d *mutex.Definition) { d.RetryInterval = test.interval })
			set, other := open(t, d), open(t, d)
			m := at(set, "locks:k")
			lock := acquire(t, m, mutex.WithExpiration(3*time.Second), mutex.WithRenewal())
			if exists, err := m.ExistsLock(t.Context()); !exists || err != nil {
				t.Errorf("exists %v, %v", exists, err)
			}
			waited := make(chan error, 1)
			go func() {
				next, err := at(other, "locks:k").AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
				waited <- errors.Join(err, mutex.ReleaseLock(t.Context(), next))
			}()
			first := lock.Until()
			eventually(t, "the lock is renewed", func() bool { return lock.Until().After(first) })
			eventually(t, "the lock is renewed again", func() bool { return lock.Until().After(first.Add(time.Second)) })
			start := time.Now()
			release(t, lock)
			if err := <-waited; err != nil {
				t.Error(err)
			}
			took(t, start, min(test.interval, time.Second))
			if log := server.CLI("ACL", "LOG"); test.interval == time.Hour && log != "" {
				t.Errorf("the server has refused something:\n%s", log)
			}

			_, err := at(set, "other:k").AcquireLock(t.Context())
			wantError(t, err, mutex.ErrNoQuorum)
			wantText(t, err, "NOPERM", "go tool mutexgen acl")
			// After a refusal the connection is as good as before.
			release(t, acquire(t, m))
		})
	}
}

func TestUserWithTheLeastRightsForTokensAndAGuard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rights []string
		change func(d mutex.Definition) mutex.Definition
	}{
		"tokens":             {fencingRights, fenced},
		"tokens for ever":    {fencingRights, func(d mutex.Definition) mutex.Definition { d = fenced(d); d.FencingMemory = mutex.Forever; return d }},
		"a guard":            {guardRights, guarded},
		"tokens and a guard": {slices.Concat(fencingRights, guardRights), func(d mutex.Definition) mutex.Definition { return guarded(fenced(d)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			cli(t, server, slices.Concat([]string{"ACL", "SETUSER", "somebody", "on", ">" + secret, "resetchannels", "~locks:*"},
				leastRights, waitingRights, test.rights)...)
			d := test.change(on(withSecret(server, "somebody")))
			var n notes
			set, other := open(t, d, mutex.WithLogger(n.logger(slog.LevelInfo))), open(t, d)
			lock := acquire(t, at(set, "locks:k"), mutex.WithWait(mutex.Forever), mutex.WithRenewal())
			first := lock.Until()
			eventually(t, "the lock is renewed or extended", func() bool {
				_ = mutex.ExtendLock(t.Context(), lock, d.Expiration)
				return lock.Until().After(first)
			})
			waited := make(chan error, 1)
			go func() {
				next, err := at(other, "locks:k").AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
				waited <- errors.Join(err, mutex.ReleaseLock(t.Context(), next))
			}()
			own := make(chan error, 1)
			go func() {
				next, err := at(set, "locks:k").AcquireLock(t.Context(), mutex.WithWait(mutex.Forever))
				own <- errors.Join(err, mutex.ReleaseLock(t.Context(), next))
			}()
			release(t, lock)
			for _, done := range []chan error{waited, own} {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if log := server.CLI("ACL", "LOG"); log != "" {
				t.Errorf("the server has refused something:\n%s", log)
			}
			if warnings := n.with("uptime"); len(warnings) > 0 {
				t.Errorf("logged: %q", warnings)
			}
			// Without a right of these there is an error, and no lock.
			for _, right := range test.rights {
				if !strings.HasPrefix(right, "+") || right == "+info" {
					continue
				}
				cli(t, server, "ACL", "SETUSER", "somebody", "-"+right[1:])
				_, err := at(set, "locks:k").AcquireLock(t.Context())
				wantError(t, err, mutex.ErrNoQuorum)
				eventually(t, "nothing is left", func() bool { return server.Get("locks:k") == "" })
				cli(t, server, "ACL", "SETUSER", "somebody", right)
			}
		})
	}
}

func TestLoadingServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, on(urls(servers)...))
	untilAllVote(t, set, servers)
	servers[0].RestartLoading()
	for range 5 {
		release(t, acquire(t, at(set, "k")))
	}
	servers[1].RestartLoading()
	start := time.Now()
	_, err := at(set, "k").AcquireLock(t.Context())
	took(t, start, nodeTimeout)
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, servers[0].Addr()+": refused: LOADING", servers[1].Addr()+": refused: LOADING", "hint: the server is still loading")
	servers[0].Restart()
	servers[1].Restart()
	start = time.Now()
	eventually(t, "loaded servers vote", func() bool {
		lock, err := at(set, "k").AcquireLock(t.Context())
		if err == nil {
			release(t, lock)
		}
		return err == nil
	})
	took(t, start, reconnection+2*nodeTimeout)
	wantNoKeys(t, servers...)
}

// A minority that refuses costs nothing.
func TestMinorityThatRefusesIsOutvoted(t *testing.T) {
	t.Parallel()
	servers := []*redistest.Server{
		redistest.Start(t, "--requirepass", secret), redistest.Start(t), redistest.Start(t, "--maxmemory", "1"), redistest.Start(t), redistest.Start(t),
	}
	set := open(t, on(urls(servers)...))
	for range 10 {
		lock := acquire(t, at(set, "k"))
		_, err := at(set, "k").AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
			t.Error(err)
		}
		release(t, lock)
	}
	servers[4].Kill()
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, servers[0].Addr()+": refused: NOAUTH", servers[2].Addr()+": refused: OOM", servers[4].Addr()+": down", "hint: ")
	wantNoKeys(t, servers[1], servers[3])
}

// A server reaches its limit while locks are held: they can be extended and released.
func TestLocksOfAServerThatRunsOutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := at(open(t, on(server.URL())), "k")
	lock := acquire(t, m)
	cli(t, server, "CONFIG", "SET", "maxmemory", "1")
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "OOM")
	if err := mutex.ExtendLock(t.Context(), lock, time.Hour); err != nil {
		t.Error(err)
	}
	if ttl := server.PTTL("k"); ttl < 59*time.Minute {
		t.Errorf("after the extension the key has %v left", ttl)
	}
	release(t, lock)
	wantNoKeys(t, server)
}

// A server loses its password, or gets one, while locks are held.
func TestPasswordThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", secret)
	var n notes
	m := at(open(t, on(withSecret(server, "")), mutex.WithLogger(n.logger(slog.LevelInfo))), "k")
	lock := acquire(t, m)
	cli(t, server, "CONFIG", "SET", "requirepass", "other")
	server.Kill() // connections that are open stay authenticated
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNoQuorum)
	server.Restart()
	release(t, func() *mutex.Lock[counter] {
		var lock *mutex.Lock[counter]
		eventually(t, "the server is back with the password of its arguments", func() bool {
			got, err := m.AcquireLock(t.Context())
			lock = got
			return err == nil
		})
		return lock
	}())
	wantNoSecret(t, err.Error(), n.text())
}

// A script that somebody else runs keeps the server from anything else.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cli(t, server, "CONFIG", "SET", "busy-reply-threshold", "1")
	m := at(open(t, on(server.URL())), "k")
	lock := acquire(t, m)
	ended := make(chan error)
	go func() { ended <- client(t, server.URL()).Eval(t.Context(), "while true do end", nil).Err() }()
	eventually(t, "the server is busy", func() bool { return strings.HasPrefix(server.CLI("GET", "k"), "BUSY") })
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, server.Addr()+": refused: BUSY")
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNoQuorum)
	cli(t, server, "SCRIPT", "KILL")
	<-ended
	wantNoKeys(t, server)
	release(t, acquire(t, m))
}
