package mutextest

import "testing"

func TestAsManyReplicasAcknowledgeAsIsSaid(t *testing.T) {
	r := Run(t)
	c := open(t, r)
	asked := func(n, want string) {
		t.Helper()
		c.send("WAIT", n, "10")
		c.wants(t, want)
	}
	asked("3", ":3")
	r.Replicas(1)
	asked("3", ":1")
	asked("1", ":1")
	r.Replicas(0)
	asked("1", ":0")
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	c = open(t, r)
	asked("1", ":0")
	c.send("WAIT", "many", "10")
	c.wants(t, "-ERR value is not an integer or out of range")
}
