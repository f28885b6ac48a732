package redistest

import "testing"

func TestSentinelsPutAnotherServerInTheMastersPlace(t *testing.T) {
	for name, options := range map[string]SentinelOptions{
		"plain": {},
		"TLS":   {Authority: NewAuthority(t), Password: "sesame", ServerPassword: "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			s := StartSentinels(t, options)
			old := s.Master()
			if old != s.Servers[0] {
				t.Error("the master is not the first server")
			}
			old.CLI("SET", "k", "v")
			s.wait("the replicas have the key", func() bool {
				return s.Servers[1].Get("k") == "v" && s.Servers[2].Get("k") == "v"
			})
			s.Failover()
			master := s.WaitForAnotherMaster(old)
			if master.Get("k") != "v" || !master.Answers() {
				t.Error("the new master has lost the key")
			}
			old.Kill()
			if old.Answers() {
				t.Error("a dead server answers")
			}
		})
	}
}
