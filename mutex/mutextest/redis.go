package mutextest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

var errClosed = errors.New("mutextest: Restart after Close")

// Redis is one embedded Redis. Its methods may be called in any order and from any goroutine, also after Close.
//
// We listen ourselves and hand each connection to miniredis, which never ends before Close: so what it stores and the
// time it has counted survive a Stop, and Pause can hold back bytes in both directions. Its own way to intervene, a hook
// before each command, would also hold up scripts half-way, with its database locked.
type Redis struct {
	addr        string
	releasePort func()
	report      func(error) // hears of a failed Restart; set before the first use
	memory      *miniredis.Miniredis
	server      *server.Server // the part of memory that speaks the protocol

	restartLimit time.Duration // how long Restart tries to get its port back, should a foreign program hold it

	mu        sync.Mutex     // guards what follows; held through a whole Stop, Restart, Pause, Resume or Close
	listener  net.Listener   // nil while stopped
	accepting sync.WaitGroup // the goroutine that accepts
	closed    bool

	traffic traffic

	replicas atomic.Int64 // how many acknowledge
}

// Start starts an embedded Redis on a loopback port. It is for programs; tests use Run. Close ends it.
func Start() (*Redis, error) {
	number, release, err := port.Take()
	if err != nil {
		return nil, fmt.Errorf("mutextest: %w", err)
	}
	r := &Redis{
		addr:        net.JoinHostPort("127.0.0.1", strconv.Itoa(number)),
		releasePort: release,
		report:      func(error) {},
		memory:      miniredis.NewMiniRedis(),

		restartLimit: 5 * time.Second,
	}
	// The first Dial starts a miniredis that doesn't listen.
	conn, err := r.memory.Dial()
	if err != nil {
		release()
		return nil, fmt.Errorf("mutextest: %w", err)
	}
	conn.Close()
	r.server = r.memory.Server()
	r.acknowledgeAll()
	r.memory.ClockTTL(true)
	r.bear(time.UnixMilli(0))
	if err := r.listen(); err != nil {
		r.memory.Close()
		release()
		return nil, fmt.Errorf("mutextest: %w", err)
	}
	return r, nil
}

// Addr is the host:port of the Redis. It stays the same over Stop and Restart.
func (r *Redis) Addr() string { return r.addr }

// URL is the address as redis://host:port.
func (r *Redis) URL() string { return "redis://" + r.addr }

// Stop ends the Redis as a crash would: open connections break, new ones are refused. Restart brings it back.
func (r *Redis) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
}

// Restart stops the Redis if it still runs or hangs, and starts it again with the keys that it had, as one with
// persistence would: what time passed meanwhile counts against their expirations. From then on it is in quarantine for
// mutexes with a restart guard, which do not rely on the keys to be all there.
//
// The error says that the Redis is closed or that another program took its port meanwhile; under Run that fails the test
// too, so that the error may be ignored there.
func (r *Redis) Restart() error { return r.restart(false) }

// RestartEmpty is Restart without the keys, as of a Redis without persistence. Its quarantine begins when it is first asked
// for a lock that has a restart guard.
func (r *Redis) RestartEmpty() error { return r.restart(true) }

// Pause makes the Redis hang: connections stay open and are accepted, but nothing is answered. What is sent to it
// meanwhile is executed after Resume, even if its sender has long gone. A stopped Redis can't hang.
func (r *Redis) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		r.traffic.pause()
	}
}

// Resume ends a Pause.
func (r *Redis) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traffic.resume()
}

// Close ends the Redis for good.
func (r *Redis) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.stop()
	r.memory.Close()
	r.releasePort()
}

// Expire ends key now, as if its expiration had passed. False: there is no such key. A holder that renews its lock sets the
// key again, unless somebody else is faster.
func (r *Redis) Expire(key string) bool { return r.memory.Del(key) }

// Holder returns the owner value of the lock that is held at key. False: nobody holds it.
func (r *Redis) Holder(key string) (owner string, held bool) {
	owner, err := r.memory.Get(key)
	return owner, err == nil
}

// Keys returns the keys that are stored, sorted: those of the locks that are held. What else is stored for fencing and the
// restart guard is left out.
func (r *Redis) Keys() []string {
	return slices.DeleteFunc(r.memory.Keys(), func(key string) bool { return key == birthKey || r.counts(key) })
}

// counts tells whether a key is that of a fencing counter.
func (r *Redis) counts(key string) bool {
	if !strings.HasSuffix(key, ":fence") {
		return false
	}
	text, err := r.memory.Get(key)
	if err != nil {
		return false
	}
	_, err = strconv.ParseInt(text, 10, 64)
	return err == nil
}

// birthKey is where a node notes, for the restart guard, when its data began, in milliseconds since 1970.
const birthKey = "mutexgen:birth"

// bear has the data begin at a time. A real server also tells its uptime, by which a restart is seen that lost nothing;
// miniredis doesn't, so that the birth must do.
func (r *Redis) bear(at time.Time) {
	_ = r.memory.Set(birthKey, strconv.FormatInt(at.UnixMilli(), 10)) // fails only if it holds something else
}

func (r *Redis) restart(empty bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed // not reported: the test may be over
	}
	r.stop()
	if empty {
		r.memory.FlushAll()
	} else {
		r.bear(time.Now())
	}
	for deadline := time.Now().Add(r.restartLimit); ; time.Sleep(5 * time.Millisecond) {
		err := r.listen()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("mutextest: Restart: %w", err)
			r.report(err)
			return err
		}
	}
}

func (r *Redis) listen() error {
	listener, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.listener = listener
	r.accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.server.ServeConn(r.traffic.add(conn))
		}
	})
	return nil
}

// stop returns when no connection is left and no command runs any more.
func (r *Redis) stop() {
	if r.listener == nil {
		return
	}
	r.listener.Close()
	r.listener = nil
	r.accepting.Wait()
	r.traffic.end()
	// miniredis ends its side on its own. A client in a blocking command (BLPOP) leaves only when some other command was
	// executed: we take one that fits, for a Redis that stops forgets its scripts.
	for peer := server.NewPeer(bufio.NewWriter(io.Discard)); ; time.Sleep(100 * time.Microsecond) {
		r.server.Dispatch(peer, []string{"SCRIPT", "FLUSH"})
		if r.server.ClientsLen() == 0 {
			return
		}
	}
}
