package engine

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestNodeHasAClientForWhoeverLooksAtIt(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	e := New(Options{})
	t.Cleanup(func() { e.Close() })
	node := e.AddNode(NodeOptions{Redis: &redis.Options{Addr: server.Addr(), Password: "secret"}, Timeout: time.Second, PoolSize: 1})
	client := node.newClient(time.Second)
	t.Cleanup(func() { client.Close() })
	if err := client.Set(context.Background(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := server.Get("k"); got != "v" {
		t.Errorf("the server has %q at the key, want v", got)
	}
}
