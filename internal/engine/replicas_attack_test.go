package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// interloper passes connections on to a server, and calls meet before it passes on what asks for a WAIT. If that returns
// false, or once the server has heard of it after, the connection is cut.
type interloper struct {
	addr   string
	before func() (goOn bool)
	after  bool
}

func newInterloper(t testing.TB, server string) *interloper {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &interloper{addr: listener.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			all.Go(func() { io.Copy(client, behind); client.Close() })
			all.Go(func() {
				defer behind.Close()
				defer client.Close()
				for buffer := make([]byte, 1<<16); ; {
					n, err := client.Read(buffer)
					if err != nil {
						return
					}
					waits := bytes.Contains(buffer[:n], []byte("\r\nwait\r\n"))
					if waits && !p.before() {
						return
					}
					if behind.Write(buffer[:n]); waits && p.after {
						time.Sleep(50 * time.Millisecond) // the server waits now
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return p
}

// Of a connection that broke before the replicas' word came, nothing is known but that the key may be set.
func TestConnectionThatBreaksAroundTheWaitIsNoVote(t *testing.T) {
	for name, test := range map[string]struct{ after, flush, guarded bool }{
		"before it":                       {},
		"during it":                       {after: true},
		"before it, scripts flushed":      {flush: true},
		"during it, scripts flushed":      {after: true, flush: true},
		"before it, with fences":          {guarded: true},
		"during it, with fences, flushed": {after: true, flush: true, guarded: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, replicas := redistest.StartReplicas(t, 1)
			if test.after {
				replicas[0].Pause()
			}
			proxy := newInterloper(t, master.Addr())
			var mu sync.Mutex
			broken := 0
			proxy.after = test.after
			proxy.before = func() bool {
				mu.Lock()
				defer mu.Unlock()
				broken++
				if len(master.Get("k")) == 0 {
					t.Error("the key is not set yet")
				}
				if test.flush {
					master.CLI("SCRIPT", "FLUSH")
				}
				return test.after
			}
			settings := hurried
			settings.Fencing, settings.FencingMemory = test.guarded, time.Hour
			m := mutexAt(t, 1, settings, proxy.addr)
			lock, err := m.Acquire(t.Context(), "k", AcquireOptions{})
			if err == nil || !errors.Is(err, ErrNoQuorum) {
				t.Errorf("got %v, %v; want no quorum", lock, err)
			}
			mu.Lock()
			if broken == 0 {
				t.Error("the connection never broke")
			}
			mu.Unlock()
			soonTrue(t, "what counted as no vote is gone", func() bool { return master.Get("k") == "" })
		})
	}
}

// Connections break all the time, at any point, and so do scripts: whoever has a lock is known to the replica.
func TestLockIsKnownToTheReplicaHoweverConnectionsBreak(t *testing.T) {
	t.Parallel()
	master, replicas := redistest.StartReplicas(t, 1)
	proxy := redistest.NewProxy(t, master.Addr())
	m := mutexAt(t, 1, hurried, proxy.Addr())
	end := make(chan struct{})
	var breaking sync.WaitGroup
	breaking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(time.Duration(3+i%7*5) * time.Millisecond):
				proxy.CloseAll()
				if i%3 == 0 {
					master.CLI("SCRIPT", "FLUSH")
				}
			}
		}
	})
	got, failed := 0, 0
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		lock, err := m.Acquire(t.Context(), "k", AcquireOptions{})
		if err != nil {
			failed++
			time.Sleep(time.Millisecond)
			continue
		}
		got++
		if owner := replicas[0].Get("k"); owner != lock.claim.owner {
			t.Errorf("the replica has %q at a key that was got by %q", owner, lock.claim.owner)
		}
		_ = lock.Release(t.Context())
	}
	close(end)
	breaking.Wait()
	t.Logf("%d locks, %d failures", got, failed)
	soonTrue(t, "the key is gone", func() bool { return master.Get("k") == "" })
	soonTrue(t, "a lock can be had again", func() bool {
		lock, err := m.Acquire(t.Context(), "k", AcquireOptions{})
		return err == nil && lock.Release(t.Context()) == nil
	})
}
