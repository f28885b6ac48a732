package redistest

import (
	"slices"
	"testing"
	"time"
)

func TestClusterServesAllSlotsMovesOneAndFailsOver(t *testing.T) {
	c := StartCluster(t, 2*time.Second)
	key := c.KeyAt(0, "key")
	slot := c.Slot(key)
	from, to := c.Servers[0], c.Servers[1]
	if got := c.Master(slot); got != from {
		t.Fatalf("slot %d is served by %s; want %s", slot, got.Addr(), from.Addr())
	}
	c.ok(from, "SET", key, "value")
	c.MoveSlot(slot, to)
	c.WaitHealthy()
	if got := c.Master(slot); got != to {
		t.Errorf("slot %d is served by %s after the move; want %s", slot, got.Addr(), to.Addr())
	}
	if got := c.Owner(key); got != "value" {
		t.Errorf("after the move the key holds %q", got)
	}
	if got := c.Keys(); !slices.Equal(got, []string{key}) {
		t.Errorf("the cluster's keys are %q", got)
	}
	c.WaitReplicated()
	to.Kill()
	if got := c.WaitMaster(slot, to); got != c.Servers[4] {
		t.Errorf("slot %d is served by %s after the failover; want the replica", slot, got.Addr())
	}
	c.WaitHealthy()
	if got := c.Owner(key); got != "value" {
		t.Errorf("after the failover the key holds %q", got)
	}
}

// A slot that goes to and fro keeps its keys, however soon it goes on: whoever takes it over knows the latest epoch, so no
// older claim wins it back.
func TestSlotKeepsItsKeysHoweverSoonItMovesOn(t *testing.T) {
	c := StartCluster(t, 10*time.Second)
	key := c.KeyAt(0, "key")
	slot := c.Slot(key)
	c.ok(c.Servers[0], "SET", key, "value")
	for i := range 10 {
		move := c.BeginMove(slot, c.Servers[(i+1)%2])
		latest := 0
		for _, s := range c.Servers {
			latest = max(latest, s.epoch())
		}
		if epoch := move.to.epoch(); epoch != latest || latest < clusterMasters+i {
			t.Errorf("move %d begins with epoch %d known to the server that takes the slot; the latest is %d", i, epoch, latest)
		}
		move.Keys()
		move.End()
		if got := c.Owner(key); got != "value" {
			t.Fatalf("after move %d the key holds %q", i, got)
		}
	}
}
