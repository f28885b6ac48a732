package mutex_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// onCluster is a definition on a Redis Cluster, of which the URL names some servers.
func onCluster(c *redistest.Cluster, servers ...int) mutex.Definition {
	addrs := make([]string, len(servers))
	for i, n := range servers {
		addrs[i] = c.Servers[n].Addr()
	}
	return on("redis+cluster://" + strings.Join(addrs, ","))
}

func TestContendersOnAClusterNeverHoldTogetherWhileASlotMoves(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	w := newWitness(t)
	key := c.KeyAt(0, "key")
	ctx, stop := context.WithCancel(t.Context())
	var contenders sync.WaitGroup
	for i := range 8 {
		set := open(t, with(fenced(onCluster(c, i%6)), func(d *mutex.Definition) { d.Wait = mutex.Forever }))
		contenders.Go(func() {
			for ctx.Err() == nil {
				if err := at(set, key).Synchronize(ctx, w.hold); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 6 {
		c.MoveSlot(c.Slot(key), c.Servers[(i+1)%2])
		before := w.holds.Load()
		eventually(t, "work goes on", func() bool { return w.holds.Load() > before+5 })
	}
	stop()
	contenders.Wait()
	if holds := w.check(); holds < 30 {
		t.Errorf("%d holds", holds)
	}
}

func TestClusterURLOfAnIndependentServerIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	set := open(t, on("redis+cluster://"+s.Addr()))
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "does not run in cluster mode", "use redis://")
}

func TestServersOfAClusterAreNoIndependentServers(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	set := open(t, on(c.Servers[0].URL()))
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "cluster mode")
}

func TestReplicasOfAClusterAcknowledge(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	c.WaitForReplicas()
	replicated := func(n int) *mutex.Set {
		return open(t, with(onCluster(c, 1), func(d *mutex.Definition) { d.Replicas = n }))
	}
	key := c.KeyAt(0, "key")
	lock := acquire(t, at(replicated(1), key))
	release(t, lock)
	_, err := at(replicated(2), key).AcquireLock(t.Context())
	if !errors.Is(err, mutex.ErrNoQuorum) {
		t.Errorf("with one replica, two acknowledged: %v", err)
	}
	eventually(t, "no lock is left", func() bool { return len(c.Keys()) == 0 })
}

func TestSeveralClustersMakeAQuorum(t *testing.T) {
	t.Parallel()
	clusters := make([]*redistest.Cluster, 3)
	var urls []string
	for i := range clusters {
		clusters[i] = redistest.StartCluster(t, 10*time.Second)
		urls = append(urls, "redis+cluster://"+clusters[i].Servers[i].Addr())
	}
	set := open(t, fenced(on(urls...)))
	lock := acquire(t, at(set, "k"))
	release(t, lock)
	for _, s := range clusters[0].Servers {
		s.Kill()
	}
	next := acquire(t, at(set, "k"))
	if next.Token() <= lock.Token() {
		t.Errorf("after %d the token is %d", lock.Token(), next.Token())
	}
	release(t, next)
}

// Whoever is sent to a server by others must find its name in the certificate, not that of whom it asked.
func TestCertificatesOfAClusterAreCheckedAgainstTheHostsThatItNames(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	cert, key := authority.Certificate(0, "localhost")
	s := redistest.StartTLSWith(t, authority, cert, key, "--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-hostname", "localhost")
	if answer := s.CLI("CLUSTER", "ADDSLOTSRANGE", "0", "16383"); answer != "OK" {
		t.Fatal(answer)
	}
	eventually(t, "the cluster is well", func() bool { return strings.Contains(s.CLI("CLUSTER", "INFO"), "cluster_state:ok") })
	seed := "rediss+cluster://" + strings.Replace(s.TLSAddr(), "127.0.0.1", "localhost", 1) + "?ca_file=" + authority.File
	_, err := at(open(t, on(seed)), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "127.0.0.1", "server_name")

	release(t, acquire(t, at(open(t, on(seed+"&server_name=localhost")), "k")))
	_, err = at(open(t, on(seed+"&server_name=elsewhere")), "k").AcquireLock(t.Context())
	wantText(t, err, "elsewhere")

	if answer := s.CLI("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"); answer != "OK" {
		t.Fatal(answer)
	}
	release(t, acquire(t, at(open(t, on(seed)), "k")))
}

func TestLocksOfAClusterWithTLSFollowTheirSlot(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	c, addrs := redistest.StartTLSCluster(t, authority, 10*time.Second)
	c.WaitForReplicas()
	url := "rediss+cluster://" + addrs[4] + "?ca_file=" + authority.File
	set := open(t, with(fenced(on(url)), func(d *mutex.Definition) { d.Replicas = 1 }))
	key := c.KeyAt(0, "key")
	lock := acquire(t, at(set, key))
	slot := c.Slot(key)
	move := c.BeginMove(slot, c.OtherMaster(slot))
	move.Keys()
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Errorf("where the key went: %v", err)
	}
	move.End()
	release(t, lock)
	next := acquire(t, at(set, key))
	if next.Token() <= lock.Token() {
		t.Errorf("after %d the token is %d", lock.Token(), next.Token())
	}
	release(t, next)
	for _, f := range set.Check(t.Context()).Findings {
		if strings.HasPrefix(f.Code, "tls") || f.Code == "unreachable" {
			t.Errorf("%+v", f)
		}
	}
}

func TestClusterWithTLS(t *testing.T) {
	t.Parallel()
	authority := redistest.NewAuthority(t)
	s := redistest.StartTLS(t, authority, "--cluster-enabled", "yes", "--tls-cluster", "yes")
	if answer := s.CLI("CLUSTER", "ADDSLOTSRANGE", "0", "16383"); answer != "OK" {
		t.Fatal(answer)
	}
	eventually(t, "the cluster is well", func() bool { return strings.Contains(s.CLI("CLUSTER", "INFO"), "cluster_state:ok") })
	url := "rediss+cluster://" + s.TLSAddr()
	m := at(open(t, on(url+"?ca_file="+authority.File)), "k")
	release(t, acquire(t, m))
	_, err := at(open(t, on(url)), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "certificate")
}
