package mutex_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// foreign is how another library acquires, as it can be seen with MONITOR. K stands for the key, V for its owner value.
type foreign struct {
	library string
	acquire []string
	// key is what the library makes of the name n.
	key string
	// got and refused are what the server answers.
	got, refused string
}

// A script equal in effect to what node-redlock 5 sends: no key may exist, then all are set.
const setAllUnlessAnyExists = `for _, key in ipairs(KEYS) do if redis.call("exists", key) == 1 then return 0 end end
for _, key in ipairs(KEYS) do redis.call("set", key, ARGV[1], "PX", ARGV[2]) end
return #KEYS`

// A script equal in effect to what other versions of bsm/redislock than 0.9 send.
const setManyThenExpire = `if redis.call("msetnx", KEYS[1], ARGV[1]) == 0 then return false end
redis.call("pexpire", KEYS[1], ARGV[2])
return redis.status_reply("OK")`

// A script equal in effect to what Redisson sends: a hash, and a count of entries.
const setHash = `if redis.call("exists", KEYS[1]) == 1 then return redis.call("pttl", KEYS[1]) end
redis.call("hincrby", KEYS[1], ARGV[1], 1)
redis.call("pexpire", KEYS[1], ARGV[2])
return nil`

var foreigners = []foreign{
	{"redis-cli", strings.Fields("SET K V NX PX 60000"), "n", "OK", "(nil)"},
	{"lyokato/redlock 1.0.21", strings.Fields("SET K V NX PX 60000"), "n", "OK", "(nil)"},
	{"RedMutex 0.3.0", strings.Fields("SET K V NX EX 60"), "n", "OK", "(nil)"},
	{"RedlockEx 0.1", strings.Fields("SET K 1 NX EX 60"), "redlock_ex-n", "OK", "(nil)"},
	{"redlock-go v3.0.0", strings.Fields("set K V ex 60 nx"), "n", "OK", "(nil)"},
	{"redlock-go v3.0.0, fractions of a second", strings.Fields("set K V px 60000 nx"), "n", "OK", "(nil)"},
	{"node-redlock 4", []string{"EVAL", setAllUnlessAnyExists, "1", "K", "V", "60000"}, "n", "1", "0"},
	{"node-redlock 5", []string{"EVAL", setAllUnlessAnyExists, "2", "K", "Kother", "V", "60000"}, "n", "2", "0"},
	{"redsync v4", strings.Fields("SET K V NX PX 8000"), "n", "OK", "(nil)"},
	{"bsm/redislock, other versions", []string{"EVAL", setManyThenExpire, "1", "K", "V", "60000"}, "n", "OK", "(nil)"},
	{"bsm/redislock 0.9", strings.Fields("SET K V NX PX 60000"), "n", "OK", "(nil)"},
	{"redis-py", strings.Fields("SET K V NX PX 60000"), "n", "OK", "(nil)"},
	{"python-redis-lock", strings.Fields("SET K V NX EX 60"), "lock:n", "OK", "(nil)"},
	{"RedLock.net, pottery", strings.Fields("SET K V NX PX 60000"), "redlock:n", "OK", "(nil)"},
	{"ShedLock", strings.Fields("SET K V NX PX 60000"), "job-lock:default:n", "OK", "(nil)"},
	{"rueidislock", strings.Fields("SET K V NX PXAT 99999999999999"), "rueidislock:0:n", "OK", "(nil)"},
	{"Redisson", []string{"EVAL", setHash, "1", "K", "V", "60000"}, "n", "(nil)", "60000"},
	{"SETNX without expiration", strings.Fields("SETNX K V"), "n", "1", "0"},
}

// send sends the library's command for a key.
func (f *foreign) send(s *redistest.Server, key string) string {
	replaced := slices.Clone(f.acquire)
	for i, word := range replaced {
		switch word {
		case "K":
			replaced[i] = key
		case "Kother":
			replaced[i] = key + ":other"
		case "V":
			replaced[i] = f.library
		}
	}
	return s.CLI(replaced...)
}

func TestLocksOfOtherLibrariesExcludeOursAndTheReverse(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	one, three := open(t, on(servers[0].URL())), open(t, on(urls(servers)...))
	// What people put into names.
	names := []string{"n", "a:b", "key with space", "日本語", "{tag}:x", "n\x00\xff\r\n"}
	for i, f := range foreigners {
		for j, set := range []*mutex.Set{one, three} {
			nodes := servers[:len(set.All()[0].Servers)]
			if len(nodes) == 0 {
				nodes = servers[:1]
			}
			quorum := nodes[:len(nodes)/2+1]
			key := strings.TrimSuffix(f.key, "n") + names[(i+j)%len(names)]
			m := at(set, key)

			for _, s := range quorum {
				if got := f.send(s, key); got != f.got {
					t.Fatalf("%s: %q on a free key is answered %q; want %q", f.library, f.acquire, got, f.got)
				}
			}
			_, err := m.AcquireLock(t.Context())
			wantError(t, err, mutex.ErrAlreadyLocked)
			if exists, err := m.ExistsLock(t.Context()); !exists || err != nil {
				t.Errorf("%s holds %q; ours says exists %v, %v", f.library, key, exists, err)
			}
			for i, s := range quorum {
				if got := s.CLI("EXISTS", key); got != "1" {
					t.Errorf("%s: our attempt took its lock from node %d", f.library, i)
				}
			}
			for _, s := range nodes {
				s.Flush()
			}

			lock := acquire(t, m)
			for i, s := range nodes {
				eventually(t, "every node has the key", func() bool { return s.CLI("EXISTS", key) == "1" })
				// What a refusal looks like is the library's own affair; Redisson's is the remaining time.
				if got := f.send(s, key); got == f.got || f.refused != "60000" && got != f.refused {
					t.Errorf("%s: %q at our lock on node %d is answered %q; want %q", f.library, f.acquire, i, got, f.refused)
				}
			}
			release(t, lock)
			for _, s := range nodes {
				s.Flush()
			}
		}
	}
}

// Others release by comparing the value. With a value of their own, they cannot release ours.
func TestReleaseOfAnotherLibraryDoesNotTouchOurs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	lock := acquire(t, at(open(t, on(server.URL())), "k"))
	const compareAndDelete = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end return 0`
	owner := server.Get("k")
	random, _, _ := strings.Cut(owner, " ")
	for _, value := range []string{"", "1", "redis-cli", random, owner + " ", strings.ToUpper(owner)} {
		if got := server.CLI("EVAL", compareAndDelete, "1", "k", value); got != "0" {
			t.Errorf("a release with value %q is answered %s", value, got)
		}
	}
	release(t, lock)
}

func TestReleaseNeverDeletesAnotherOwnersLock(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, on(urls(servers)...))
	for i, value := range []string{"somebody else", "", strings.Repeat("x", 1<<20)} {
		key := fmt.Sprint("k", i)
		m := at(set, key)
		lock := acquire(t, m)
		for _, s := range servers {
			eventually(t, "every node has the key", func() bool { return s.Get(key) != "" })
			cli(t, s, "SET", key, value, "PX", "60000")
		}
		err := mutex.ReleaseLock(t.Context(), lock)
		wantError(t, err, mutex.ErrNotHeld)
		wantText(t, err, ": taken")
		time.Sleep(20 * time.Millisecond)
		for _, s := range servers {
			if s.CLI("EXISTS", key) != "1" || s.Get(key) != value {
				t.Errorf("our release deleted the key of %.20q", value)
			}
		}
	}
}

// Half-way: a quorum has the lock still, a minority is another's. Or the reverse.
func TestReleaseOfALockThatIsAnothersOnSomeNodes(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(open(t, on(urls(servers)...)), "k")
	for others := range 4 {
		lock := acquire(t, m)
		for i, s := range servers {
			eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
			if i < others {
				cli(t, s, "SET", "k", "somebody else", "PX", "60000")
			}
		}
		err := mutex.ReleaseLock(t.Context(), lock)
		if others < 2 && err != nil {
			t.Errorf("another's on %d of 3: %v", others, err)
		}
		if others >= 2 {
			wantError(t, err, mutex.ErrNotHeld)
		}
		for i, s := range servers {
			want := ""
			if i < others {
				want = "somebody else"
			}
			eventually(t, "each node keeps what is not ours, and nothing else", func() bool { return s.Get("k") == want })
			s.Flush()
		}
	}
}

func TestKeyOfAnotherTypeIsALockOfSomebodyElse(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(open(t, on(urls(servers)...)), "k")
	for _, create := range [][]string{
		{"HSET", "k", "owner", "1"}, {"LPUSH", "k", "x"}, {"SADD", "k", "x"}, {"ZADD", "k", "1", "x"}, {"XADD", "k", "*", "a", "b"},
	} {
		for _, s := range servers {
			s.CLI(create...)
		}
		_, err := m.AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		if exists, err := m.ExistsLock(t.Context()); !exists || err != nil {
			t.Errorf("%s at the key: exists %v, %v", create[0], exists, err)
		}
		kind := servers[0].CLI("TYPE", "k")
		for _, s := range servers {
			s.Flush()
		}

		for _, operation := range []func(*mutex.Lock[counter]) error{
			func(l *mutex.Lock[counter]) error { return mutex.ReleaseLock(t.Context(), l) },
			func(l *mutex.Lock[counter]) error { return mutex.ExtendLock(t.Context(), l, time.Minute) },
		} {
			lock := acquire(t, m)
			for _, s := range servers {
				eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
				s.CLI("DEL", "k")
				s.CLI(create...)
			}
			err := operation(lock)
			wantError(t, err, mutex.ErrNotHeld)
			wantText(t, err, ": wrong type")
			if lock.Err() == nil {
				t.Errorf("%s at the key: the lock is still held", create[0])
			}
			wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNotHeld)
			for _, s := range servers {
				if got := s.CLI("TYPE", "k"); got != kind {
					t.Errorf("the %s at the key has become %s", kind, got)
				}
				s.Flush()
			}
		}
	}
}

func TestScriptsThatAServerForgotAreSentAgain(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(open(t, on(urls(servers)...)), "k")
	forget := func() {
		for _, s := range servers {
			cli(t, s, "SCRIPT", "FLUSH")
		}
	}
	for range 5 {
		lock := acquire(t, m)
		for _, s := range servers {
			eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
		}
		forget()
		if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
			t.Error(err)
		}
		for _, s := range servers {
			eventually(t, "every node has extended it", func() bool { return s.PTTL("k") > 50*time.Second })
		}
		forget()
		release(t, lock)
		wantNoKeys(t, servers...)
	}
	// While others work.
	done := make(chan error)
	go func() {
		for i := range 200 {
			lock, err := m.AcquireLock(t.Context(), mutex.WithWait(soon))
			if err == nil && i%3 == 0 {
				err = mutex.ExtendLock(t.Context(), lock, time.Minute)
			}
			if err == nil {
				err = mutex.ReleaseLock(t.Context(), lock)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			wantNoKeys(t, servers...)
			return
		default:
			forget()
		}
	}
}

// The key is the same text for everybody, whatever bytes it is made of.
func TestKeysAreSentAsTheyAre(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := open(t, on(server.URL()))
	other := client(t, server.URL())
	for _, key := range []string{
		"k", "a b", "a\r\nDEL k\r\n", "*1\r\n$8\r\nFLUSHALL\r\n", "\x00", "\xff\xfe", "日本語", "{}", "%s%d%n", "'\"`$(id)", strings.Repeat("k", 1<<20),
	} {
		lock := acquire(t, at(set, key))
		if keys, err := other.Keys(t.Context(), "*").Result(); err != nil || !slices.Equal(keys, []string{key}) {
			t.Errorf("locking %.40q makes the keys %.80q, %v", key, keys, err)
		}
		if got, err := other.SetArgs(t.Context(), key, "x", redis.SetArgs{Mode: "NX"}).Result(); err != redis.Nil {
			t.Errorf("another client at %.40q: %q, %v", key, got, err)
		}
		_, err := at(set, key).AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		if strings.ContainsAny(err.Error(), "\x00\r\n") || !utf8.ValidString(err.Error()) {
			t.Errorf("error %.200q holds the key's raw bytes", err)
		}
		release(t, lock)
	}
}
