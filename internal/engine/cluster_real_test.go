package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// clusterNodeTimeout is after how long the members of a cluster take one of them for dead.
const clusterNodeTimeout = 2 * time.Second

// clusterMutex is a mutex on a cluster, in an engine of its own that ends with the test, and whose seeds these are.
func clusterMutex(t testing.TB, options Options, settings Settings, seeds ...string) *Mutex {
	t.Helper()
	return replicatedClusterMutex(t, 0, options, settings, seeds...)
}

// replicatedClusterMutex is one that waits for so many replicas.
func replicatedClusterMutex(t testing.TB, replicas int, options Options, settings Settings, seeds ...string) *Mutex {
	t.Helper()
	e := New(options)
	t.Cleanup(func() { e.Close() })
	settings.Name = "Test"
	settings.DriftFactor = 0.01
	if settings.Expiration == 0 {
		settings.Expiration = 10 * time.Second
	}
	if settings.NodeTimeout == 0 {
		settings.NodeTimeout = time.Second
	}
	if settings.RetryInterval == 0 {
		settings.RetryInterval, settings.RetryJitter = 20*time.Millisecond, 10*time.Millisecond
	}
	m, err := e.NewMutex(settings, [][]*Node{{e.AddNode(NodeOptions{
		Redis: &redis.Options{}, Cluster: seeds, Replicas: replicas, Timeout: settings.NodeTimeout, PoolSize: 2, ReconnectionInterval: 100 * time.Millisecond,
	})}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// held is a lock on a key, or the end of the test.
func held(t testing.TB, m *Mutex, key string, options AcquireOptions) *Lock {
	t.Helper()
	lock, err := m.Acquire(t.Context(), key, options)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// arbiter sees two holders of a key at once, if there ever are, with a counter for each key on a server that is no member
// of the cluster.
type arbiter struct {
	t      *testing.T
	server *redis.Client
	holds  atomic.Int64
	// mayFail says that locks may be lost although their time is not up.
	mayFail bool
}

func newArbiter(t *testing.T) *arbiter {
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr(), PoolSize: 64, DisableIdentity: true})
	t.Cleanup(func() { client.Close() })
	return &arbiter{t: t, server: client}
}

// hold is what a holder of the key does. Who lost the lock meanwhile need not be alone.
func (a *arbiter) hold(ctx context.Context, key string) error {
	n, err := a.server.Incr(context.Background(), key).Result()
	if err != nil {
		return err
	}
	if n != 1 && ctx.Err() == nil && !a.mayFail {
		a.t.Errorf("%d holders of %q at once", n, key)
	}
	a.holds.Add(1)
	return a.server.Decr(context.Background(), key).Err()
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came: %s", what)
		}
	}
}

// contention is workers that contend for locks of a cluster, each half of them in an engine of its own.
type contention struct {
	t       *testing.T
	arbiter *arbiter
	keys    []string
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	failed []string
	// last is when the lock on each key was last had.
	last map[string]time.Time
}

// contend starts so many workers for each of the keys. Any error but a bounded number of ErrNoQuorum and ErrLockLost ends
// the test.
func contend(t *testing.T, workers int, keys []string, mutexes ...*Mutex) *contention {
	ctx, cancel := context.WithCancel(t.Context())
	c := &contention{t: t, arbiter: newArbiter(t), keys: keys, cancel: cancel, last: make(map[string]time.Time)}
	wait := Forever
	for i := range workers * len(keys) {
		key, m := keys[i%len(keys)], mutexes[i/len(keys)%len(mutexes)]
		c.workers.Go(func() {
			for ctx.Err() == nil {
				err := m.Synchronize(ctx, key, func(ctx context.Context) error {
					c.mu.Lock()
					c.last[key] = time.Now()
					c.mu.Unlock()
					return c.arbiter.hold(ctx, key)
				}, AcquireOptions{Wait: &wait})
				if err == nil || ctx.Err() != nil {
					continue
				}
				if !errors.Is(err, ErrNoQuorum) && !errors.Is(err, ErrLockLost) {
					t.Error(err)
				}
				c.mu.Lock()
				c.failed = append(c.failed, err.Error())
				c.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *contention) end() {
	c.cancel()
	c.workers.Wait()
}

// failures are the errors so far.
func (c *contention) failures() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.failed)
}

// had tells whether the lock on a key was had after a moment.
func (c *contention) had(key string, since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[key].After(since)
}

// wantProgress checks that the lock on each of the keys is had from now on.
func (c *contention) wantProgress(within time.Duration, keys ...string) {
	c.t.Helper()
	since := time.Now()
	for _, key := range keys {
		for !c.had(key, since) {
			if time.Since(since) > within {
				c.t.Errorf("nobody got the lock on %q within %v; errors: %d, the last ones %s", key, within, c.failures(), c.lastFailures())
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *contention) lastFailures() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.failed[max(len(c.failed)-3, 0):], "\n")
}

// TestCluster runs what needs real servers, several at a time: most of it is waiting for what the cluster agrees on.
func TestCluster(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"slot that moves to and fro under load makes no two holders and no errors": slotThatMovesToAndFroUnderLoadMakesNoTwoHoldersAndNoErrors,
		"tokens grow and renewals go on while a slot moves":                        tokensGrowAndRenewalsGoOnWhileASlotMoves,
		"locks are got extended and released in the middle of a move":              locksAreGotExtendedAndReleasedInTheMiddleOfAMove,
		"replicas acknowledge wherever the slot is that moves":                     replicasAcknowledgeWhereverTheSlotIsThatMoves,
		"acquires cancelled while their slot moves leave nothing":                  acquiresCancelledWhileTheirSlotMovesLeaveNothing,
		"close while a slot moves ends everything":                                 closeWhileASlotMovesEndsEverything,
		"work goes on when a master is killed and its replica takes over":          workGoesOnWhenAMasterIsKilledAndItsReplicaTakesOver,
		"held lock outlives a failover":                                            heldLockOutlivesAFailover,
		"release is owed by whoever serves the slot in the end":                    releaseIsOwedByWhoeverServesTheSlotInTheEnd,
		"cluster is found by the one seed that lives":                              clusterIsFoundByTheOneSeedThatLives,
		"map is told where servers had closed the connection for it":               mapIsToldWhereServersHadClosedTheConnectionForIt,
		"cluster of which nobody lives is no quorum and is found later":            clusterOfWhichNobodyLivesIsNoQuorumAndIsFoundLater,
		"cluster that is being set up is no quorum and is used once it is ready":   clusterThatIsBeingSetUpIsNoQuorumAndIsUsedOnceItIsReady,
		"server without cluster mode is refused with a hint":                       serverWithoutClusterModeIsRefusedWithAHint,
		"cluster nodes have no restart guard":                                      clusterNodesHaveNoRestartGuard,
		"release wakes who waits at another member":                                releaseWakesWhoWaitsAtAnotherMember,
		"waiter listens elsewhere when its member dies":                            waiterListensElsewhereWhenItsMemberDies,
		"locks of a cluster lie at the masters of their slots":                     locksOfAClusterLieAtTheMastersOfTheirSlots,
		"cluster user needs these rights only":                                     clusterUserNeedsTheseRightsOnly,
		"cluster is reached by hostnames and without any host":                     clusterIsReachedByHostnamesAndWithoutAnyHost,
		"keys with whatever braces are locked with a token":                        keysWithWhateverBracesAreLockedWithAToken,
		"batch asked of a target is preceded by asking one by one":                 batchAskedOfATargetIsPrecededByAskingOneByOne,
		"whatever a member answers is an error and no panic":                       whateverAMemberAnswersIsAnErrorAndNoPanic,
		"question sent on to nowhere fails within its budget":                      questionSentOnToNowhereFailsWithinItsBudget,
		"cancelled first acquire of a cluster that does not answer leaves at once": cancelledFirstAcquireOfAClusterThatDoesNotAnswerLeavesAtOnce,
	} {
		t.Run(name, test)
	}
}

func locksOfAClusterLieAtTheMastersOfTheirSlots(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, clusterNodeTimeout)
	m := clusterMutex(t, Options{}, Settings{}, c.Addrs()[:3]...)
	other := clusterMutex(t, Options{}, Settings{}, c.Addrs()[5])
	for i := range 30 {
		key := fmt.Sprintf("key:%d", i)
		if i%3 == 0 {
			key = fmt.Sprintf("{tag%d}:key", i)
		}
		lock := held(t, m, key, AcquireOptions{})
		if got, want := slotOf(key), c.Slot(key); got != want {
			t.Errorf("slot of %q is %d; want %d", key, got, want)
		}
		if c.Owner(key) == "" {
			t.Errorf("nothing stands at %q", key)
		}
		_, err := other.Acquire(t.Context(), key, AcquireOptions{})
		wantError(t, err, ErrAlreadyLocked)
		if exists, err := other.Exists(t.Context(), key); !exists || err != nil {
			t.Errorf("exists says %v, %v", exists, err)
		}
		if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
			t.Error(err)
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if keys := c.Keys(); len(keys) > 0 {
		t.Errorf("the cluster still has %q", keys)
	}
}
