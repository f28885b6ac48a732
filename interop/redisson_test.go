package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/interop/rival"
)

// Redisson keeps a hash where we keep a string: each is somebody else's lock to the other, whatever it asks.
func TestAHashIsTheirsAndAStringOurs(t *testing.T) {
	t.Parallel()
	m := newMeeting(t, rival.Redisson, 1)
	server, key := m.servers[0], m.key("a")

	theirs := m.theyAcquire(time.Minute, "a")
	if got := server.CLI("TYPE", key); got != "hash" {
		t.Fatalf("theirs is a %s", got)
	}
	m.weAreRefused("a")
	if got := server.CLI("TYPE", key); got != "hash" {
		t.Errorf("our attempt made a %s of it", got)
	}
	if err := theirs.Release(t.Context()); err != nil {
		t.Errorf("their release: %v", err)
	}

	lock := m.weAcquire("a")
	owner := server.Get(key)
	for _, command := range [][]string{{"HEXISTS", key, owner}, {"HINCRBY", key, owner, "1"}, {"HGETALL", key}} {
		if got := server.CLI(command...); !strings.HasPrefix(got, "WRONGTYPE") {
			t.Errorf("%s of ours is answered %q", command[0], got)
		}
	}
	m.theyAreRefused("a")
	if got := server.Get(key); got != owner {
		t.Errorf("our lock has become %q", got)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Errorf("our release: %v", err)
	}
}
