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
