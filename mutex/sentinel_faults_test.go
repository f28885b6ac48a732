package mutex_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestMasterIsReachedWithoutSentinelsOnceItIsKnown(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	set := open(t, hasty(on(sentinels.URL())))
	release(t, acquire(t, at(set, "k")))
	for _, one := range sentinels.Sentinels {
		one.Kill()
	}
	master := sentinels.Servers[0]
	for range 3 {
		master.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") // a new connection is needed
		time.Sleep(20 * time.Millisecond)                               // for the news of that to arrive
		start := time.Now()
		release(t, acquire(t, at(set, "k")))
		took(t, start, nodeTimeout)
	}
	_, err := at(open(t, hasty(on(sentinels.URL()))), "k").AcquireLock(t.Context()) // knows nothing
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "no sentinel names the master mymaster", "connection refused", "hint: no sentinel can be reached")
}

func TestSentinelsThatHangHoldUpNobody(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	for hung := 1; hung <= 2; hung++ {
		sentinels.Sentinels[hung-1].Pause()
		set := open(t, hasty(on(sentinels.URL())))
		start := time.Now()
		release(t, acquire(t, at(set, "k")))
		took(t, start, nodeTimeout)
		sentinels.Servers[0].CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		time.Sleep(20 * time.Millisecond) // for the news of that to arrive
		start = time.Now()
		release(t, acquire(t, at(set, "k")))
		took(t, start, nodeTimeout)
		start = time.Now()
		set.Close()
		took(t, start, 0)
	}
}

func TestSentinelsThatKnowNoMasterSayWhy(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{Password: "sesame", ServerPassword: "pass"})
	hosts := strings.Join(sentinels.SentinelAddrs(), ",")
	release(t, acquire(t, at(open(t, on(sentinels.URL())), "k")))
	release(t, acquire(t, at(open(t, on("redis+sentinel://:pass@"+hosts+"/mymaster?sentinel_username=default&sentinel_password=sesame")), "k")))
	for _, test := range []struct {
		url  string
		want []string
	}{
		{"redis+sentinel://:pass@" + hosts + "/other?sentinel_password=sesame",
			[]string{"no sentinel names the master other", "knows no master of that name", "check the master's name"}},
		{"redis+sentinel://:pass@" + hosts + "/mymaster", []string{"NOAUTH", "sentinel_password"}},
		{"redis+sentinel://:pass@" + hosts + "/mymaster?sentinel_password=wrongone", []string{"WRONGPASS", "sentinel_password"}},
		{"redis+sentinel://:wrongone@" + hosts + "/mymaster?sentinel_password=sesame", []string{"WRONGPASS", "the node's URL"}},
		{"redis+sentinel://:pass@" + sentinels.Servers[0].Addr() + "/mymaster?sentinel_password=pass", []string{"this is no sentinel"}},
		{"redis://:sesame@" + sentinels.Sentinels[0].Addr(), []string{"Redis Sentinel", "redis+sentinel://host:26379/master-name"}},
	} {
		_, err := at(open(t, on(test.url)), "k").AcquireLock(t.Context())
		wantError(t, err, mutex.ErrNoQuorum)
		wantText(t, err, test.want...)
		for _, secret := range []string{"sesame", ":pass", "wrongone"} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%v shows a password", err)
			}
		}
	}
}

func TestSentinelsAndServersWithTLS(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{Authority: redistest.NewAuthority(t), Password: "sesame", ServerPassword: "pass"})
	set := open(t, hasty(on(sentinels.URL())))
	lock := acquire(t, at(set, "k"), mutex.WithRenewal())
	old := sentinels.Master()
	for _, server := range sentinels.Servers {
		eventually(t, "the replicas have the key", func() bool { return server.Get("k") != "" })
	}
	old.Kill()
	master := sentinels.WaitForAnotherMaster(old)
	left := master.PTTL("k")
	eventually(t, "the lock is renewed on the new master", func() bool { return master.PTTL("k") > left })
	release(t, lock)

	_, err := at(open(t, on(strings.Split(sentinels.URL(), "?")[0]+"?sentinel_password=sesame")), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "certificate signed by unknown authority", "ca_file")
	_, err = at(open(t, on(strings.Replace(strings.Split(sentinels.URL(), "?")[0], "rediss", "redis", 1)+"?sentinel_password=sesame")), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "rediss:// instead of redis://")
}

// Who waits for a lock is woken on the new master as on the old.
func TestWaitersAreWokenAfterAFailover(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	d := with(hasty(on(sentinels.URL())), func(d *mutex.Definition) {
		d.Expiration, d.RetryInterval, d.RetryJitter = 30*time.Second, 20*time.Second, 0 // nobody tries by chance
	})
	set, other := open(t, d), open(t, d)
	lock := acquire(t, at(set, "k"), mutex.WithRenewal())
	got := make(chan error, 1)
	go func() {
		second, err := at(other, "k").AcquireLock(context.Background(), mutex.WithWait(time.Minute))
		if err == nil {
			err = mutex.ReleaseLock(context.Background(), second)
		}
		got <- err
	}()
	listens := func(server *redistest.Server) bool {
		return strings.Contains(server.CLI("PUBSUB", "CHANNELS"), "mutexgen:key:k")
	}
	old := sentinels.Master()
	eventually(t, "somebody waits", func() bool { return listens(old) })
	for _, server := range sentinels.Servers {
		eventually(t, "the replicas have the key", func() bool { return server.Get("k") != "" })
	}
	sentinels.Failover()
	master := sentinels.WaitForAnotherMaster(old)
	eventually(t, "somebody waits at the new master", func() bool { return listens(master) })
	release(t, lock)
	start := time.Now()
	if err := <-got; err != nil {
		t.Error(err)
	}
	took(t, start, 0)
}

func TestCloseInTheMiddleOfAFailover(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	old := sentinels.Master()
	for i := range 6 {
		set, err := mutex.OpenSet([]mutex.Definition{hasty(on(sentinels.URL()))})
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 1:
			old.Pause()
		case 3:
			old.Kill()
		}
		for range 4 {
			go func() { _, _ = at(set, "k").AcquireLock(context.Background(), mutex.WithWait(mutex.Forever)) }()
		}
		time.Sleep(time.Duration(i) * 300 * time.Millisecond)
		start := time.Now()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
		took(t, start, 2*nodeTimeout)
	} // that nothing is left, TestMain sees
}

// What an application sets in go-redis's options goes for the master too, and no sentinel takes the place of one.
func TestRedisOptionsOfAMasterThatSentinelsName(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{ServerPassword: "pass"})
	bare := strings.Replace(sentinels.URL(), ":pass@", "", 1)
	var node string
	set := open(t, on(bare), mutex.WithRedisOptions(func(name string, o *redis.Options) {
		node = name
		o.Password = "pass"
	}))
	release(t, acquire(t, at(set, "k")))
	if want := "mymaster@" + strings.Join(sentinels.SentinelAddrs(), ","); node != want {
		t.Errorf("the node is called %q, want %q", node, want)
	}
}
