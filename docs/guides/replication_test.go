package guides

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// What guarantees.md says of replicas is what Redis does, not what this library does: so these tests ask redis-server itself.

// replica is a server that follows a master, and the network between them.
type replica struct {
	*redistest.Server
	link *redistest.Proxy
}

// cutOff keeps from the replica what its master does from now on. (Were it paused, it would read it when it goes on.)
func (r *replica) cutOff() { r.link.DropAnswers(true) }

// promote makes the replica a master, as a failover does.
func (r *replica) promote() {
	r.Server.CLI("REPLICAOF", "NO", "ONE")
}

// master starts a server, and so many replicas of it that are in step with it.
func master(t *testing.T, n int, args ...string) (*redistest.Server, []*replica) {
	t.Helper()
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	m := redistest.Start(t, args...)
	replicas := make([]*replica, n)
	for i := range replicas {
		r := &replica{redistest.Start(t, args...), redistest.NewProxy(t, m.Addr())}
		host, port, err := net.SplitHostPort(r.link.Addr())
		if err != nil {
			t.Fatal(err)
		}
		want(t, r.Server, "OK", "REPLICAOF", host, port)
		eventually(t, "the replica is in step", func() bool {
			return strings.Contains(r.CLI("INFO", "replication"), "master_link_status:up")
		})
		replicas[i] = r
	}
	return m, replicas
}

// grant takes a lock the way every library does.
func grant(t *testing.T, s *redistest.Server, key, owner string) {
	t.Helper()
	want(t, s, "OK", "SET", key, owner, "NX", "PX", "60000")
}

// grantAndWait takes a lock, and returns how many replicas acknowledge it: it waits for one, for so long. WAIT is about what its own
// connection wrote.
func grantAndWait(t *testing.T, s *redistest.Server, key, owner string, patience time.Duration) int64 {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: 1, MaxRetries: -1, ReadTimeout: time.Minute})
	defer client.Close()
	pipe := client.Pipeline()
	set := pipe.SetArgs(t.Context(), key, owner, redis.SetArgs{Mode: "NX", TTL: time.Minute})
	acknowledged := pipe.Do(t.Context(), "wait", 1, patience.Milliseconds())
	if _, err := pipe.Exec(t.Context()); err != nil || set.Val() != "OK" {
		t.Fatalf("%q, %v", set.Val(), err)
	}
	count, err := acknowledged.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// want sends a command and wants that answer.
func want(t *testing.T, s *redistest.Server, answer string, command ...string) {
	t.Helper()
	if got := s.CLI(command...); got != answer {
		t.Fatalf("%q is answered %q; want %q", command, got, answer)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestALockThatNoReplicaHasIsForgottenInAFailover(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1)
	replicas[0].cutOff()
	grant(t, old, "k", "A")
	old.Kill()
	replicas[0].promote()
	grant(t, replicas[0].Server, "k", "B")
}

func TestALockThatAReplicaAcknowledgedIsForgottenIfAnotherIsPromoted(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 2)
	behind, inStep := replicas[0], replicas[1]
	behind.cutOff()
	if n := grantAndWait(t, old, "k", "A", 20*time.Second); n != 1 {
		t.Fatalf("%d replicas acknowledge it", n)
	}
	old.Kill()
	behind.promote()
	grant(t, behind.Server, "k", "B")
	if got := inStep.Get("k"); got != "A" {
		t.Errorf("the replica that had acknowledged it holds %q", got)
	}
}

func TestAReplicaThatHasTheLockKeepsItThroughAFailover(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1)
	grant(t, old, "k", "A")
	eventually(t, "the replica has it", func() bool { return replicas[0].Get("k") == "A" })
	old.Kill()
	replicas[0].promote()
	want(t, replicas[0].Server, "(nil)", "SET", "k", "B", "NX", "PX", "60000")
	if left := replicas[0].PTTL("k"); left <= 0 || left > time.Minute {
		t.Errorf("it has %v left", left)
	}
}

// An old master that was stopped goes on where it was: it does not know that another was promoted meanwhile.
func TestAMasterThatWasPausedGrantsLocksBesideItsSuccessor(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1)
	old.Pause()
	replicas[0].promote()
	grant(t, replicas[0].Server, "k", "B")
	old.Resume()
	grant(t, old, "k", "A")
}

func TestAMasterThatNeedsItsReplicasStopsGrantingWithoutThem(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
	eventually(t, "it grants", func() bool { return old.CLI("SET", "held", "A", "NX", "PX", "60000") == "OK" })
	replicas[0].Pause()
	var answer string
	eventually(t, "it stops", func() bool {
		answer = old.CLI("SET", "k", "A", "PX", "60000") // until it has noticed it goes on: that is the window
		return answer != "OK"
	})
	if !strings.HasPrefix(answer, "NOREPLICAS") {
		t.Errorf("it says %q", answer)
	}
	// Nor can a lock be released or extended then: it ends by its expiration.
	if got := old.CLI("EVAL", `return redis.call('del', KEYS[1])`, "1", "held"); !strings.HasPrefix(got, "NOREPLICAS") {
		t.Errorf("a release is answered %q", got)
	}
	want(t, old, "A", "GET", "held")
}

// A lock whose acknowledgement fails stands at the master all the same, and is to be released.
func TestAWriteThatIsNotAcknowledgedIsNotTakenBack(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1)
	if n := grantAndWait(t, old, "k", "A", 20*time.Second); n != 1 {
		t.Errorf("%d replicas acknowledge a lock", n)
	}
	replicas[0].cutOff()
	if n := grantAndWait(t, old, "l", "A", 100*time.Millisecond); n != 0 {
		t.Errorf("%d replicas acknowledge what none has got", n)
	}
	want(t, old, "A", "GET", "l")
}

// Without persistence, a master that restarts by itself hands its empty data to its replicas: they forget all locks, and
// there is no failover.
func TestAMasterThatRestartsEmptyEmptiesItsReplicas(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1)
	grant(t, old, "k", "A")
	eventually(t, "the replica has it", func() bool { return replicas[0].Get("k") == "A" })
	old.Restart()
	eventually(t, "the replica has forgotten it", func() bool { return replicas[0].CLI("EXISTS", "k") == "0" })
}

// Replicas get the moment at which a key expires, not how long that takes: so it expires by the clock of whoever is master.
func TestReplicasExpireLocksByTheirOwnClocks(t *testing.T) {
	t.Parallel()
	old, replicas := master(t, 1, "--appendonly", "yes")
	grant(t, old, "k", "A")
	eventually(t, "the replica has it", func() bool { return replicas[0].Get("k") == "A" })
	if a, b := old.CLI("PEXPIRETIME", "k"), replicas[0].CLI("PEXPIRETIME", "k"); a != b {
		t.Errorf("it expires at %s, and at %s on the replica", a, b)
	}
}

func TestAnEvictionPolicyThatSparesNothingEvictsLocks(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"allkeys-lru", "volatile-lru", "volatile-ttl", "noeviction"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, "--maxmemory-policy", policy)
			grant(t, s, "k", "A")
			want(t, s, "OK", "CONFIG", "SET", "maxmemory", "1")
			answer := s.CLI("SET", "other", "x", "PX", "60000")
			kept := s.CLI("EXISTS", "k") == "1"
			if kept != (policy == "noeviction") {
				t.Errorf("the lock is kept: %t", kept)
			}
			if policy == "noeviction" && !strings.HasPrefix(answer, "OOM") {
				t.Errorf("a write is answered %q", answer)
			}
		})
	}
}
