package fleet

import (
	"io"
	"net"
	"sync"
	"testing"
)

// front passes connections on until it is told to abandon them: then the server sees them closed, and the client does not.
// Theirs stay open, take what is sent and never answer, as after a server that lost its power, or a router that forgot the
// connection.
//
// It is a stage of its own before redistest.Proxy, which knows connections that are mute but none that are half-open.
type front struct {
	listener net.Listener
	target   string
	all      sync.WaitGroup // every goroutine of the front

	mu     sync.Mutex // guards what follows
	live   map[*pair]struct{}
	closed bool
}

// pair is a client's connection, and ours to the target for it; abandoned says that the latter is closed.
type pair struct {
	client, target net.Conn
	abandoned      bool // guarded by the front's mu
}

// newFront opens a front to target on a free loopback port. It ends with the test.
func newFront(t testing.TB, target string) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, target: target, live: make(map[*pair]struct{})}
	f.all.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *front) url() string { return "redis://" + f.listener.Addr().String() }

// abandon makes every open connection half-open. New ones work.
func (f *front) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.live {
		p.abandoned = true
		p.target.Close()
	}
}

func (f *front) close() {
	f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for p := range f.live {
		p.client.Close()
		p.target.Close()
	}
	f.mu.Unlock()
	f.all.Wait()
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.all.Go(func() { f.serve(client) })
	}
}

func (f *front) serve(client net.Conn) {
	defer client.Close()
	target, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer target.Close()
	p := &pair{client: client, target: target}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.live[p] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.live, p)
		f.mu.Unlock()
	}()

	var answers sync.WaitGroup
	answers.Go(func() {
		_, err := io.Copy(client, target)
		if f.abandonedOf(p) {
			return
		}
		end(client, err)
	})
	_, err = io.Copy(target, client)
	if f.abandonedOf(p) {
		_, _ = io.Copy(io.Discard, client) // until the client closes it, or we do
	} else {
		end(target, err)
	}
	answers.Wait()
}

func (f *front) abandonedOf(p *pair) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return p.abandoned
}

// end passes on how the other side ended: by closing, or by a reset.
func end(conn net.Conn, err error) {
	if tcp, ok := conn.(*net.TCPConn); ok && err != nil {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
