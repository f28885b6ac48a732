package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// namedMaster is a mutex on a node of which the test says, by the sentinels that it returns, which server is the master.
func namedMaster(t testing.TB, replicas int, settings Settings) (*Mutex, *sentinels) {
	t.Helper()
	return namedMasterOf(t, New(Options{}), replicas, settings)
}

// namedMasterOf is the same of an engine, which is closed with the test.
func namedMasterOf(t testing.TB, e *Engine, replicas int, settings Settings) (*Mutex, *sentinels) {
	t.Helper()
	t.Cleanup(func() { e.Close() })
	node := e.AddNode(NodeOptions{
		Redis: &redis.Options{}, Sentinel: &Sentinel{Master: "m"}, Replicas: replicas, Timeout: settings.NodeTimeout, PoolSize: 2,
		ReconnectionInterval: 20 * time.Millisecond,
	})
	s := node.sentinels
	s.watched = []*sentinel{{address: "a", doubted: make(chan struct{}, 1)}}
	settings.Name, settings.DriftFactor, settings.RetryInterval = "Test", 0.01, 20*time.Millisecond
	m, err := e.NewMutex(settings, [][]*Node{{node}})
	if err != nil {
		t.Fatal(err)
	}
	return m, s
}

// The new master never heard of what the old one carried out in its last moments.
func TestReleasesOfTheLastMomentsAreAskedOfTheNewMaster(t *testing.T) {
	old, fresh := redistest.Start(t), redistest.Start(t)
	m, s := namedMaster(t, 0, unhurried)
	s.says(0, old.Addr(), 1)
	const locks = 600 // several batches
	for i := range locks {
		key := fmt.Sprint("k", i)
		lock := lockOn(t, m, key)
		if i == 0 {
			fresh.CLI("SET", key, "another's")
		} else {
			fresh.CLI("SET", key, lock.claim.owner, "PX", "60000") // replication comes so far
		}
		if err := lock.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	held := lockOn(t, m, "held")
	fresh.CLI("SET", "held", held.claim.owner, "PX", "60000")
	start := time.Now()
	s.says(0, fresh.Addr(), 2)
	soonTrue(t, "the released locks are gone", func() bool { return len(fresh.Keys()) == 2 })
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if fresh.Get("k0") != "another's" || fresh.Get("held") != held.claim.owner {
		t.Errorf("left are %v; want another's, and the lock that is held", fresh.Keys())
	}
	l := m.groups[0][0].lane
	soonTrue(t, "nothing is owed any more", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forget(time.Now())
		return len(l.owed) == 0
	})
}

// Within a process a lock changes hands without a release.
func TestLockThatWasHandedOverIsReleasedOnTheNewMasterToo(t *testing.T) {
	old, fresh := redistest.Start(t), redistest.Start(t)
	settings := unhurried
	settings.Wait = 15 * time.Second
	m, s := namedMaster(t, 0, settings)
	s.says(0, old.Addr(), 1)
	first := lockOn(t, m, "k")
	got := make(chan *Lock, 1)
	go func() {
		lock, err := m.Acquire(t.Context(), "k", AcquireOptions{})
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	soonTrue(t, "somebody waits", func() bool { return waits(m, "k") })
	fresh.CLI("SET", "k", first.claim.owner, "PX", "60000") // replication comes so far
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := <-got
	if old.Get("k") != second.claim.owner {
		t.Fatal("the lock was not handed over")
	}
	s.says(0, fresh.Addr(), 2)
	soonTrue(t, "the first owner's value is gone", func() bool { return fresh.Get("k") == "" })
	if err := second.Extend(t.Context(), time.Minute); err != nil { // sets the key again
		t.Error(err)
	}
	if got := fresh.Get("k"); got != second.claim.owner {
		t.Errorf("the new master has %q; want the second owner's", got)
	}
}

func TestReleaseIsAskedAgainIfItIsUnknownWhoCarriedItOut(t *testing.T) {
	granted := func(o op, key string, r reply) *call { return &call{question: newQuestion(o, key, key, 0), reply: r} }
	r := new(lastReleases)
	batch := []*call{
		granted(release, "released", reply{answer: Granted}), granted(handover, "handed", reply{answer: Granted}),
		granted(handover, "unacknowledged", reply{answer: Refused, unacknowledged: true}), granted(handover, "set", reply{answer: Gone}),
		granted(release, "gone", reply{answer: Gone}), granted(release, "late", reply{answer: Timeout}), granted(acquire, "got", reply{answer: Granted}),
	}
	movements := r.movements()
	if again := r.note(movements, batch); again != nil {
		t.Errorf("asked again at once: %v", again)
	}
	if kept := r.take(); len(kept) != 3 || kept[0].key != "released" || kept[1].key != "handed" || kept[2].key != "unacknowledged" {
		t.Errorf("kept are %v; want the released, the handed and the unacknowledged", kept)
	}
	if again := r.note(movements, batch); len(again) != 3 {
		t.Errorf("the master moved meanwhile, and asked again is %v", again)
	}
	if kept := r.take(); len(kept) != 0 {
		t.Errorf("kept are %v; want nothing twice", kept)
	}
	for i := range 3 * maxReleases / 2 {
		r.note(r.movements(), []*call{granted(release, fmt.Sprint(i), reply{answer: Granted})})
	}
	if kept := r.take(); len(kept) != maxReleases {
		t.Errorf("kept are %d; want %d at most", len(kept), maxReleases)
	}
	var none *lastReleases
	if none.movements() != 0 || none.note(0, batch) != nil {
		t.Error("without sentinels something is kept")
	}
}
