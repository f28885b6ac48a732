package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// dialer wraps the dialer of the options so that a failed dial looks to go-redis like a connection whose first write
// fails. Otherwise its pool would go into a mode of its own after a few failures, in which it re-dials once a second
// from a goroutine that outlives Close, and logs each failure to the program's standard error: what to do about a node
// that is down is the lane's business. It also makes certain which questions were never sent.
//
// A dial ends with life: go-redis dials in goroutines that nobody waits for, with a context of their own.
func dialer(life context.Context, options *redis.Options) func(context.Context, string, string) (net.Conn, error) {
	dial := plainDialer(options)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return failedConn{&dialError{err}}, nil
		}
		return newLiveConn(conn), nil
	}
}

// plainDialer is the application's own dialer, or go-redis's, or with TLS one of ours.
func plainDialer(options *redis.Options) func(context.Context, string, string) (net.Conn, error) {
	switch {
	case options.Dialer != nil:
		return options.Dialer
	case options.TLSConfig != nil:
		return dialTLS(options.TLSConfig, options.DialTimeout)
	}
	return redis.NewDialer(options)
}

// quietly is a dialer whose failures go-redis doesn't log: see dialer.
func quietly(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return failedConn{&dialError{err}}, nil
		}
		return conn, nil
	}
}

// dialError is the error of a connection that was never made.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (e *dialError) timeout() bool {
	var timeout net.Error
	return errors.Is(e.err, context.DeadlineExceeded) || errors.As(e.err, &timeout) && timeout.Timeout()
}

// failedConn is the connection that a failed dial left: every use of it returns the dial's error.
type failedConn struct{ err *dialError }

func (c failedConn) Read([]byte) (int, error)         { return 0, c.err }
func (c failedConn) Write([]byte) (int, error)        { return 0, c.err }
func (c failedConn) Close() error                     { return nil }
func (c failedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c failedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c failedConn) SetDeadline(time.Time) error      { return nil }
func (c failedConn) SetReadDeadline(time.Time) error  { return nil }
func (c failedConn) SetWriteDeadline(time.Time) error { return nil }

// trusted is how long after its last answer a connection is taken to be alive without a look at it.
const trusted = 2 * time.Millisecond

// liveConn is a connection that looks, before it sends after a pause, whether the server has closed it meanwhile, as
// servers do that restart. What would have been sent then was not, for certain, and can go through a new connection.
// go-redis looks too, but each time it takes a connection from its pool, which costs a system call and three allocations;
// it doesn't look into a connection that, like this one, hides its socket.
type liveConn struct {
	net.Conn
	socket syscall.RawConn // nil if there is none
	// answered is when something was read last, in nanoseconds of the wall clock; zero if something was written since.
	answered atomic.Int64
	// cut says that the connection was cut off; it is of no more use.
	cut atomic.Bool
	// left says that nothing more is to be sent: see leave.
	left atomic.Bool
	// solicited says that nothing comes but what was asked for, as is so without subscriptions.
	solicited atomic.Bool
	// encrypted says that what the socket carries is TLS.
	encrypted bool
	// heard says that something was read.
	heard atomic.Bool
	// ended, if not nil, is called when the connection is closed.
	ended func()
}

func newLiveConn(conn net.Conn) net.Conn {
	c := &liveConn{Conn: conn}
	c.answered.Store(time.Now().UnixNano())
	under := conn
	if wrapper, ok := under.(interface{ NetConn() net.Conn }); ok { // TLS
		under, c.encrypted = wrapper.NetConn(), true
	}
	if s, ok := under.(syscall.Conn); ok {
		c.socket, _ = s.SyscallConn()
	}
	return c
}

func (c *liveConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case err == nil && c.heard.Load():
		c.answered.Store(time.Now().UnixNano())
	case err == nil:
		if isAlert(p[:n]) && !c.encrypted {
			return 0, kept(&unwelcomeError{errWantsTLS})
		}
		c.answered.Store(time.Now().UnixNano())
		c.heard.Store(true)
	case !c.heard.Load() && isHangUp(err):
		err = kept(&unwelcomeError{err})
	}
	return n, err
}

func (c *liveConn) Write(p []byte) (int, error) {
	// Only before the first write of a batch: a large one takes several, and once some of it was sent, it must not be said
	// that nothing was.
	last := c.answered.Swap(0)
	// Behind a TLS handshake there come session tickets, which the first answer's reader takes in with it.
	wordless := c.encrypted && c.solicited.Load() && c.heard.Load()
	if last != 0 && (c.left.Load() ||
		c.socket != nil && time.Now().UnixNano()-last > int64(trusted) && hungUp(c.socket, wordless)) {
		return 0, &staleError{}
	}
	n, err := c.Conn.Write(p)
	if err != nil && !c.heard.Load() && isHangUp(err) {
		err = c.farewell(err)
	}
	return n, err
}

// farewell is why the server hung up before it answered anything. One that takes offence at the client's certificate says so
// when the client has already begun to send.
func (c *liveConn) farewell(err error) error {
	if c.encrypted {
		var word [1]byte
		c.Conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // what it said is here, or lost
		if _, why := c.Conn.Read(word[:]); why != nil {
			err = why
		}
	}
	return kept(&unwelcomeError{err})
}

// leave has the connection carry nothing more. What is sent next was not, for certain, and can go elsewhere; what waits for
// an answer, or for messages, waits no longer.
func (c *liveConn) leave() {
	c.left.Store(true)
	// In this order: Write looks at the two the other way round, so that one of us sees what the other did.
	if c.answered.Load() == 0 || !c.solicited.Load() {
		c.cutOff()
	}
}

func (c *liveConn) Close() error {
	if c.ended != nil {
		c.ended()
	}
	return c.Conn.Close()
}

// cutOff ends reads and writes under way, and all that come.
func (c *liveConn) cutOff() {
	c.cut.Store(true)
	c.Conn.SetDeadline(time.Unix(1, 0))
}

func (c *liveConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(c.Conn.SetReadDeadline, t)
}

func (c *liveConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(c.Conn.SetWriteDeadline, t)
}

func (c *liveConn) setDeadline(set func(time.Time) error, t time.Time) error {
	err := set(t)
	if c.cut.Load() { // perhaps before the new deadline took the place of the one that is past
		return os.ErrDeadlineExceeded
	}
	return err
}

// staleError is the error of a write that was not made, on a connection that the server had closed.
type staleError struct{}

func (*staleError) Error() string { return "the server closed the connection" }

// Unwrap is what reading would have told.
func (*staleError) Unwrap() error { return io.EOF }
