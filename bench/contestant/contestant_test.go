package contestant

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/bench/redisserver"
)

func start(t *testing.T, nodes int) redisserver.Servers {
	t.Helper()
	Silence()
	fleet, err := redisserver.NewFleet()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(fleet.Close)
	servers, err := fleet.Start(t.Context(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

// everybody is every way to use every library, and whether it knows several nodes.
func everybody() map[string]struct {
	Variant
	nodes []int
} {
	all := make(map[string]struct {
		Variant
		nodes []int
	})
	add := func(name string, variants []Variant, nodes ...int) {
		for _, v := range variants {
			all[fmt.Sprintf("%s, %s", name, v.Label)] = struct {
				Variant
				nodes []int
			}{v, nodes}
		}
	}
	add("ours", []Variant{Ours()}, 1, 3, 5)
	add("commands", Commands(), 1, 3, 5)
	add("redsync", Redsync(), 1, 3, 5)
	add("redsync, FailFast", Redsync(FailFast), 1, 3, 5)
	add("redsync, socket deadlines", RedsyncWithSocketDeadlines(), 1, 3)
	add("redsync, rueidis", RedsyncOverRueidis(), 1, 3, 5)
	add("redsync, AutoPipeline", RedsyncOverAutoPipeline(), 1, 3, 5)
	add("redsync, delayed", []Variant{RedsyncDelayed(time.Millisecond)}, 1, 3)
	add("redislock", Redislock(), 1)
	add("redislock, AutoPipeline", RedislockOverAutoPipeline(), 1)
	add("redislock, delayed", []Variant{RedislockDelayed(time.Millisecond)}, 1)
	add("rueidislock, README", []Variant{RueidislockReadme}, 1)
	add("rueidislock, default", []Variant{RueidislockDefault}, 1)
	return all
}

func TestEverybodyLocksAndReleases(t *testing.T) {
	servers := start(t, 5)
	for name, c := range everybody() {
		for _, nodes := range c.nodes {
			t.Run(fmt.Sprintf("%s/%d nodes", name, nodes), func(t *testing.T) {
				some := servers[:nodes]
				use := Use{Addrs: some.Addrs(), Workers: 2, Expiration: 10 * time.Second}
				locks, err := c.Open(use)
				if err != nil {
					t.Fatal(err)
				}
				defer locks.Close()
				other, err := c.Open(use)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()

				release, err := locks.Acquire(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				if keys, err := some.Keys(t.Context()); err != nil || len(keys) == 0 {
					t.Errorf("while the lock is held, the keys are %v, %v", keys, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				if _, err := other.Acquire(ctx, "a"); err == nil {
					t.Error("somebody else got the lock too")
				}
				if err := release(t.Context()); err != nil {
					t.Error(err)
				}
				if keys, err := some.Leftover(t.Context(), 5*time.Second); err != nil || len(keys) > 0 {
					t.Errorf("after the release, the keys are %v, %v", keys, err)
				}
				if err := locks.Pair(t.Context(), "b"); err != nil {
					t.Error(err)
				}
				if keys, err := some.Leftover(t.Context(), 5*time.Second); err != nil || len(keys) > 0 {
					t.Errorf("after a pair, the keys are %v, %v", keys, err)
				}
				if err := some.Empty(t.Context()); err != nil { // what a peer has left
					t.Fatal(err)
				}
			})
		}
	}
}

func TestContestantsWithDatabasesOfTheirOwnDoNotMeet(t *testing.T) {
	servers := start(t, 1)
	for name, c := range everybody() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			for _, database := range []int{3, 4} {
				locks, err := c.Open(Use{Addrs: servers.Addrs(), Database: database, Workers: 1, Expiration: 10 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				defer locks.Close()
				release, err := locks.Acquire(ctx, "a")
				if err != nil {
					t.Fatalf("in database %d: %v", database, err)
				}
				defer release(context.Background())
			}
		})
	}
}

// Without rueidislock: now and then its waiters sleep through the release, and wait until somebody else comes.
func TestWhoWaitsGetsTheLock(t *testing.T) {
	servers := start(t, 1)
	for name, v := range map[string]Variant{
		"ours": Ours(), "redsync": RedsyncDelayed(time.Millisecond), "redislock": RedislockDelayed(time.Millisecond),
		"token": Token(),
	} {
		t.Run(name, func(t *testing.T) {
			if err := Forge(t.Context(), servers[0].Addr(), "a"); name == "token" && err != nil {
				t.Fatal(err)
			}
			if name != "token" {
				if err := servers.Empty(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			locks, err := v.Open(Use{Addrs: servers.Addrs(), Workers: 2, Expiration: 10 * time.Second, Wait: true})
			if err != nil {
				t.Fatal(err)
			}
			defer locks.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			first, err := locks.Acquire(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan error, 1)
			go func() {
				second, err := locks.Acquire(ctx, "a")
				if err == nil {
					err = second(ctx)
				}
				got <- err
			}()
			select {
			case err := <-got:
				t.Fatalf("the second got it before the first released it, or failed: %v", err)
			case <-time.After(30 * time.Millisecond):
			}
			if err := first(ctx); err != nil {
				t.Error(err)
			}
			if err := <-got; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPipelinesSetExtendAndDelete(t *testing.T) {
	servers := start(t, 3)
	keys := []string{"a", "b", "c"}
	pipelines, err := OpenPipelines(Use{Addrs: servers.Addrs(), Workers: 1, Expiration: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer pipelines.Close()
	if err := pipelines.Extend(t.Context(), keys); !errors.Is(err, errLimit) {
		t.Errorf("an extension of nothing: %v", err)
	}
	if err := pipelines.Set(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if err := pipelines.Set(t.Context(), keys); !errors.Is(err, errLimit) && !errors.Is(err, redis.Nil) {
		t.Errorf("setting what is set: %v", err)
	}
	if err := pipelines.Extend(t.Context(), keys); err != nil {
		t.Error(err)
	}
	if standing, err := servers.Keys(t.Context()); err != nil || len(standing) != 3 || standing["a"] != 3 {
		t.Errorf("keys: %v, %v", standing, err)
	}
	if err := pipelines.evalSha(t.Context(), keys, compareAndDelete, limitOwner); err != nil {
		t.Error(err)
	}
	if err := pipelines.Pairs(t.Context(), keys); err != nil {
		t.Error(err)
	}
	if standing, err := servers.Keys(t.Context()); err != nil || len(standing) != 0 {
		t.Errorf("keys: %v, %v", standing, err)
	}
}

func TestLocksThatAreRenewedOutliveTheirExpiration(t *testing.T) {
	servers := start(t, 1)
	use := Use{Addrs: servers.Addrs(), Workers: 1, Expiration: 3 * time.Second}
	for name, open := range map[string]func() (Renewing, error){
		"ours":        func() (Renewing, error) { return OursRenewing(use) },
		"rueidislock": func() (Renewing, error) { return RueidislockRenewing(RueidislockReadme, use) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			library, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer library.Close()
			held, err := library.Hold(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(use.Expiration + 500*time.Millisecond)
			if held.Lost() {
				t.Error("the lock is lost")
			}
			if err := held.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if !held.Lost() {
				t.Error("a lock that was released is held")
			}
		})
	}
}

func TestOurMutexesHaveTheExpirationsThatAreAskedFor(t *testing.T) {
	use := Use{Addrs: []string{"127.0.0.1:1"}}
	for _, expiration := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second} {
		use.Expiration = expiration
		locks, err := Ours().Open(use)
		if err != nil {
			t.Errorf("%v: %v", expiration, err)
			continue
		}
		locks.Close()
	}
	use.Expiration = 7 * time.Second
	if _, err := Ours().Open(use); err == nil {
		t.Error("there is a mutex with an expiration of 7 s")
	}
}
