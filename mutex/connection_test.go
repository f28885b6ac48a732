package mutex_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// connections counts those that a server has, but for the one that asks.
func connections(s *redistest.Server) int {
	n := 0
	for line := range strings.Lines(s.CLI("CLIENT", "LIST")) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "cmd=client") {
			n++
		}
	}
	return n
}

func TestMutexesOnOneNodeShareItsConnections(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	named := func(name, url string) mutex.Definition {
		return with(on(url), func(d *mutex.Definition) { d.Name = name })
	}
	// work has every mutex of a set acquire and release from many goroutines, and returns how many connections that took.
	work := func(definitions ...mutex.Definition) int {
		set, err := mutex.OpenSet(definitions)
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		var workers sync.WaitGroup
		most := 0
		for _, d := range definitions {
			for i := range 8 {
				workers.Go(func() {
					m := mutex.At[counter](set.Opened(d.Name), mutex.NewKey(d.Name+":").Int("i", i))
					for range 20 {
						lock, err := m.AcquireLock(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						if err := m.ReleaseLock(t.Context(), lock); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		workers.Wait()
		most = max(most, connections(server))
		set.Close()
		eventually(t, "Close ends every connection", func() bool { return connections(server) == 0 })
		return most
	}
	alone := work(named("A", server.URL()))
	if alone < 1 || alone > 2 {
		t.Errorf("one mutex with a pool of 2 has %d connections", alone)
	}
	same := work(named("A", server.URL()), named("B", server.URL()+"/0"), named("C", server.URL()+"?db=0"), named("D", server.URL()))
	if same != alone {
		t.Errorf("four mutexes on one node have %d connections, one has %d", same, alone)
	}
	if two := work(named("A", server.URL()), named("B", server.URL()+"/1")); two != 2*alone {
		t.Errorf("mutexes on two databases have %d connections, one has %d", two, alone)
	}
}

func TestRedisOptionsAreAdjustedOncePerNode(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "p@ss/w:rd%")
	var adjusted, dialled, connected, asked atomic.Int32
	set := open(t, hasty(on(server.URL())),
		mutex.WithRedisOptions(func(_ string, o *redis.Options) {
			adjusted.Add(1)
			o.CredentialsProvider = func() (string, string) {
				asked.Add(1)
				return "", "p@ss/w:rd%"
			}
			// What the library needs stays as it needs it.
			o.MaxRetries, o.PoolSize, o.MinIdleConns, o.ReadTimeout, o.ContextTimeoutEnabled = 100, 100, 100, -1, false
		}),
		mutex.WithRedisOptions(func(_ string, o *redis.Options) {
			if o.MaxRetries != 100 {
				t.Error("the second function does not see what the first did")
			}
			o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled.Add(1)
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			o.OnConnect = func(context.Context, *redis.Conn) error {
				connected.Add(1)
				return nil
			}
		}),
	)
	m := at(set, "k")
	for range 3 {
		release(t, acquire(t, m))
	}
	if adjusted.Load() != 1 || dialled.Load() == 0 || dialled.Load() > 2 || connected.Load() != dialled.Load() || asked.Load() < dialled.Load() {
		t.Errorf("adjusted %d times, dialled %d, connected %d, asked for credentials %d",
			adjusted.Load(), dialled.Load(), connected.Load(), asked.Load())
	}
	server.Pause()
	start := time.Now()
	_, err := m.AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	took(t, start, nodeTimeout)
	server.Resume()
}

func TestCredentialsOfTheURLReachTheServer(t *testing.T) {
	t.Parallel()
	const password = `p@ss/w:rd %?#é"\`
	server := redistest.Start(t, "--requirepass", password)
	if answer := server.CLI("ACL", "SETUSER", "us@er", "on", ">"+password, "~locks:*", "+@all"); answer != "OK" {
		t.Fatal(answer)
	}
	address := server.Addr()
	encoded := "p%40ss%2Fw%3Ard%20%25%3F%23%C3%A9%22%5C"
	for _, url := range []string{
		"redis://:" + encoded + "@" + address, "redis://default:" + encoded + "@" + address + "/3", "redis://us%40er:" + encoded + "@" + address,
		"redis://us%40er:" + encoded + "@" + address + "?protocol=2", "redis://us%40er:${PASSWORD}@" + address,
	} {
		set := open(t, on(url), environment(map[string]string{"PASSWORD": encoded}))
		release(t, acquire(t, at(set, "locks:"+url)))
	}
}

func TestNodeMayBeAUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	server := redistest.Start(t, "--unixsocket", socket)
	set := open(t, on("unix://"+socket))
	lock := acquire(t, at(set, "k"))
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if server.Get("k") == "" {
		t.Error("the key is not on the server")
	}
	release(t, lock)
	server.Kill()
	_, err = at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, socket)
}

func TestDatabasesOfAServerAreApart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	first, second, again := open(t, on(server.URL())), open(t, on(server.URL()+"/1")), open(t, on(server.URL()+"?db=1"))
	a := acquire(t, at(first, "k"))
	b := acquire(t, at(second, "k"))
	_, err := at(again, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	wantText(t, err, server.Addr()+"/1: taken")
	release(t, a)
	if held, err := at(second, "k").ExistsLock(t.Context()); !held || err != nil {
		t.Errorf("after the release in the other database: exists %v, %v", held, err)
	}
	release(t, b)
	wantNoKeys(t, server)
}

func TestTwoSetsOfOneProcessExcludeEachOther(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	first, second := open(t, on(urls(servers)...)), open(t, on(urls(servers)...))
	lock := acquire(t, at(first, "k"))
	_, err := at(second, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrAlreadyLocked)
	if len(first.Held()) != 1 || len(second.Held()) != 0 {
		t.Errorf("the first set holds %v, the second %v", first.Held(), second.Held())
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if lock.Err() != nil {
		t.Errorf("closing the second set ended the first one's lock: %v", lock.Err())
	}
	// A lock is released where it was acquired, whichever mutex it is given to.
	if err := at(second, "other").ReleaseLock(t.Context(), lock); err != nil {
		t.Error(err)
	}
	wantNoKeys(t, servers...)
}

// What an application hangs into a connection may fail, like a connection.
func TestErrorsOfTheApplicationsOwnHooksAreReported(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var failing atomic.Bool
	fail := func() error {
		if failing.Load() {
			return errors.New("the vault is closed")
		}
		return nil
	}
	for name, adjust := range map[string]func(*redis.Options){
		"dialer": func(o *redis.Options) {
			o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				if err := fail(); err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		},
		"OnConnect": func(o *redis.Options) {
			o.OnConnect = func(context.Context, *redis.Conn) error { return fail() }
		},
		"credentials": func(o *redis.Options) {
			o.CredentialsProviderContext = func(context.Context) (string, string, error) { return "", "", fail() }
		},
	} {
		failing.Store(true)
		m := at(open(t, on(server.URL()), mutex.WithRedisOptions(func(_ string, o *redis.Options) { adjust(o) })), name)
		for range 3 {
			start := time.Now()
			_, err := m.AcquireLock(t.Context())
			took(t, start, 0)
			wantError(t, err, mutex.ErrNoQuorum)
			wantText(t, err, server.Addr()+": down: ", "the vault is closed")
		}
		failing.Store(false)
		start := time.Now()
		eventually(t, name+" works again", func() bool {
			lock, err := m.AcquireLock(t.Context())
			if err == nil {
				release(t, lock)
			}
			return err == nil
		})
		took(t, start, reconnection)
	}
}
