package checkup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/checkup"
	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
)

func TestTheOtherMastersOfAClusterAreHeardWhileOneHangs(t *testing.T) {
	c := redistest.StartCluster(t, 30*time.Second)
	m := on(t, nil, engine.NodeOptions{Redis: &redis.Options{}, Cluster: c.Addrs()[:3]})
	keys := []string{c.KeyAt(0, "lock"), c.KeyAt(1, "lock"), c.KeyAt(2, "lock")}
	m.Key = "{name:string}"
	if got := c.Servers[2].CLI("SET", keys[2], "somebody", "PX", "60000"); got != "OK" {
		t.Fatal(got)
	}
	c.Servers[0].Pause()
	var states []string
	for _, s := range checkup.Look(within(t, 1500*time.Millisecond), m.Engine, keys) {
		states = append(states, string(s.State))
	}
	if got := strings.Join(states, " "); got != "unknown free held" {
		t.Errorf("the keys of the master that hangs, and of the others, are %s", got)
	}
	found, _, err := checkup.Scan(within(t, 1500*time.Millisecond), m, 10)
	if err == nil || !strings.Contains(err.Error(), c.Servers[0].Addr()) || len(found) != 1 {
		t.Errorf("%q, %v", found, err)
	}
}

func TestAKeyOnItsWayToAnotherMasterIsFound(t *testing.T) {
	c := redistest.StartCluster(t, 30*time.Second)
	m := on(t, nil, engine.NodeOptions{Redis: &redis.Options{}, Cluster: c.Addrs()[:3]})
	key := c.KeyAt(0, "lock")
	c.Servers[0].CLI("SET", key, "somebody", "PX", "60000")
	move := c.BeginMove(c.Slot(key), c.Servers[1])
	move.Keys()
	if s := checkup.Look(within(t, 10*time.Second), m.Engine, []string{key})[0]; s.State != checkup.Held {
		t.Errorf("while its slot moves: %+v", s)
	}
	move.End()
	if s := checkup.Look(within(t, 10*time.Second), m.Engine, []string{key})[0]; s.State != checkup.Held {
		t.Errorf("after the move: %+v", s)
	}
}

func TestAUserOfAClusterNeedsNoMoreThanTheMutexesDo(t *testing.T) {
	c := redistest.StartCluster(t, 30*time.Second, sound...)
	for _, server := range c.Servers {
		if got := server.CLI("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-cluster", "+cluster|slots", "-command"); got != "OK" {
			t.Fatal(got)
		}
	}
	m := on(t, nil, engine.NodeOptions{Redis: &redis.Options{Username: "worker", Password: "secret"}, Cluster: c.Addrs()[:3]})
	if report := checkup.Run(within(t, 10*time.Second), []checkup.Mutex{m}); !report.Healthy() || report.Nodes[0].Cluster.Slots != 16384 {
		t.Errorf("%q of %+v", said(report), report.Nodes[0].Cluster)
	}
	if s := checkup.Look(within(t, 10*time.Second), m.Engine, []string{"lock"})[0]; s.State != checkup.Free {
		t.Errorf("%+v", s)
	}
}
