package mutex_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// proxied is servers, each behind a proxy.
func proxied(t *testing.T, n int) ([]*redistest.Server, []*redistest.Proxy, []string) {
	servers := redistest.StartN(t, n)
	proxies := make([]*redistest.Proxy, n)
	urls := make([]string, n)
	for i, s := range servers {
		proxies[i] = redistest.NewProxy(t, s.Addr())
		urls[i] = proxies[i].URL()
	}
	return servers, proxies, urls
}

// A SET is carried out, but nobody hears of it: the next attempt must not take the key for somebody else's.
func TestOwnKeyWhoseAnswerWasLostDoesNotBlockTheNextAttempt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		nodes, faint int // of so many nodes, so many lose their answers
		reset        bool
	}{
		{"one node mute", 1, 1, false},
		{"one node resets the connection", 1, 1, true},
		{"two of three mute", 3, 2, false},
		{"two of three reset the connection", 3, 2, true},
		{"all of three mute", 3, 3, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			servers, proxies, urls := proxied(t, test.nodes)
			set := open(t, with(hasty(on(urls...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
			m := at(set, "k")
			untilAllVote(t, set, servers)
			carriedOut := func() bool {
				return !slices.ContainsFunc(servers[:test.faint], func(s *redistest.Server) bool { return s.Get("k") == "" })
			}
			for times, tries := 0, 0; times < 3; tries++ {
				if tries == 10 {
					t.Fatalf("in %d tries the SET was carried out by every node only %d times", tries, times)
				}
				for _, p := range proxies[:test.faint] {
					p.DropAnswers(true)
				}
				result := make(chan error)
				start := time.Now()
				go func() {
					_, err := m.AcquireLock(t.Context())
					took(t, start, nodeTimeout)
					result <- err
				}()
				// A node whose answer to the release before was still under way is found down, and not asked.
				everywhere := false
				for !everywhere && time.Since(start) < nodeTimeout {
					everywhere = carriedOut()
				}
				if everywhere {
					times++
				}
				if test.reset {
					for _, p := range proxies[:test.faint] {
						p.DropAnswers(false)
						p.CloseAll()
					}
				}
				err := <-result
				wantError(t, err, mutex.ErrNoQuorum)
				if errors.Is(err, mutex.ErrAlreadyLocked) {
					t.Error(err)
				}
				for _, p := range proxies {
					p.DropAnswers(false)
				}
				start = time.Now()
				var lock *mutex.Lock[counter]
				eventually(t, "the next attempt gets the lock", func() bool {
					got, err := m.AcquireLock(t.Context())
					if errors.Is(err, mutex.ErrAlreadyLocked) {
						t.Errorf("blocked by the attempt before: %v", err)
					}
					lock = got
					return err == nil
				})
				took(t, start, reconnection+2*nodeTimeout)
				release(t, lock)
				wantNoKeys(t, servers...)
				untilAllVote(t, set, servers)
			}
		})
	}
}

// The lock is got, a node's yes is lost: its key must go with the others.
func TestKeyOfANodeWhoseYesWasLostIsReleased(t *testing.T) {
	t.Parallel()
	servers, proxies, urls := proxied(t, 3)
	set := open(t, with(hasty(on(urls...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	for try := 1; ; try++ {
		proxies[0].DropAnswers(true)
		start := time.Now()
		lock := acquire(t, at(set, "k"))
		stands := false
		for !stands && time.Since(start) < nodeTimeout {
			stands = servers[0].Get("k") != ""
		}
		release(t, lock)
		proxies[0].DropAnswers(false)
		wantNoKeys(t, servers...)
		if stands {
			return
		}
		// A node whose answer to the release before was still under way is found down, and not asked.
		if try == 10 {
			t.Fatalf("in %d tries the mute node was never asked", try)
		}
		untilAllVote(t, set, servers)
	}
}

// A release is carried out, but nobody hears of it: the caller learns that it is not certain, and nothing is left.
func TestReleaseWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	servers, proxies, urls := proxied(t, 3)
	set := open(t, with(hasty(on(urls...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	for _, lost := range []int{1, 2, 3} {
		lock := acquire(t, at(set, "k"))
		for _, s := range servers {
			eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
		}
		for _, p := range proxies[:lost] {
			p.DropAnswers(true)
		}
		start := time.Now()
		err := mutex.ReleaseLock(t.Context(), lock)
		took(t, start, nodeTimeout)
		if lost == 1 && err != nil {
			t.Errorf("one of three answers lost: %v", err)
		}
		if lost > 1 {
			wantError(t, err, mutex.ErrNoQuorum)
		}
		for _, p := range proxies {
			p.DropAnswers(false)
		}
		wantNoKeys(t, servers...)
		untilAllVote(t, set, servers)
	}
}

// Requests that never arrive: the lock stays, and is released when the nodes can be reached again.
func TestReleaseThatNeverArrivedIsMadeUpFor(t *testing.T) {
	t.Parallel()
	servers, proxies, urls := proxied(t, 3)
	set := open(t, with(hasty(on(urls...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	lock := acquire(t, at(set, "k"))
	for _, s := range servers {
		eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
	}
	for _, p := range proxies {
		p.DropRequests(true)
	}
	wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNoQuorum)
	for i, s := range servers {
		if s.Get("k") == "" {
			t.Errorf("node %d has deleted the key, unasked", i)
		}
	}
	for _, p := range proxies {
		p.DropRequests(false)
	}
	wantNoKeys(t, servers...)
}

// A stopped server has a SET in its buffers whose sender has long given up. It carries it out when it goes on; the key,
// which would stay for an hour, must be gone soon after.
func TestSetInTheBufferOfAStoppedServerLeavesNoZombie(t *testing.T) {
	t.Parallel()
	for _, stopped := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d of %d", stopped, stopped), func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, stopped)
			set := open(t, with(hasty(on(urls(servers)...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
			untilAllVote(t, set, servers)
			before := make([]int64, stopped)
			for i, s := range servers {
				before[i] = s.Commands()
				s.Pause()
			}
			for range 3 {
				_, err := at(set, "k").AcquireLock(t.Context())
				wantError(t, err, mutex.ErrNoQuorum)
			}
			for i, s := range servers {
				s.Resume()
				eventually(t, "the server carries out what it had received", func() bool { return s.Commands() > before[i] })
			}
			wantNoKeys(t, servers...)
			untilAllVote(t, set, servers)
			for range 3 {
				release(t, acquire(t, at(set, "k"), mutex.WithWait(soon)))
				time.Sleep(20 * time.Millisecond)
			}
			wantNoKeys(t, servers...)
		})
	}
}

// The same with a lock that was got on the other nodes, and released, while one stood still.
func TestStoppedMinorityLeavesNoZombie(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, with(hasty(on(urls(servers)...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	servers[2].Pause()
	for range 20 {
		release(t, acquire(t, at(set, "k")))
	}
	kept := acquire(t, at(set, "kept"))
	servers[2].Resume()
	eventually(t, "nothing of the released locks is left", func() bool { return !slices.Contains(servers[2].Keys(), "k") })
	untilAllVote(t, set, servers)
	if err := mutex.ExtendLock(t.Context(), kept, time.Hour); err != nil {
		t.Error(err)
	}
	eventually(t, "the lock that is held reaches the node", func() bool { return servers[2].Get("kept") != "" })
	release(t, kept)
	wantNoKeys(t, servers...)
}

func TestConnectionsThatServersCloseAreMadeAgain(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, on(urls(servers)...))
	for i := range 40 {
		lock := acquire(t, at(set, "k"), mutex.WithWait(0))
		servers[i%3].CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		time.Sleep(25 * time.Millisecond) // a connection that answered just now is taken to be alive without a look
		if i%2 == 0 {
			if err := mutex.ExtendLock(t.Context(), lock, 10*time.Second); err != nil {
				t.Error(err)
			}
		}
		release(t, lock)
	}
	// All at once: an answer may get lost, a key may not.
	for range 20 {
		lock, err := at(set, "k").AcquireLock(t.Context(), mutex.WithWait(soon))
		if err != nil {
			wantError(t, err, mutex.ErrNoQuorum) // its question stood behind the release, on a connection that was gone
			continue
		}
		for _, s := range servers {
			s.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}
		if err := mutex.ReleaseLock(t.Context(), lock); err != nil {
			wantError(t, err, mutex.ErrNoQuorum)
		}
	}
	wantNoKeys(t, servers...)
}

// The same with an extension, which sets a key that has expired meanwhile, and would keep it for an hour.
func TestExtensionInTheBufferOfAStoppedServerLeavesNoZombie(t *testing.T) {
	t.Parallel()
	for _, released := range []bool{true, false} {
		t.Run(fmt.Sprintf("released %v", released), func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, 3)
			set := open(t, hasty(on(urls(servers)...)))
			known := acquire(t, at(set, "known")) // the script: a server that does not know it carries nothing out
			if err := mutex.ExtendLock(t.Context(), known, time.Minute); err != nil {
				t.Fatal(err)
			}
			release(t, known)
			untilAllVote(t, set, servers)
			lock := acquire(t, at(set, "k"), mutex.WithExpiration(600*time.Millisecond))
			for _, s := range servers {
				s.Pause()
			}
			wantError(t, mutex.ExtendLock(t.Context(), lock, time.Hour), mutex.ErrNoQuorum)
			if released {
				wantError(t, mutex.ReleaseLock(t.Context(), lock), mutex.ErrNoQuorum)
			}
			<-lock.Done()
			time.Sleep(time.Until(lock.Until().Add(50 * time.Millisecond))) // the key has expired too
			for _, s := range servers {
				s.Resume()
			}
			untilAllVote(t, set, servers)
			wantNoKeys(t, servers...)
			release(t, acquire(t, at(set, "k"), mutex.WithWait(soon)))
		})
	}
}
