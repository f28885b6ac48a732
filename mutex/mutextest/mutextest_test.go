package mutextest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func wantHolder(t testing.TB, r *Redis, key, want string) {
	t.Helper()
	owner, held := r.Holder(key)
	if owner != want || held != (want != "") {
		t.Errorf("holder of %s: %q, %v; want %q", key, owner, held, want)
	}
}

func TestExpirationsPassWithRealTimeExactly(t *testing.T) {
	t.Parallel()
	const expiration = 150 * time.Millisecond
	r := Run(t)
	l := open(t, r)
	sent := time.Now()
	set := lock(t, r, "key", expiration)
	for {
		asked := time.Now()
		l.send("EXISTS", "key")
		answer, err := l.receive(5 * time.Second)
		answered := time.Now()
		if err != nil {
			t.Fatal(err)
		}
		if answer == ":0" {
			if early := expiration - answered.Sub(sent); early > 0 {
				t.Errorf("gone %v early", early)
			}
			return
		}
		if late := asked.Sub(set) - expiration; late > 0 {
			t.Fatalf("still there %v late", late)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestKeysAndHoldersTellWhatIsStored(t *testing.T) {
	r := Run(t)
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("keys of a new Redis: %q", keys)
	}
	lock(t, r, "b", time.Minute)
	lock(t, r, "a", time.Minute)
	if keys := r.Keys(); !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys: %q", keys)
	}
	wantHolder(t, r, "a", "owner")
	wantHolder(t, r, "missing", "")
	l := open(t, r)
	l.send("HSET", "hash", "field", "value")
	l.wants(t, ":1")
	wantHolder(t, r, "hash", "")
	if !r.Expire("a") || r.Expire("a") || r.Expire("missing") {
		t.Error("Expire doesn't tell whether there was a key")
	}
	wantHolder(t, r, "a", "")
}

func TestStopBreaksConnectionsAndRefuses(t *testing.T) {
	r := Run(t)
	idle, blocked := open(t, r), open(t, r)
	idle.send("PING")
	idle.wants(t, "+PONG")
	blocked.send("BLPOP", "list", "0")
	blocked.wantsSilence(t)
	r.Stop()
	r.Stop()
	idle.wantsBroken(t)
	blocked.wantsBroken(t)
	wantRefusing(t, r)
	if n := r.server.ClientsLen(); n != 0 {
		t.Errorf("%d connections stayed", n)
	}
}

func TestRestartKeepsKeysAndCountsTheTime(t *testing.T) {
	t.Parallel()
	r := Run(t)
	addr := r.Addr()
	lock(t, r, "long", time.Minute)
	set := lock(t, r, "short", 50*time.Millisecond)
	r.Stop()
	time.Sleep(time.Until(set.Add(50 * time.Millisecond)))
	for range 2 { // of a stopped one, and of one that runs
		if err := r.Restart(); err != nil {
			t.Fatal(err)
		}
		if r.Addr() != addr {
			t.Errorf("restarted at %s, was at %s", r.Addr(), addr)
		}
		wantAnswering(t, r)
		wantHolder(t, r, "long", "owner")
		wantHolder(t, r, "short", "")
	}
}

func TestRestartEmptyForgetsKeys(t *testing.T) {
	r := Run(t)
	lock(t, r, "key", time.Minute)
	if err := r.RestartEmpty(); err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("keys: %q", keys)
	}
	lock(t, r, "key", time.Minute)
}

func TestRestartForgetsScripts(t *testing.T) {
	const script, sha = "return 1", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
	r := Run(t)
	l := open(t, r)
	l.send("SCRIPT", "LOAD", script)
	l.wants(t, "$40", sha)
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("EVALSHA", sha, "0")
	if got, err := l.receive(5 * time.Second); !strings.HasPrefix(got, "-NOSCRIPT") {
		t.Errorf("EVALSHA after Restart: %q, %v", got, err)
	}
}

func TestQuorumNodesAreIndependent(t *testing.T) {
	q := RunQuorum(t, 3)
	if len(q.Nodes()) != 3 || len(q.URLs()) != 3 {
		t.Fatalf("%d nodes, %d URLs", len(q.Nodes()), len(q.URLs()))
	}
	for i, node := range q.Nodes() {
		if q.Node(i) != node || q.URLs()[i] != node.URL() {
			t.Errorf("node %d is not the same everywhere", i)
		}
	}
	if q.Node(-1) != nil || q.Node(3) != nil {
		t.Error("nodes out of range")
	}
	q.Node(1).Stop()
	q.Nodes()[0] = nil // our own copy
	lock(t, q.Node(0), "key", time.Minute)
	if owner, held := q.Holder("key"); held {
		t.Errorf("one node of three: held by %q", owner)
	}
	lock(t, q.Node(2), "key", time.Minute)
	if owner, held := q.Holder("key"); owner != "owner" || !held {
		t.Errorf("two nodes of three: held by %q, %v", owner, held)
	}
	if !q.Expire("key") || q.Expire("key") {
		t.Error("Expire doesn't tell whether there was a key")
	}
	if owner, held := q.Holder("key"); held {
		t.Errorf("after Expire: held by %q", owner)
	}
}

func TestQuorumIsAnOddNumber(t *testing.T) {
	for _, n := range []int{-1, 0, 2, 4} {
		if q, err := StartQuorum(n); err == nil {
			q.Close()
			t.Errorf("a quorum of %d", n)
		}
	}
}

// Only a counter is left out of Keys: a lock whose key looks like that of one is not.
func TestALockMayBeNamedLikeACounter(t *testing.T) {
	r := Run(t)
	lock(t, r, "{a}:fence", time.Minute)
	l := open(t, r)
	for _, command := range [][]string{{"SET", "{b}:fence", "12"}, {"SET", "c", "12"}} {
		l.send(command...)
		l.wants(t, "+OK")
	}
	l.send("HSET", "{d}:fence", "field", "1")
	l.wants(t, ":1")
	if keys := r.Keys(); !slices.Equal(keys, []string{"c", "{a}:fence", "{d}:fence"}) {
		t.Errorf("keys: %q", keys)
	}
}
