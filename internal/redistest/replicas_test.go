package redistest

import "testing"

func TestReplicasHaveWhatTheirMasterHas(t *testing.T) {
	t.Parallel()
	master, replicas := StartReplicas(t, 2, "--requirepass", "secret")
	if keys := master.Keys(); len(keys) != 0 {
		t.Errorf("the master starts with the keys %q", keys)
	}
	master.CLI("SET", "k", "v")
	if got := master.CLI("WAIT", "2", "1000"); got != "2" {
		t.Errorf("%s replicas acknowledge; want 2", got)
	}
	for _, replica := range replicas {
		if got := replica.CLI("GET", "k"); got != "v" {
			t.Errorf("a replica has %q; want v", got)
		}
	}
}
