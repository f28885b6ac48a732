package fleet

import (
	"bufio"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// client is a connection to a node, through its proxies.
type client struct {
	t       *testing.T
	conn    net.Conn
	answers *bufio.Reader
}

func connect(t *testing.T, n *Node) *client {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL(), "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, answers: bufio.NewReader(conn)}
}

// ask sends a command and returns the answer, or why there is none.
func (c *client) ask(command string) (string, error) {
	_ = c.conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := c.conn.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	line, err := c.answers.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c *client) wantAnswer(command, want string) {
	c.t.Helper()
	if answer, err := c.ask(command); err != nil || answer != want {
		c.t.Errorf("%s: %q, %v; want %q", command, answer, err, want)
	}
}

// fault is the one of that name.
func fault(t *testing.T, name string) *Fault {
	t.Helper()
	for _, f := range Faults(time.Second) {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no fault %q", name)
	return nil
}

// The faults that lose data do, the others don't, and whatever befell a node, it works when that has gone.
func TestNodeWorksAfterEachFaultAndForgetsOnlyWhatItMay(t *testing.T) {
	nodes := map[Persistence]*Node{Nothing: start(t, Nothing), Everysec: start(t, Everysec), Always: start(t, Always)}
	for _, f := range Faults(time.Second) {
		n := nodes[f.Needs]
		if f.Needs == "" {
			n = nodes[Nothing]
		}
		before := strings.Split(n.Server.CLI("INFO", "server"), "process_id:")[1]
		n.must("SET", "key", f.Name)
		f.Begin(n)
		f.End(n)
		n.Settle()
		connect(t, n).wantAnswer("SET other value", "+OK")
		kept := n.Server.Get("key") == f.Name
		if kept == f.Loses {
			t.Errorf("%s: kept what it had: %t", f.Name, kept)
		}
		restarted := strings.Split(n.Server.CLI("INFO", "server"), "process_id:")[1][:6] != before[:6]
		if restarted != f.Restarts {
			t.Errorf("%s: another process: %t", f.Name, restarted)
		}
	}
}

func TestPowerCutLosesTheLastSecondOnly(t *testing.T) {
	n := start(t, Everysec)
	n.must("SET", "old", "1")
	time.Sleep(1300 * time.Millisecond) // what is tested is time itself
	n.must("SET", "new", "1")
	f := fault(t, "kill -9, AOF everysec, its last second lost")
	f.Begin(n)
	f.End(n)
	if keys := strings.Join(n.Server.Keys(), " "); keys != "old" {
		t.Errorf("keys %q, want the old one only", keys)
	}
	// It has lived for less than a second now.
	n.must("SET", "newer", "1")
	f.Begin(n)
	f.End(n)
	if n.Server.Get("newer") != "" {
		t.Error("what is younger than a second survived")
	}
}

func TestHalfOpenConnectionIsMuteForTheClientAndClosedForTheServer(t *testing.T) {
	n := start(t, Nothing)
	c := connect(t, n)
	c.wantAnswer("CLIENT SETNAME half", "+OK")
	fault(t, "connections half-open").Begin(n)
	for end := time.Now().Add(5 * time.Second); strings.Contains(n.Server.CLI("CLIENT", "LIST"), "name=half"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server has the connection still")
		}
	}
	for range 3 {
		if answer, err := c.ask("PING"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%q, %v; want no answer, and no end of the connection", answer, err)
		}
	}
	connect(t, n).wantAnswer("PING", "+PONG")
}

func TestFaultShows(t *testing.T) {
	n := start(t, Nothing)
	isDeadline := func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
	isEnd := func(err error) bool { return err != nil && !isDeadline(err) }
	for name, shows := range map[string]func(answer string, err error) bool{
		"SIGSTOP":                                func(_ string, err error) bool { return isDeadline(err) },
		"answers dropped":                        func(_ string, err error) bool { return isDeadline(err) },
		"one-way loss: requests dropped":         func(_ string, err error) bool { return isDeadline(err) },
		"nothing moves, everything arrives late": func(_ string, err error) bool { return isDeadline(err) },
		"latency of 100 ms each way":             func(_ string, err error) bool { return isDeadline(err) },
		"connections reset":                      func(_ string, err error) bool { return isEnd(err) },
		"CLIENT KILL":                            func(_ string, err error) bool { return isEnd(err) },
		"outage longer than the expiration":      func(_ string, err error) bool { return isEnd(err) },
		"maxmemory reached":                      func(answer string, err error) bool { return strings.HasPrefix(answer, "-OOM") && err == nil },
	} {
		c := connect(t, n)
		c.wantAnswer("PING", "+PONG")
		f := fault(t, name)
		f.Begin(n)
		if answer, err := c.ask("SET key value"); !shows(answer, err) {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
		f.End(n)
		n.Settle()
		connect(t, n).wantAnswer("PING", "+PONG")
	}
}
