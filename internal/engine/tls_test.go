package engine

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// A server without TLS waits for the end of what it takes for a command. That time ran out says the batch's clock, the
// dial's or the pool's, whichever is first; whoever asks hears the same.
func TestTLSHandshakeThatNobodyAnswersIsExplained(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	for _, timeout := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, handshakeTimeout} {
		e := New(Options{})
		t.Cleanup(func() { e.Close() })
		node := e.AddNode(NodeOptions{
			Redis: &redis.Options{Addr: listener.Addr().String(), TLSConfig: insecure()}, Timeout: timeout, PoolSize: 1,
			ReconnectionInterval: 10 * time.Millisecond,
		})
		m, err := e.NewMutex(Settings{Name: "Test", Expiration: time.Minute, NodeTimeout: timeout}, [][]*Node{{node}})
		if err != nil {
			t.Fatal(err)
		}
		for attempt := range 4 { // before the dial's end, and after it
			if _, err := m.Acquire(t.Context(), "k", AcquireOptions{}); err == nil || !strings.Contains(err.Error(), "does it speak TLS at this port?") {
				t.Errorf("node timeout %v, attempt %d: the error is %v; want a hint that names TLS", timeout, attempt, err)
			}
		}
	}
}

// A server with TLS 1.3 sends session tickets behind the handshake. They wait to be read when a new connection is used late.
func TestNewTLSConnectionThatIsUsedLateIsThere(t *testing.T) {
	server := redistest.StartTLS(t, redistest.NewAuthority(t))
	options := redis.Options{Addr: server.TLSAddr(), TLSConfig: insecure(), DialTimeout: 5 * time.Second}
	made, err := dialer(t.Context(), &options)(t.Context(), "tcp", server.TLSAddr())
	if err != nil {
		t.Fatal(err)
	}
	conn := made.(*liveConn)
	defer conn.Close()
	conn.solicited.Store(true)
	soonTrue(t, "the tickets are here", func() bool { return hungUp(conn.socket, true) })
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatalf("a new connection seems closed: %v", err)
	}
	if n, err := conn.Read(make([]byte, 64)); n == 0 || err != nil {
		t.Error(n, err)
	}
	time.Sleep(10 * trusted)
	if hungUp(conn.socket, true) {
		t.Error("something is left to be read behind the first answer")
	}
}
