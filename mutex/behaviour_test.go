package mutex_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// targets are what every behaviour holds on.
var targets = []struct {
	name   string
	urls   func(t *testing.T) []string
	fenced bool
}{
	{name: "1 server", urls: func(t *testing.T) []string { return urls(redistest.StartN(t, 1)) }},
	{name: "1 server that speaks RESP2", urls: func(t *testing.T) []string { return []string{redistest.Start(t).URL() + "?protocol=2"} }},
	{name: "3 servers", urls: func(t *testing.T) []string { return urls(redistest.StartN(t, 3)) }},
	{name: "5 servers", urls: func(t *testing.T) []string { return urls(redistest.StartN(t, 5)) }},
	{name: "1 embedded", urls: func(t *testing.T) []string { return []string{mutextest.Run(t).URL()} }},
	{name: "3 embedded", urls: func(t *testing.T) []string { return mutextest.RunQuorum(t, 3).URLs() }},
	{name: "1 server, with fencing", urls: func(t *testing.T) []string { return urls(redistest.StartN(t, 1)) }, fenced: true},
	{name: "3 servers, with fencing", urls: func(t *testing.T) []string { return urls(redistest.StartN(t, 3)) }, fenced: true},
}

// behaviours are the specification, one statement each.
var behaviours = []struct {
	statement string
	test      func(t *testing.T, b *bench)
}{
	{"a lock is a string key with an expiration on every node", lockIsAKey},
	{"a second acquire is refused", secondAcquireIsRefused},
	{"other keys are independent", otherKeysAreIndependent},
	{"an acquire waits until the lock is released", acquireWaits},
	{"an acquire that waits forever ends with its context", waitEndsWithTheContext},
	{"a wait ends in time", waitEndsInTime},
	{"max_retry is a number of further attempts", maxRetryCounts},
	{"an expired lock is the next one's, and its old owner cannot touch it", expiryLetsTheNextIn},
	{"an extension counts from now", extensionCountsFromNow},
	{"an extension of what is no expiration changes nothing", extensionIsChecked},
	{"exists tells whether anybody holds the lock", existsTells},
	{"release ignores its context", releaseIgnoresItsContext},
	{"a lock is released once", lockIsReleasedOnce},
	{"a lock whose key was deleted is not held", deletedKeyIsNotHeld},
	{"synchronize runs fn under the lock", synchronizeHolds},
	{"synchronize releases when fn panics or ends its goroutine", synchronizeReleases},
	{"synchronize tells fn when the lock ends", synchronizeTells},
	{"synchronize reports a lock that was taken away", synchronizeReports},
	{"synchronize passes on its context's end", synchronizePassesOn},
	{"result returns what fn returns", resultReturns},
	{"key parameters make independent locks", parametersMakeLocks},
	{"held lists the locks of this process", heldLists},
	{"close ends locks and waits", closeEnds},
	{"the key picks the group", keyPicksTheGroup},
	{"a lock has a token if fencing is on, and only then", lockHasAToken},
	{"tokens increase, whoever gets the lock and however", tokensIncrease},
	{"a token is kept through extensions", tokenIsKept},
	{"synchronize tells fn its token", synchronizeTellsTheToken},
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			urls := target.urls(t)
			for _, behaviour := range behaviours {
				t.Run(behaviour.statement, func(t *testing.T) {
					t.Parallel()
					behaviour.test(t, newBench(t, urls, behaviour.statement, target.fenced))
				})
			}
		})
	}
}

// bench is where one behaviour is tried: nodes shared with the others, and a key that is its own.
type bench struct {
	urls  []string
	nodes []*redis.Client
	key   string
	// fenced says that locks have tokens.
	fenced bool
}

func newBench(t *testing.T, urls []string, key string, fenced bool) *bench {
	b := &bench{urls: urls, key: key, fenced: fenced}
	for _, url := range urls {
		b.nodes = append(b.nodes, client(t, url))
	}
	return b
}

// on is the definition on these nodes.
func (b *bench) on(urls ...string) mutex.Definition {
	d := on(urls...)
	if b.fenced {
		d = fenced(d)
	}
	return d
}

// open is the mutex at the bench's key.
func (b *bench) open(t *testing.T, change ...func(d *mutex.Definition)) mutex.Mutex[counter] {
	d := b.on(b.urls...)
	for _, c := range change {
		c(&d)
	}
	return at(open(t, d), b.key)
}

// shortLived makes room for expirations of some 300 ms.
func shortLived(d *mutex.Definition) { d.NodeTimeout = nodeTimeout }

// values are what stands at a key on each node; empty where there is nothing.
func (b *bench) values(t *testing.T, key string) []string {
	t.Helper()
	values := make([]string, len(b.nodes))
	for i, node := range b.nodes {
		value, err := node.Get(t.Context(), key).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		values[i] = value
	}
	return values
}

// wantEverywhere waits until every node holds the same value at a key, and returns it.
func (b *bench) wantEverywhere(t *testing.T, key string) string {
	t.Helper()
	var owner string
	eventually(t, "one value on every node", func() bool {
		values := b.values(t, key)
		owner = values[0]
		for _, v := range values {
			if v == "" || v != owner {
				return false
			}
		}
		return true
	})
	return owner
}

// wantQuorum returns the value that a quorum of nodes holds at a key.
func (b *bench) wantQuorum(t *testing.T, key string) string {
	t.Helper()
	votes := make(map[string]int)
	values := b.values(t, key)
	for _, value := range values {
		votes[value]++
		if value != "" && votes[value] > len(values)/2 {
			return value
		}
	}
	t.Errorf("no quorum holds one value at %q: %q", key, values)
	return ""
}

// wantNowhere waits until no node holds anything at a key.
func (b *bench) wantNowhere(t *testing.T, key string) {
	t.Helper()
	eventually(t, "nothing at "+key, func() bool { return strings.Join(b.values(t, key), "") == "" })
}

// remaining is the shortest and the longest remaining life of a key.
func (b *bench) remaining(t *testing.T, key string) (shortest, longest time.Duration) {
	t.Helper()
	shortest = math.MaxInt64
	for _, node := range b.nodes {
		ttl, err := node.PTTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		shortest, longest = min(shortest, ttl), max(longest, ttl)
	}
	return shortest, longest
}
