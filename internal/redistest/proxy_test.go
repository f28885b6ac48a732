package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// short is how long a test waits to see that nothing comes.
const short = 20 * time.Millisecond

// client is one connection of a test to a proxy.
type client struct {
	net.Conn
	t      testing.TB
	reader *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{Conn: conn, t: t, reader: bufio.NewReader(conn)}
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive(within time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	line, err := c.reader.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err
}

func (c *client) wants(want string) {
	c.t.Helper()
	if got, err := c.receive(lookLimit); got != want || err != nil {
		c.t.Fatalf("answer %q, %v; want %q", got, err, want)
	}
}

func (c *client) wantsSilence() {
	c.t.Helper()
	if got, err := c.receive(short); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("answer %q, %v; want none, on an open connection", got, err)
	}
}

func (c *client) wantsClosed() {
	c.t.Helper()
	if got, err := c.receive(lookLimit); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("answer %q, %v; want a closed connection", got, err)
	}
}

// wantsNoConnection dials an address where connections are closed at once, which the dial itself may notice already.
func wantsNoConnection(t testing.TB, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(lookLimit))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that should be closed: %v", err)
	}
}

// eventually waits until the server holds value at key: nobody tells when a request without answer was executed.
func eventually(t testing.TB, s *Server, key, value string) {
	t.Helper()
	for deadline := time.Now().Add(lookLimit); s.Get(key) != value; time.Sleep(pollPause) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %q, want %q", key, s.Get(key), value)
		}
	}
}

func TestProxyPassesOn(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	if p.URL() != "redis://"+p.Addr() || p.Addr() == s.Addr() {
		t.Errorf("proxy %s %s of %s", p.URL(), p.Addr(), s.Addr())
	}
	big := strings.Repeat("x", 1<<20)
	replies, err := ask(p.Addr(), "", lookLimit, []string{"SET", "key", big}, []string{"GET", "key"})
	if err != nil || replies[1].text != big {
		t.Errorf("a value of 1 MiB came back with %d bytes, %v", len(replies[1].text), err)
	}
}

func TestDroppedAnswersLeaveTheirRequestsExecuted(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")

	p.DropAnswers(true)
	c.send("SET key value")
	eventually(t, s, "key", "value")
	c.wantsSilence()

	p.DropAnswers(false)
	c.send("PING")
	c.wantsSilence() // or it would be read as the answer to SET
	c = dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}

func TestDroppedRequestsAreNeverExecuted(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := dial(t, p.Addr())
	p.DropRequests(true)
	c.send("SET key value")
	c.wantsSilence()
	p.DropRequests(false)
	c.send("SET key value")
	c.wantsSilence()
	if got := s.Get("key"); got != "" {
		t.Errorf("a dropped request was executed: %q", got)
	}
	c = dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}

func TestRefuseClosesNewConnectionsAndKeepsOpenOnes(t *testing.T) {
	p := NewProxy(t, Start(t).Addr())
	old := dial(t, p.Addr())
	old.send("PING")
	old.wants("+PONG")
	p.Refuse(true)
	wantsNoConnection(t, p.Addr())
	old.send("PING")
	old.wants("+PONG")
	p.Refuse(false)
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}

func TestCloseAllResetsOpenConnections(t *testing.T) {
	p := NewProxy(t, Start(t).Addr())
	clients := []*client{dial(t, p.Addr()), dial(t, p.Addr())}
	for _, c := range clients {
		c.send("PING")
		c.wants("+PONG")
	}
	p.CloseAll()
	for _, c := range clients {
		if _, err := c.receive(lookLimit); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after CloseAll: %v, want a reset", err)
		}
	}
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}

func TestDelayHoldsBackEachWayButNotTheBandwidth(t *testing.T) {
	const delay = 30 * time.Millisecond
	p := NewProxy(t, Start(t).Addr())
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
	p.Delay(delay)
	start := time.Now()
	for range 10 { // one after the other, ten delays each way
		c.send("PING")
		time.Sleep(2 * time.Millisecond)
	}
	c.wants("+PONG")
	if took := time.Since(start); took < 2*delay {
		t.Errorf("the first answer came after %v, want at least %v", took, 2*delay)
	}
	for range 9 {
		c.wants("+PONG")
	}
	if took := time.Since(start); took > 10*delay {
		t.Errorf("ten requests took %v: they waited for one another", took)
	}
	p.Delay(0)
	start = time.Now()
	c.send("PING")
	c.wants("+PONG")
	if took := time.Since(start); took > 2*delay {
		t.Errorf("without delay an answer took %v", took)
	}
}

func TestHangStopsBothWaysAndDeliversAfterwards(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")

	p.Hang(true)
	p.Hang(true)
	c.send("SET key value")
	c.wantsSilence()
	fresh := dial(t, p.Addr())
	fresh.send("PING")
	fresh.wantsSilence()
	gone := dial(t, p.Addr())
	gone.send("SET other late")
	gone.Close()
	if keys := s.Keys(); len(keys) != 0 {
		t.Errorf("requests passed a hung proxy: %q", keys)
	}

	p.Hang(false)
	p.Hang(false)
	c.wants("+OK")
	fresh.wants("+PONG")
	eventually(t, s, "key", "value")
	eventually(t, s, "other", "late")
}

func TestHungProxyDoesNotTellOfADeath(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
	p.Hang(true)
	s.Kill()
	c.wantsSilence()
	p.Hang(false)
	c.wantsClosed()
}

func TestProxyOfADeadServerClosesConnections(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
	s.Kill()
	c.wantsClosed()
	wantsNoConnection(t, p.Addr())
	s.Restart()
	c = dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}

func TestProxyLeavesNothingBehind(t *testing.T) {
	s := Start(t)
	before := goleak.IgnoreCurrent()
	for _, fault := range []func(p *Proxy){
		func(*Proxy) {},
		func(p *Proxy) { p.Hang(true) },
		func(p *Proxy) { p.Delay(time.Hour) },
		func(p *Proxy) { p.DropAnswers(true); p.DropRequests(true) },
		func(p *Proxy) { p.Refuse(true) },
		func(p *Proxy) { p.CloseAll() },
	} {
		t.Run("", func(t *testing.T) {
			p := NewProxy(t, s.Addr())
			for range 3 {
				c := dial(t, p.Addr())
				c.send("PING")
			}
			fault(p)
			for range 3 {
				conn, err := net.Dial("tcp", p.Addr())
				if err == nil {
					_, _ = io.WriteString(conn, "PING\r\n")
					conn.Close()
				}
			}
		})
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	}
}

func TestSwitchesMayBeThrownWhileTrafficRuns(t *testing.T) {
	s := Start(t)
	p := NewProxy(t, s.Addr())
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	for range 4 {
		traffic.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = ask(p.Addr(), "", short, []string{"PING"})
				}
			}
		})
	}
	var switches sync.WaitGroup
	for _, throw := range []func(bool){
		p.DropAnswers, p.DropRequests, p.Refuse, p.Hang,
		func(bool) { p.CloseAll() },
		func(on bool) { p.Delay(map[bool]time.Duration{true: time.Millisecond}[on]) },
	} {
		switches.Go(func() {
			for range 25 {
				throw(true)
				time.Sleep(time.Millisecond)
				throw(false)
				time.Sleep(time.Millisecond)
			}
		})
	}
	switches.Wait()
	close(stop)
	traffic.Wait()
	c := dial(t, p.Addr())
	c.send("PING")
	c.wants("+PONG")
}
