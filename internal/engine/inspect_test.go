package engine

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestHolderOfAnOwnerValue(t *testing.T) {
	owner := newOwners().next()
	holder, ours := HolderOf(owner)
	if !ours || holder.Process != os.Getpid() || holder.Host != hostname() {
		t.Errorf("%q: %+v, %v", owner, holder, ours)
	}
	random, engine := strings.Repeat("a", 27), " @0123456789ab"
	for value, want := range map[string]bool{
		random + " host 4711" + engine:                         true,
		random + " h 0" + engine:                               true,
		"":                                                     false,
		"short host 4711" + engine:                             false,
		random + " host 4711":                                  false,
		random + " host 4711 @":                                false,
		random + " host -1" + engine:                           false,
		random + " host 0x10" + engine:                         false,
		random + " host 99999999999999999999" + engine:         false,
		random + " ho\x1b[31mst 1" + engine:                    false,
		random + " hóst 1" + engine:                            false,
		random + "  1" + engine:                                false,
		random + " " + strings.Repeat("h", 41) + " 1" + engine: false,
		random + " host 1 @\x1b[2J":                            false,
		strings.Repeat("\x00", 27) + " host 1" + engine:        false,
		random + " host 1" + engine + " more":                  false,
		"5f0c9c5e-6d5b-4e5f-8f3a-0c2f8a7c1b1e":                 false,
		strings.Repeat("x", 1<<20):                             false,
	} {
		if _, ours := HolderOf(value); ours != want {
			t.Errorf("%.80q: %v", value, ours)
		}
	}
}

func TestAVisitEndsWithItsContext(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	e := New(Options{})
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	addr := mute.Addr().String()
	node := e.AddNode(NodeOptions{Redis: &redis.Options{Addr: addr}, Timeout: time.Second})
	begin := time.Now()
	one := node.Visit(ctx, time.Minute)
	defer one.Close()
	other := node.VisitSentinel(ctx, addr, time.Minute)
	defer other.Close()
	if err := one.Ping(context.Background()).Err(); err == nil {
		t.Error("a mute server answered a ping")
	}
	if err := other.Ping(context.Background()).Err(); err == nil {
		t.Error("a mute sentinel answered a ping")
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestOptionsOfANodeAreACopy(t *testing.T) {
	e := New(Options{})
	defer e.Close()
	node := e.AddNode(NodeOptions{Redis: &redis.Options{Addr: "h:1", Password: "secret"}, Timeout: time.Second})
	node.Options().Redis.Addr = "other"
	if got := node.Options().Redis.Addr; got != "h:1" || node.Name() != "h:1" {
		t.Errorf("the node is at %s, called %s", got, node.Name())
	}
}
