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
	redis.Node(1).Pause()
	defer redis.Node(1).Resume()
	redis.Node(2).Stop()
	text, said := read(t, guarantees), ""
	for range 10 { // on a busy machine even the first may be late
		if said = refusal(t, redis); strings.Contains(text, "\n"+said+"\n") {
			return
		}
	}
	t.Errorf("%s doesn't show\n%s", guarantees, said)
}

// refusal is the error of an acquire of a process that has just started, with names for the nodes.
func refusal(t *testing.T, redis *mutextest.Quorum) string {
	t.Helper()
	set, err := mutex.OpenSet([]mutex.Definition{{
		Name: "NightlyReport", Key: "report:nightly", Servers: redis.URLs(), Expiration: 10 * time.Second, DriftFactor: 0.01,
		NodeTimeout: 250 * time.Millisecond, PoolSize: 2, RetryInterval: time.Second, ReconnectionInterval: time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	_, err = mutex.At[held](set.Opened("NightlyReport"), mutex.NewKey("report:nightly")).AcquireLock(t.Context())
	if !errors.Is(err, mutex.ErrNoQuorum) {
		t.Fatalf("%v; want ErrNoQuorum", err)
	}
	said := err.Error()
	for i, name := range []string{"redis-a:6379", "redis-b:6379", "redis-c:6379"} {
		said = strings.ReplaceAll(said, redis.Node(i).Addr(), name)
	}
	return said
}

// TestTheReasonsOfALossAreThoseOfTheRunbook loses locks for each of the reasons that it has rows for.
func TestTheReasonsOfALossAreThoseOfTheRunbook(t *testing.T) {
	t.Parallel()
	text := read(t, guarantees)
	for reason, lose := range map[string]struct {
		definition mutex.Definition
		options    []mutex.AcquireOption
		befalls    func(t *testing.T, redis *mutextest.Redis, m mutex.Mutex[held])
	}{
		"its validity ended before a renewal succeeded": {
			options: []mutex.AcquireOption{mutex.WithRenewal()},
			befalls: func(_ *testing.T, redis *mutextest.Redis, _ mutex.Mutex[held]) { redis.Stop() },
		},
		"its validity ended": {},
		"another owner's value stands at its key": {
			options: []mutex.AcquireOption{mutex.WithRenewal()},
			befalls: func(t *testing.T, redis *mutextest.Redis, m mutex.Mutex[held]) {
				redis.Expire("k")
				acquired(t, m, mutex.WithExpiration(time.Minute))
			},
		},
		"it was renewed until its `max_hold`": {
			definition: mutex.Definition{Renew: true, MaxHold: 2 * time.Second},
			options:    []mutex.AcquireOption{mutex.WithRenewal()},
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			if strings.Count(text, "\n| "+reason+" |") != 1 {
				t.Errorf("%s has no row for it", guarantees)
			}
			redis := mutextest.Run(t)
			d := lose.definition
			d.Key, d.Expiration, d.NodeTimeout = "k", 1500*time.Millisecond, 250*time.Millisecond
			m, other := opened(t, []string{redis.URL()}, d), opened(t, []string{redis.URL()}, d)
			lock := acquired(t, m, lose.options...)
			if lose.befalls != nil {
				lose.befalls(t, redis, other)
			}
			select {
			case <-lock.Done():
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on")
			}
			said := strings.ReplaceAll(reason, "`", "")
			if err := lock.Err(); !errors.Is(err, mutex.ErrLockLost) || !strings.Contains(err.Error(), said) {
				t.Errorf("it says %v; want %q", err, said)
			}
		})
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
		eventually(t, "it is replaced, once the server has it", func() bool {
			return s.CLI("SET", "k", "maintenance", "XX", "PX", "60000") == "OK"
		})
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
