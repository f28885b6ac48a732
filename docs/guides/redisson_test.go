package guides

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// Scripts equal in effect to those of Redisson 3.45.1: a lock is a hash with a field for its owner, which counts entries.
const (
	redissonLocks = `local free = redis.call('exists', KEYS[1]) == 0
if free or redis.call('hexists', KEYS[1], ARGV[1]) == 1 then
  redis.call('hincrby', KEYS[1], ARGV[1], 1)
  redis.call('pexpire', KEYS[1], ARGV[2])
  return 'locked'
end
return redis.call('pttl', KEYS[1])`

	redissonRenews = `if redis.call('hexists', KEYS[1], ARGV[1]) == 1 then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`

	redissonUnlocks = `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 'not mine' end
if redis.call('hincrby', KEYS[1], ARGV[1], -1) > 0 then return redis.call('pexpire', KEYS[1], ARGV[2]) end
return redis.call('del', KEYS[1])`

	redissonUnlocksByForce = `return redis.call('del', KEYS[1])`
)

// redisson runs one of them for the key k, as the thread "id:1" of some client.
func redisson(s *redistest.Server, script string) string {
	return s.CLI("EVAL", script, "1", "k", "id:1", "30000")
}

func wantWrongType(t *testing.T, what, answer string) {
	t.Helper()
	if !strings.HasPrefix(answer, "WRONGTYPE") {
		t.Errorf("%s is answered %q; want WRONGTYPE", what, answer)
	}
}

func TestRedissonsLockExcludesOurs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		servers := redistest.StartN(t, n)
		m := at(t, servers, mutex.Definition{Key: "k", Expiration: time.Minute})
		for _, s := range servers[:n/2+1] { // RedissonRedLock takes a majority
			if got := redisson(s, redissonLocks); got != "locked" {
				t.Fatalf("Redisson gets %q", got)
			}
		}
		if _, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("%d servers: %v; want ErrAlreadyLocked", n, err)
		}
		if held, err := m.ExistsLock(t.Context()); !held || err != nil {
			t.Errorf("%d servers: it exists: %t, %v", n, held, err)
		}
		if got := servers[0].CLI("TYPE", "k"); got != "hash" {
			t.Errorf("our attempt left a %s", got)
		}
		for _, s := range servers[:n/2+1] {
			if got := redisson(s, redissonUnlocks); got != "1" {
				t.Errorf("Redisson's unlock is answered %q", got)
			}
		}
		if err := m.ReleaseLock(t.Context(), acquired(t, m)); err != nil {
			t.Error(err)
		}
	}
}

// Whoever waits for a lock of Redisson's is told of nothing, and gets it at the next retry.
func TestOurWaiterGetsTheLockThatRedissonUnlocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	m := at(t, []*redistest.Server{s}, mutex.Definition{
		Key: "k", Expiration: time.Minute, Wait: mutex.Forever, RetryInterval: 50 * time.Millisecond,
	})
	redisson(s, redissonLocks)
	got := make(chan error, 1)
	go func() {
		lock, err := m.AcquireLock(t.Context())
		if err == nil {
			err = m.ReleaseLock(t.Context(), lock)
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("it returned while Redisson held the lock: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	redisson(s, redissonUnlocks)
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it still waits")
	}
}

// Redisson asks whether its field exists in what stands at the key. Of a string, Redis says that it is none: so its lock and
// tryLock neither wait nor return false, but fail.
func TestOurLockIsAnErrorToRedisson(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(t, servers, mutex.Definition{Key: "k", Expiration: time.Minute})
	lock := acquired(t, m)
	for _, s := range servers {
		eventually(t, "every server has the key", func() bool { return s.Get("k") != "" })
		owner := s.Get("k")
		wantWrongType(t, "Redisson's lock", redisson(s, redissonLocks))
		wantWrongType(t, "Redisson's renewal", redisson(s, redissonRenews))
		wantWrongType(t, "Redisson's unlock", redisson(s, redissonUnlocks))
		wantWrongType(t, "isHeldByCurrentThread", s.CLI("HEXISTS", "k", "id:1"))
		if got := s.Get("k"); got != owner {
			t.Errorf("our lock is %q now", got)
		}
		if got := s.CLI("EXISTS", "k"); got != "1" { // what isLocked asks
			t.Errorf("it exists: %s", got)
		}
	}
	if err := m.ReleaseLock(t.Context(), lock); err != nil {
		t.Error(err)
	}
	for _, s := range servers {
		eventually(t, "every server is free", func() bool { return s.CLI("EXISTS", "k") == "0" })
		if got := redisson(s, redissonLocks); got != "locked" {
			t.Errorf("after our release Redisson gets %q", got)
		}
	}
}

// forceUnlock compares nothing. Our next renewal sets the key again, unless Redisson has got the lock by then: then ours is lost,
// and told so.
func TestRedissonsForceUnlockTakesOurLock(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	m := at(t, []*redistest.Server{s}, mutex.Definition{Key: "k", Expiration: 3 * time.Second})
	lock := acquired(t, m, mutex.WithRenewal())
	owner := s.Get("k")
	if got := redisson(s, redissonUnlocksByForce); got != "1" {
		t.Fatalf("it deleted %s", got)
	}
	eventually(t, "it is set again", func() bool { return s.Get("k") == owner })
	select {
	case <-lock.Done():
		t.Fatalf("the lock ended: %v", lock.Err())
	default:
	}

	redisson(s, redissonUnlocksByForce)
	if got := redisson(s, redissonLocks); got != "locked" {
		t.Fatalf("Redisson gets %q", got)
	}
	select {
	case <-lock.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the loss goes unnoticed")
	}
	if err := lock.Err(); !errors.Is(err, mutex.ErrLockLost) {
		t.Errorf("%v; want ErrLockLost", err)
	}
	if err := m.ReleaseLock(t.Context(), lock); !errors.Is(err, mutex.ErrNotHeld) {
		t.Errorf("%v; want ErrNotHeld", err)
	}
	if got := s.CLI("TYPE", "k"); got != "hash" {
		t.Errorf("our release left a %s of Redisson's lock", got)
	}
}

// held is the type that generated code would declare for a definition.
type held struct{}

// at opens a definition on servers.
func at(t *testing.T, servers []*redistest.Server, d mutex.Definition) mutex.Mutex[held] {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL())
	}
	return opened(t, urls, d)
}

// opened opens a definition on servers, with defaults for what it doesn't say.
func opened(t *testing.T, urls []string, d mutex.Definition) mutex.Mutex[held] {
	t.Helper()
	d.Name, d.Servers, d.DriftFactor, d.PoolSize = "Subject", urls, 0.01, 2
	if d.NodeTimeout == 0 {
		d.NodeTimeout = time.Second // a busy machine is no node that is down
	}
	if d.RetryInterval == 0 {
		d.RetryInterval = 200 * time.Millisecond
	}
	if d.ReconnectionInterval == 0 {
		d.ReconnectionInterval = time.Second
	}
	set, err := mutex.OpenSet([]mutex.Definition{d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return mutex.At[held](set.Opened(d.Name), mutex.NewKey(d.Key))
}

func acquired(t *testing.T, m mutex.Mutex[held], options ...mutex.AcquireOption) *mutex.Lock[held] {
	t.Helper()
	lock, err := m.AcquireLock(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}
