package redistest

import (
	"net"
	"strconv"
	"testing"
	"time"
)

// StartReplicas starts a server and n replicas of it, and returns when the replicas acknowledge what is written. The args
// are the master's.
func StartReplicas(t testing.TB, n int, args ...string) (master *Server, replicas []*Server) {
	t.Helper()
	// The first synchronization needn't wait for more replicas to come.
	master = Start(t, append([]string{"--repl-diskless-sync-delay", "0"}, args...)...)
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		t.Fatal(err)
	}
	follow := []string{"--replicaof", host + " " + port}
	if master.password != "" {
		follow = append(follow, "--masterauth", master.password)
	}
	for range n {
		replicas = append(replicas, Start(t, follow...))
	}
	master.WaitForReplicas(n)
	return master, replicas
}

// WaitForReplicas returns when n replicas have acknowledged what is written several times in a row: online is said of a
// replica before it answers, and its first answer may be about what the synchronization brought. It leaves no key.
func (s *Server) WaitForReplicas(n int) {
	s.t.Helper()
	s.waitForReplicas("redistest:replicas", n)
}

// WaitForReplicas is Server.WaitForReplicas for each master, with the one replica that it has.
func (c *Cluster) WaitForReplicas() {
	c.t.Helper()
	for i := range clusterMasters {
		key := c.KeyAt(i, "redistest:replicas")
		c.Master(c.Slot(key)).waitForReplicas(key, 1)
	}
}

func (s *Server) waitForReplicas(key string, n int) {
	s.t.Helper()
	const (
		wanted  = 20
		patient = "50" // ms
	)
	inARow := 0
	for deadline := time.Now().Add(startLimit); inARow < wanted; {
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server %s: its %d replicas don't acknowledge anything", s.Addr(), n)
		}
		// What is waited for is what the same connection wrote.
		replies, err := ask(s.Addr(), s.password, lookLimit, []string{"INCR", key}, []string{"DEL", key}, []string{"WAIT", strconv.Itoa(n), patient})
		switch {
		case err != nil:
			s.t.Fatalf("redis-server %s: %v", s.Addr(), err)
		case replies[2].text == strconv.Itoa(n):
			inARow++
		default:
			inARow = 0
		}
	}
}
