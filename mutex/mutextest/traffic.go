package mutextest

import (
	"net"
	"sync"
)

// traffic is all connections of one Redis, and whether anything moves on them.
type traffic struct {
	writing sync.WaitGroup // the goroutines that write answers

	mu   sync.Mutex // guards what follows
	gate chan struct{}
	live map[*conn]struct{}
}

func (t *traffic) pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gate == nil {
		t.gate = make(chan struct{})
	}
}

func (t *traffic) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gate != nil {
		close(t.gate)
		t.gate = nil
	}
}

// pass waits while the traffic is paused. False: the connection was broken.
func (t *traffic) pass(c *conn) bool {
	for {
		t.mu.Lock()
		gate := t.gate
		t.mu.Unlock()
		if gate == nil {
			return !c.isBroken()
		}
		select {
		case <-gate:
		case <-c.broken:
			return false
		}
	}
}

func (t *traffic) add(socket net.Conn) net.Conn {
	c := &conn{Conn: socket, traffic: t, broken: make(chan struct{}), ready: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.live = make(map[*conn]struct{})
	}
	t.live[c] = struct{}{}
	t.writing.Go(c.write)
	return c
}

func (t *traffic) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
}

// end breaks all connections and the pause. The caller sees to it that none is added meanwhile.
func (t *traffic) end() {
	t.mu.Lock()
	for c := range t.live {
		c.breakOff()
	}
	t.mu.Unlock()
	t.writing.Wait()
	t.resume()
}

// conn is a client's connection as miniredis sees it. Requests wait in Read while the traffic is paused. Answers are
// queued instead, because miniredis may write them with its database locked (messages to subscribers): nobody could look
// at what a paused Redis stores.
type conn struct {
	net.Conn
	traffic *traffic
	broken  chan struct{} // closed by breakOff
	once    sync.Once     // of breakOff

	mu     sync.Mutex // guards what follows
	queue  []byte     // answers not written yet
	closed bool       // by miniredis: no further answers
	ready  chan struct{}
}

func (c *conn) Read(buffer []byte) (int, error) {
	n, err := c.Conn.Read(buffer)
	if !c.traffic.pass(c) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *conn) Write(answer []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.isBroken() {
		return 0, net.ErrClosed
	}
	c.queue = append(c.queue, answer...)
	c.wake()
	return len(answer), nil
}

// Close ends the connection after the answers in the queue.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
	return nil
}

func (c *conn) wake() {
	select {
	case c.ready <- struct{}{}:
	default: // it is awake
	}
}

// write writes answers until the connection ends.
func (c *conn) write() {
	defer c.traffic.remove(c)
	defer c.breakOff()
	for {
		select {
		case <-c.ready:
		case <-c.broken:
			return
		}
		if !c.traffic.pass(c) {
			return
		}
		c.mu.Lock()
		answers, last := c.queue, c.closed
		c.queue = nil
		c.mu.Unlock()
		if len(answers) > 0 {
			if _, err := c.Conn.Write(answers); err != nil {
				return
			}
		}
		if last {
			return
		}
	}
}

func (c *conn) breakOff() {
	c.once.Do(func() {
		close(c.broken)
		c.Conn.Close()
	})
}

func (c *conn) isBroken() bool {
	select {
	case <-c.broken:
		return true
	default:
		return false
	}
}
