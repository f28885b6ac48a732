package guides

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

func TestEveryAnswerOfANodeIsExplained(t *testing.T) {
	text := read(t, guarantees)
	answers := 0
	for a := engine.Answer(0); !strings.HasPrefix(a.String(), "Answer("); a++ {
		answers++
		if strings.Count(text, "| `"+a.String()+"` |") != 1 {
			t.Errorf("%s has %d rows for the answer %q", guarantees, strings.Count(text, "| `"+a.String()+"` |"), a)
		}
	}
	if answers < 9 {
		t.Errorf("there are %d answers only", answers)
	}
}

// TestTheErrorInGuaranteesIsReal has one of three nodes hang, and another refuse connections.
func TestTheErrorInGuaranteesIsReal(t *testing.T) {
	t.Parallel()
	redis := mutextest.RunQuorum(t, 3)
	set, err := mutex.OpenSet([]mutex.Definition{{
		Name: "NightlyReport", Key: "report:nightly", Servers: redis.URLs(), Expiration: 10 * time.Second, DriftFactor: 0.01,
		NodeTimeout: 250 * time.Millisecond, PoolSize: 2, RetryInterval: time.Second, ReconnectionInterval: time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	redis.Node(1).Pause()
	defer redis.Node(1).Resume()
	redis.Node(2).Stop()
	_, err = mutex.At[held](set.Opened("NightlyReport"), mutex.NewKey("report:nightly")).AcquireLock(t.Context())
	if !errors.Is(err, mutex.ErrNoQuorum) {
		t.Fatalf("%v; want ErrNoQuorum", err)
	}
	said := err.Error()
	for i, name := range []string{"redis-a:6379", "redis-b:6379", "redis-c:6379"} {
		said = strings.ReplaceAll(said, redis.Node(i).Addr(), name)
	}
	if !strings.Contains(read(t, guarantees), "\n"+said+"\n") {
		t.Errorf("%s doesn't show\n%s", guarantees, said)
	}
}

// What the runbook says of taking a lock away: its holder is told at the next renewal, and nobody else gets in meanwhile.
func TestALockThatIsReplacedByHandIsLostToItsHolder(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	d := mutex.Definition{Key: "k", Expiration: 3 * time.Second}
	m, other := at(t, servers, d), at(t, servers, d)
	lock := acquired(t, m, mutex.WithRenewal())
	for _, s := range servers[:2] {
		want(t, s, "OK", "SET", "k", "maintenance", "XX", "PX", "60000")
	}
	replaced := time.Now()
	select {
	case <-lock.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("its holder is not told")
	}
	if took := time.Since(replaced); took > 10*time.Second {
		t.Errorf("its holder is told after %v", took)
	}
	if !errors.Is(lock.Err(), mutex.ErrLockLost) {
		t.Errorf("%v; want ErrLockLost", lock.Err())
	}
	if _, err := other.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
		t.Errorf("%v; want ErrAlreadyLocked", err)
	}
	for _, s := range servers[:2] {
		want(t, s, "maintenance", "GET", "k")
	}
}

// And why not to delete it: a holder that is alive sets it again.
func TestALockThatIsDeletedByHandIsSetAgain(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(t, servers, mutex.Definition{Key: "k", Expiration: 3 * time.Second})
	lock := acquired(t, m, mutex.WithRenewal())
	for _, s := range servers {
		eventually(t, "every server has it", func() bool { return s.CLI("DEL", "k") == "1" })
	}
	for _, s := range servers {
		eventually(t, "it is set again", func() bool { return s.Get("k") != "" })
	}
	if err := m.ReleaseLock(t.Context(), lock); err != nil {
		t.Error(err)
	}
}
