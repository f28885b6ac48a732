package mutex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestWhatIsNoLockHasNoToken(t *testing.T) {
	var none *mutex.Lock[counter]
	if token := none.Token(); token != 0 {
		t.Errorf("token %d of a nil lock", token)
	}
	if token := new(mutex.Lock[counter]).Token(); token != 0 {
		t.Errorf("token %d of a lock that nobody got", token)
	}
	var noContext context.Context
	if token := mutex.Token(noContext); token != 0 {
		t.Errorf("token %d without a context", token)
	}
	if token := mutex.Token(context.WithValue(t.Context(), counter{}, int64(7))); token != 0 {
		t.Errorf("token %d of a context that is of no Synchronize", token)
	}
}

func TestFencingMemoryIsChecked(t *testing.T) {
	d := fenced(on("redis://localhost"))
	for memory, valid := range map[time.Duration]bool{
		0: false, -time.Second: false, time.Second - 1: false, time.Second: true, 87600 * time.Hour: true, mutex.Forever: true,
	} {
		d.FencingMemory = memory
		set, err := mutex.OpenSet([]mutex.Definition{d})
		if (err == nil) != valid {
			t.Errorf("%v: %v", memory, err)
		}
		set.Close()
		d.Fencing = false
		if set, err = mutex.OpenSet([]mutex.Definition{d}); err != nil {
			t.Errorf("%v, without fencing: %v", memory, err)
		}
		set.Close()
		d.Fencing = true
	}
}

// A counter goes on for as long as fencing_memory says, and with its clock after that.
func TestACounterLastsAsLongAsItShall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for memory, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: time.Hour, mutex.Forever: -1} {
		key := memory.String()
		m := at(open(t, with(fenced(on(server.URL())), func(d *mutex.Definition) { d.FencingMemory = memory })), key)
		lock := acquire(t, m)
		// A second more than it must, for a counter that is used again within one need not be written again.
		if left := server.PTTL("{" + key + "}:fence"); left > want+time.Second || left < want-500*time.Millisecond {
			t.Errorf("memory %v: the counter lasts %v", memory, left)
		}
		release(t, lock)
		if memory == time.Second {
			eventually(t, "the counter is forgotten", func() bool { return server.Get("{"+key+"}:fence") == "" })
		}
		next := acquire(t, m)
		if next.Token() <= lock.Token() {
			t.Errorf("memory %v: token %d after %d", memory, next.Token(), lock.Token())
		}
		release(t, next)
	}
}

func TestTokensOfAGroupComeFromItsNodes(t *testing.T) {
	t.Parallel()
	groups := [][]*redistest.Server{redistest.StartN(t, 3), redistest.StartN(t, 1)}
	d := fenced(on())
	d.Cluster = [][]string{urls(groups[0]), urls(groups[1])}
	one, other := open(t, d), open(t, d)
	counts := make([]int, 2)
	for key, group := range ringChoices(t, 2) {
		counts[group]++
		first := acquire(t, at(one, key))
		release(t, first)
		second := acquire(t, at(other, key))
		release(t, second)
		if second.Token() <= first.Token() {
			t.Errorf("key %q: token %d after %d", key, second.Token(), first.Token())
		}
		counters := 0
		for i, servers := range groups {
			for _, s := range servers {
				// With a hash tag of its own the key is followed by :fence, else it becomes one.
				if s.Get("{"+key+"}:fence")+s.Get(key+":fence") == "" {
					continue
				}
				if counters++; i != group {
					t.Errorf("key %q: a counter is in group %d, not %d", key, i, group)
				}
			}
		}
		if counters <= len(groups[group])/2 {
			t.Errorf("key %q: %d counters", key, counters)
		}
	}
	if counts[0] == 0 || counts[1] == 0 {
		t.Errorf("the groups have %v keys", counts)
	}
}

// Tokens stay in order whichever minority is down or has come back with its data, and whichever comes next.
func TestTokensIncreaseAcrossOutages(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3, "--appendonly", "yes", "--appendfsync", "always")
	set := open(t, hasty(fenced(on(urls(servers)...))))
	m := at(set, "k")
	untilAllVote(t, set, servers)
	var seen order
	for round := range 6 {
		down := servers[round%3]
		down.Kill()
		for range 3 {
			lock := acquire(t, m, mutex.WithWait(soon))
			seen.next(t, lock.Token())
			release(t, lock)
		}
		down.Restart()
		untilAllVote(t, set, servers)
	}
}

// What other libraries do at the same key neither raises our tokens nor sets them back.
func TestTokensIncreaseAroundAForeignHolder(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	m := at(open(t, fenced(on(urls(servers)...))), "k")
	var seen order
	for range 3 {
		lock := acquire(t, m)
		seen.next(t, lock.Token())
		release(t, lock)
		for _, s := range servers {
			eventually(t, "another library gets the lock", func() bool { return s.CLI("SET", "k", "theirs", "NX", "PX", "60000") == "OK" })
		}
		if _, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("beside another library's lock: %v", err)
		}
		for _, s := range servers {
			s.CLI("DEL", "k")
		}
	}
}

// What stands at a counter's key is not ours to overwrite, nor to count on. It must not be worse than a server that fails.
func TestCountersThatAreNone(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	for i, set := range [][]string{
		{"SET", "", "garbage"}, {"SET", "", ""}, {"SET", "", "1e300"}, {"SET", "", "nan"}, {"SET", "", "-inf"},
		{"SET", "", "9007199254740992"}, {"SET", "", "99999999999999999999999"}, {"RPUSH", "", "1"}, {"HSET", "", "a", "1"},
		{"SET", "", strings.Repeat("9", 100_000)},
	} {
		key := fmt.Sprint("k", i)
		set[1] = "{" + key + "}:fence"
		m := at(open(t, fenced(on(urls(servers)...))), key)
		servers[0].CLI(set...)
		first := acquire(t, m)
		if first.Token() <= 0 || first.Token() >= 1<<53 {
			t.Errorf("one node with %.40q: token %d", set, first.Token())
		}
		release(t, first)
		servers[1].CLI(append([]string{"DEL"}, set[1])...)
		servers[1].CLI(set...)
		if lock, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrNoQuorum) && !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("two nodes with %.40q: %v, %v", set, lock, err)
		}
		eventually(t, "nothing is left", func() bool {
			return servers[0].Get(key)+servers[1].Get(key)+servers[2].Get(key) == ""
		})
		for _, s := range servers[:2] {
			s.CLI("DEL", set[1])
		}
		release(t, acquire(t, m))
	}
}

// Keys in which a hash tag begins, ends or is empty. What is the counter of one is not the key of another.
func TestTokensOfOddKeys(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := open(t, fenced(on(server.URL())))
	for _, key := range []string{"{", "}", "{}", "{}a", "a{b}c", "{a", "a}", "}{", "{{a}}", "{a}{b}", "a:fence", "{a}:fence", "k\x00\n", "ключ", "%s", " "} {
		m := at(set, key)
		first, err := m.AcquireLock(t.Context())
		if err != nil {
			t.Errorf("key %q: %v", key, err)
			continue
		}
		release(t, first)
		second := acquire(t, m)
		release(t, second)
		if second.Token() <= first.Token() {
			t.Errorf("key %q: token %d after %d", key, second.Token(), first.Token())
		}
	}
	for _, key := range server.Keys() {
		if !strings.HasSuffix(key, ":fence") {
			t.Errorf("the key %q is left", key)
		}
	}
}

// A store as the README has it, and holders that are stale: none of these overwrites what a later one wrote.
func TestAStoreThatComparesTokensRefusesStaleHolders(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, hasty(fenced(on(urls(servers)...))))
	untilAllVote(t, set, servers)
	m := at(set, "row")
	var row struct {
		sync.Mutex
		token, value, writes int64
	}
	// UPDATE … SET token = $1 WHERE token < $1, and UPDATE … SET value = $2 WHERE token = $1.
	claim := func(token int64) bool {
		row.Lock()
		defer row.Unlock()
		if row.token >= token {
			return false
		}
		row.token = token
		return true
	}
	add := func(token, read int64) bool {
		row.Lock()
		defer row.Unlock()
		if row.token != token {
			return false
		}
		row.value, row.writes = read+1, row.writes+1
		return true
	}
	var stale int64
	for range 3 {
		paused := acquire(t, m, mutex.WithExpiration(400*time.Millisecond))
		if !claim(paused.Token()) {
			t.Error("a holder in time was refused")
		}
		read := row.value // nobody else runs
		<-paused.Done()
		err := m.Synchronize(t.Context(), func(ctx context.Context) error {
			if token := mutex.Token(ctx); !claim(token) || !add(token, row.value) {
				t.Errorf("the holder of %d was refused after %d", token, paused.Token())
			}
			return nil
		}, mutex.WithWait(soon))
		if err != nil {
			t.Error(err)
		}
		if add(paused.Token(), read) || claim(paused.Token()) {
			t.Error("a stale holder was not refused")
		} else {
			stale++
		}
	}
	if row.value != row.writes || row.value != 3 || stale != 3 {
		t.Errorf("%d writes have made %d; %d were refused", row.writes, row.value, stale)
	}
}
