package redistest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy passes TCP connections on to a server, until a switch is thrown. Its switches may be used while traffic runs,
// from any goroutine; they affect what the proxy has not passed on yet.
type Proxy struct {
	listener net.Listener
	target   string

	dropAnswers  atomic.Bool
	dropRequests atomic.Bool
	refuse       atomic.Bool
	delay        atomic.Int64 // nanoseconds

	links sync.WaitGroup // every goroutine of the proxy

	mu     sync.Mutex         // guards what follows
	gate   chan struct{}      // not nil while hung; closed when that ends
	live   map[*link]struct{} // connections to close
	closed bool               // no new link
}

// NewProxy opens a proxy to target (host:port) on a free loopback port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("redistest: proxy: %v", err)
	}
	p := &Proxy{listener: listener, target: target, live: make(map[*link]struct{})}
	p.links.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is the proxy's address as redis://host:port.
func (p *Proxy) URL() string { return "redis://" + p.Addr() }

// DropAnswers makes answers vanish: requests reach the server. As TCP has no holes, a connection that lost an answer
// stays mute after the switch is back; new ones work.
func (p *Proxy) DropAnswers(on bool) { p.dropAnswers.Store(on) }

// DropRequests makes requests vanish. A connection that lost one delivers no more, as with DropAnswers.
func (p *Proxy) DropRequests(on bool) { p.dropRequests.Store(on) }

// Refuse closes new connections at once. Those that are open stay.
func (p *Proxy) Refuse(on bool) { p.refuse.Store(on) }

// Delay holds back whatever is sent, for d each way; bandwidth is not affected. Zero ends it for what comes from then on.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Hang stops all traffic, both ways: connections stay open and new ones are accepted, but nothing moves. When it ends,
// what was sent meanwhile is delivered, even if its sender has closed the connection.
func (p *Proxy) Hang(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.gate == nil:
		p.gate = make(chan struct{})
	case !on && p.gate != nil:
		close(p.gate)
		p.gate = nil
	}
}

// CloseAll resets all open connections (RST), on both sides. New ones work.
func (p *Proxy) CloseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.live {
		l.close(reset)
	}
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.CloseAll()
	p.links.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuse.Load() {
			_ = reset(client)
			continue
		}
		p.links.Go(func() { p.serve(client) })
	}
}

// serve passes one connection on, until either side ends it.
func (p *Proxy) serve(client net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{client: client, ctx: ctx, cancel: cancel}
	defer l.close(reset)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.live[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.live, l)
		p.mu.Unlock()
	}()

	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
	if err != nil || !l.setServer(server) {
		return
	}
	var directions sync.WaitGroup
	directions.Go(func() { p.pass(l, client, server, &p.dropRequests) })
	directions.Go(func() { p.pass(l, server, client, &p.dropAnswers) })
	directions.Wait()
}

// chunk is what one read brought, and when it may be passed on.
type chunk struct {
	content []byte
	due     time.Time
}

// pass moves bytes one way. Reading and writing are apart, so that a delay holds each chunk back for its own time.
func (p *Proxy) pass(l *link, from, to net.Conn, drop *atomic.Bool) {
	chunks := make(chan chunk, 64)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(chunks)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				due := time.Now().Add(time.Duration(p.delay.Load()))
				select {
				case chunks <- chunk{append([]byte(nil), buffer[:n]...), due}:
				case <-l.ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	defer reading.Wait()
	defer l.close(net.Conn.Close) // also ends the reading
	lost := false
	for c := range chunks {
		if !l.sleep(time.Until(c.due)) || !p.passGate(l) {
			return
		}
		if lost = lost || drop.Load(); lost {
			continue
		}
		if _, err := to.Write(c.content); err != nil {
			return
		}
	}
	// The sender has closed: a hung proxy doesn't tell the other side yet.
	p.passGate(l)
}

// passGate waits while the proxy hangs. False: the link is closed.
func (p *Proxy) passGate(l *link) bool {
	for {
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		if gate == nil {
			return true
		}
		select {
		case <-gate:
		case <-l.ctx.Done():
			return false
		}
	}
}

// link is a connection of a client and ours to the server for it.
type link struct {
	client net.Conn
	ctx    context.Context // of the connection: ends with close
	cancel context.CancelFunc

	mu     sync.Mutex // guards what follows
	server net.Conn   // nil until dialled
	closed bool
}

// setServer hands the link its second connection. False: the link was closed meanwhile, and so is the connection.
func (l *link) setServer(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = reset(server)
		return false
	}
	l.server = server
	return true
}

// sleep waits for d. False: the link was closed.
func (l *link) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// close ends both connections, each by the given function.
func (l *link) close(end func(net.Conn) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.cancel()
	_ = end(l.client)
	if l.server != nil {
		_ = end(l.server)
	}
}

// reset closes a connection with RST instead of FIN: the peer's next read fails, instead of meeting the stream's end.
func reset(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return conn.Close()
}
