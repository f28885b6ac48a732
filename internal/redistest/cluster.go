package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clusterLimit is how long a cluster may take to agree on something, on a machine that is busy with other tests.
const clusterLimit = 60 * time.Second

// clusterPause lies between two looks at what a cluster's members agree on.
const clusterPause = 20 * time.Millisecond

// Cluster is a Redis Cluster of real servers: three masters, each of which serves a third of the slots, and a replica of
// each.
type Cluster struct {
	// Servers are the masters, then their replicas in the same order, as they were at first.
	Servers []*Server
	t       testing.TB
	ids     map[*Server]string
	// ports are those at which the servers reach one another.
	ports map[*Server]int
}

// Masters and replicas of a cluster at first.
const clusterMasters, clusterReplicas = 3, 3

// StartCluster starts a cluster of six servers that ends with the test, and returns when all of them agree that all is
// well. A member that doesn't answer for as long as nodeTimeout is taken to be dead. The args are every server's.
func StartCluster(t testing.TB, nodeTimeout time.Duration, args ...string) *Cluster {
	t.Helper()
	c := newCluster(t)
	for _, s := range StartN(t, clusterMasters+clusterReplicas, clusterArgs(nodeTimeout, args)...) {
		c.add(s, s.port)
	}
	c.form()
	return c
}

// StartTLSCluster is StartCluster with servers that speak TLS among each other, and at a second port of each.
func StartTLSCluster(t testing.TB, a *Authority, nodeTimeout time.Duration, args ...string) (c *Cluster, tlsAddrs []string) {
	t.Helper()
	c = newCluster(t)
	args = clusterArgs(nodeTimeout, append([]string{"--tls-cluster", "yes", "--tls-replication", "yes"}, args...))
	for range clusterMasters + clusterReplicas {
		s := StartTLS(t, a, args...)
		c.add(s.Server, s.tlsPort)
		tlsAddrs = append(tlsAddrs, s.TLSAddr())
	}
	c.form()
	return c, tlsAddrs
}

func newCluster(t testing.TB) *Cluster {
	return &Cluster{t: t, ids: make(map[*Server]string), ports: make(map[*Server]int)}
}

func clusterArgs(nodeTimeout time.Duration, more []string) []string {
	return append([]string{
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
		"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10),
		"--repl-diskless-sync-delay", "0", "--repl-diskless-load", "swapdb",
	}, more...)
}

func (c *Cluster) add(s *Server, port int) {
	c.Servers = append(c.Servers, s)
	c.ports[s] = port
}

// form makes a cluster of the servers.
func (c *Cluster) form() {
	c.t.Helper()
	first := c.Servers[0]
	for i, s := range c.Servers {
		c.ids[s] = s.CLI("CLUSTER", "MYID")
		c.ok(s, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < clusterMasters {
			c.ok(s, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/clusterMasters), strconv.Itoa((i+1)*slots/clusterMasters-1))
		}
		if s != first {
			c.ok(s, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.ports[first]))
		}
	}
	c.until("every member knows the others", func(s *Server) bool {
		return infoField(s.CLI("CLUSTER", "INFO"), "cluster_known_nodes") == strconv.Itoa(len(c.Servers)) &&
			!strings.Contains(s.CLI("CLUSTER", "NODES"), "handshake")
	})
	for i, replica := range c.Servers[clusterMasters:] {
		c.ok(replica, "CLUSTER", "REPLICATE", c.ids[c.Servers[i]])
	}
	c.WaitHealthy()
}

// slots is how many a cluster has.
const slots = 16384

// Addrs are the addresses of all servers.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		addrs[i] = s.Addr()
	}
	return addrs
}

// ok has a server do what it has no reason to refuse.
func (c *Cluster) ok(s *Server, command ...string) {
	c.t.Helper()
	if answer := s.CLI(command...); answer != "OK" {
		c.t.Fatalf("redis-server %s: %s: %s", s.Addr(), strings.Join(command, " "), answer)
	}
}

// until waits until every server that runs meets a condition.
func (c *Cluster) until(what string, condition func(s *Server) bool) {
	c.t.Helper()
	for deadline := time.Now().Add(clusterLimit); ; time.Sleep(clusterPause) {
		met := true
		for _, s := range c.Servers {
			met = met && (!s.runs() || condition(s))
		}
		if met {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("redis cluster: not after %v: %s\n%s", clusterLimit, what, c.Servers[0].CLI("CLUSTER", "NODES"))
		}
	}
}

func (s *Server) runs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil
}

// WaitHealthy returns when every server that runs says that all slots are served, when they agree on who serves them, and
// when the replicas among them have what their masters have.
func (c *Cluster) WaitHealthy() {
	c.t.Helper()
	view := ""
	c.until("all slots are served, all replicas linked", func(s *Server) bool {
		if s == c.firstRunning() {
			view = s.CLI("CLUSTER", "SLOTS")
		}
		if infoField(s.CLI("CLUSTER", "INFO"), "cluster_state") != "ok" || !sameLines(s.CLI("CLUSTER", "SLOTS"), view) {
			return false
		}
		replication := s.CLI("INFO", "replication")
		return infoField(replication, "role") == "master" || infoField(replication, "master_link_status") == "up"
	})
}

// WaitReplicated returns when the replicas that run have all that their masters had when it was called.
func (c *Cluster) WaitReplicated() {
	c.t.Helper()
	offsets := make(map[string]int)
	offset := func(s *Server) (port string, n int, isMaster bool) {
		replication := s.CLI("INFO", "replication")
		n, _ = strconv.Atoi(infoField(replication, "master_repl_offset"))
		if infoField(replication, "role") == "master" {
			return strconv.Itoa(c.ports[s]), n, true
		}
		return infoField(replication, "master_port"), n, false
	}
	for _, s := range c.Servers {
		if s.runs() {
			if port, n, isMaster := offset(s); isMaster {
				offsets[port] = n
			}
		}
	}
	c.until("the replicas have what their masters had", func(s *Server) bool {
		port, n, isMaster := offset(s)
		return isMaster || n >= offsets[port]
	})
}

func (c *Cluster) firstRunning() *Server {
	for _, s := range c.Servers {
		if s.runs() {
			return s
		}
	}
	c.t.Fatal("redis cluster: no server runs")
	return nil
}

// sameLines tells whether two texts have the same lines: members tell ranges and replicas in an order of their own.
func sameLines(a, b string) bool {
	count := make(map[string]int)
	for line := range strings.SplitSeq(a, "\n") {
		count[line]++
	}
	for line := range strings.SplitSeq(b, "\n") {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// Slot is the slot of a key.
func (c *Cluster) Slot(key string) int {
	c.t.Helper()
	slot, err := strconv.Atoi(c.firstRunning().CLI("CLUSTER", "KEYSLOT", key))
	if err != nil {
		c.t.Fatalf("redis cluster: slot of %q: %v", key, err)
	}
	return slot
}

// masterOf is the id of the master of a slot, as a server has it; "" if it knows none.
func (s *Server) masterOf(slot int) string {
	s.t.Helper()
	for _, r := range s.must("CLUSTER", "SLOTS").elements {
		first, _ := strconv.Atoi(r.elements[0].text)
		last, _ := strconv.Atoi(r.elements[1].text)
		if first <= slot && slot <= last {
			return r.elements[2].elements[2].text
		}
	}
	return ""
}

// Master is the server that serves a slot, as the first that runs has it.
func (c *Cluster) Master(slot int) *Server {
	c.t.Helper()
	id := c.firstRunning().masterOf(slot)
	for _, s := range c.Servers {
		if c.ids[s] == id {
			return s
		}
	}
	c.t.Fatalf("redis cluster: nobody serves slot %d", slot)
	return nil
}

// OtherMaster is a server that serves slots, but not this one.
func (c *Cluster) OtherMaster(slot int) *Server {
	c.t.Helper()
	for other := slot; ; other = (other + slots/clusterMasters) % slots {
		if s := c.Master(other); s != c.Master(slot) {
			return s
		}
	}
}

// KeyAt is a key, made from a text, that the n-th of the masters serves as long as no slot has moved.
func (c *Cluster) KeyAt(master int, text string) string {
	c.t.Helper()
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s:%d", text, i)
		if slot := c.Slot(key); master*slots/clusterMasters <= slot && slot < (master+1)*slots/clusterMasters {
			return key
		}
	}
}

// Owner is the string at a key, "" if there is none, from whichever server has it.
func (c *Cluster) Owner(key string) string {
	c.t.Helper()
	return c.Master(c.Slot(key)).Get(key)
}

// Keys are the keys of all masters.
func (c *Cluster) Keys() []string {
	c.t.Helper()
	var keys []string
	for _, s := range c.Servers {
		if s.runs() && infoField(s.CLI("INFO", "replication"), "role") == "master" {
			keys = append(keys, s.Keys()...)
		}
	}
	return keys
}

// Move is a slot on its way from one master to another: first it is begun, then keys are moved, any number of times, then
// it is ended.
type Move struct {
	c        *Cluster
	slot     string
	from, to *Server
}

// BeginMove has a slot importing at one master and migrating at the one that serves it.
func (c *Cluster) BeginMove(slot int, to *Server) *Move {
	c.t.Helper()
	m := &Move{c: c, slot: strconv.Itoa(slot), from: c.Master(slot), to: to}
	c.agreeOnEpoch()
	c.ok(to, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", c.ids[m.from])
	c.ok(m.from, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", c.ids[to])
	return m
}

// Keys moves the keys that are in the slot now, one by one.
func (m *Move) Keys() {
	m.c.t.Helper()
	for {
		keys := m.from.must("CLUSTER", "GETKEYSINSLOT", m.slot, "100").elements
		if len(keys) == 0 {
			return
		}
		for _, key := range keys {
			answer := m.from.CLI("MIGRATE", "127.0.0.1", strconv.Itoa(m.c.ports[m.to]), key.text, "0", "5000")
			if answer != "OK" && answer != "NOKEY" {
				m.c.t.Fatalf("redis cluster: MIGRATE %q: %s", key.text, answer)
			}
		}
	}
}

// End gives the slot to the master that it moves to, with the keys that came meanwhile.
func (m *Move) End() {
	c := m.c
	c.t.Helper()
	for deadline := time.Now().Add(clusterLimit); ; {
		m.Keys()
		c.ok(m.to, "CLUSTER", "SETSLOT", m.slot, "NODE", c.ids[m.to])
		// The server refuses to part with a slot that has keys.
		if answer := m.from.CLI("CLUSTER", "SETSLOT", m.slot, "NODE", c.ids[m.to]); answer == "OK" {
			break
		} else if time.Now().After(deadline) {
			c.t.Fatalf("redis cluster: slot %s cannot be moved: %s", m.slot, answer)
		}
	}
	// The next move begins at the one where this one ended, so everybody must know of that.
	c.meet(m.to)
	number, _ := strconv.Atoi(m.slot)
	c.until("slot "+m.slot+" has moved", func(s *Server) bool { return c.ids[m.to] == s.masterOf(number) })
}

// agreeOnEpoch returns when every server that runs knows the latest epoch. Who takes a slot over claims it with an epoch that
// is later than all it knows; knew it less than the master before it, that one's older claim would win the slot back, and
// the keys that came with it be deleted (Redis 7.0, clusterUpdateSlotsConfigWith).
func (c *Cluster) agreeOnEpoch() {
	c.t.Helper()
	latest, knows := 0, map[*Server]int{}
	for _, s := range c.Servers {
		if s.runs() {
			knows[s] = s.epoch()
			latest = max(latest, knows[s])
		}
	}
	for s, epoch := range knows {
		if epoch == latest {
			c.meet(s)
			break
		}
	}
	c.until(fmt.Sprintf("every member knows epoch %d", latest), func(s *Server) bool { return s.epoch() >= latest })
}

// epoch is the latest that a server knows of its cluster.
func (s *Server) epoch() int {
	epoch, _ := strconv.Atoi(infoField(s.CLI("CLUSTER", "INFO"), "cluster_current_epoch"))
	return epoch
}

// meet has all other servers that run ask one what it knows, at once and not only when it is its turn.
func (c *Cluster) meet(one *Server) {
	c.t.Helper()
	for _, s := range c.Servers {
		if s != one && s.runs() {
			c.ok(s, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.ports[one]))
		}
	}
}

// MoveSlot moves a slot with its keys to another master.
func (c *Cluster) MoveSlot(slot int, to *Server) {
	c.t.Helper()
	m := c.BeginMove(slot, to)
	m.Keys()
	m.End()
}

// WaitMaster waits until another server than before serves a slot, and returns it.
func (c *Cluster) WaitMaster(slot int, before *Server) *Server {
	c.t.Helper()
	var now *Server
	c.until(fmt.Sprintf("slot %d is served by another than %s", slot, before.Addr()), func(*Server) bool {
		now = c.Master(slot)
		return now != before
	})
	return now
}
