package mutex_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// stranger listens on a port that one would expect a Redis on, and does to each connection as told. It ends with the test.
func stranger(t *testing.T, serve func(conn net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards open and closed
	open := make(map[net.Conn]bool)
	closed := false
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			if closed {
				conn.Close()
			}
			mu.Unlock()
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		closed = true
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// answering sends the same bytes for every read, however senseless.
func answering(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		buffer := make([]byte, 4096)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			if _, err := conn.Write([]byte(answer)); err != nil {
				return
			}
		}
	}
}

// quiet takes the complaints of servers that are treated badly on purpose.
var quiet = log.New(io.Discard, "", 0)

func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func TestPortsThatAreNotRedis(t *testing.T) {
	t.Parallel()
	huge := func(start string) string { return start + "9223372036854775807\r\n" }
	for _, test := range []struct {
		name   string
		scheme string
		listen func(t *testing.T) string
	}{
		{"nobody listens", "redis", func(t *testing.T) string { return "127.0.0.1:1" }},
		{"no such host", "redis", func(t *testing.T) string { return "no-such-host.invalid:6379" }},
		{"web server", "redis", func(t *testing.T) string {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			return server.Listener.Addr().String()
		}},
		{"web server with TLS", "redis", func(t *testing.T) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = quiet
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.Listener.Addr().String()
		}},
		{"web server, and we expect TLS", "rediss", func(t *testing.T) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = quiet
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.Listener.Addr().String() // whose certificate we don't trust
		}},
		{"Redis, and we expect TLS", "rediss", func(t *testing.T) string { return redistest.Start(t).Addr() }},
		{"silence, and we expect TLS", "rediss", func(t *testing.T) string { return stranger(t, silent) }},
		{"closes at once", "redis", func(t *testing.T) string { return stranger(t, func(net.Conn) {}) }},
		{"resets at once", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) })
		}},
		{"closes after the first bytes", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })
		}},
		{"never answers", "redis", func(t *testing.T) string { return stranger(t, silent) }},
		{"never reads", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) { time.Sleep(time.Second) })
		}},
		{"drips", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) {
				for {
					time.Sleep(20 * time.Millisecond)
					if _, err := conn.Write([]byte("+")); err != nil {
						return
					}
				}
			})
		}},
		{"says OK without end", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) {
				for {
					if _, err := conn.Write([]byte("+OK\r\n")); err != nil {
						return
					}
				}
			})
		}},
		{"a long line without end", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) {
				_, _ = conn.Write([]byte(strings.Repeat("x", 4<<20)))
				silent(conn)
			})
		}},
		{"greets like a mail server", "redis", func(t *testing.T) string {
			return stranger(t, func(conn net.Conn) {
				_, _ = conn.Write([]byte("220 mail ESMTP\r\n"))
				silent(conn)
			})
		}},
		{"binary garbage", "redis", func(t *testing.T) string { return stranger(t, answering("\x00\xff\x15\x03\x01\r\n\x00")) }},
		{"empty lines", "redis", func(t *testing.T) string { return stranger(t, answering("\r\n\r\n\r\n\r\n\r\n")) }},
		{"numbers", "redis", func(t *testing.T) string { return stranger(t, answering(":1\r\n")) }},
		{"nil", "redis", func(t *testing.T) string { return stranger(t, answering("$-1\r\n")) }},
		{"RESP3 nil", "redis", func(t *testing.T) string { return stranger(t, answering("_\r\n")) }},
		{"empty string", "redis", func(t *testing.T) string { return stranger(t, answering("$0\r\n\r\n")) }},
		{"empty map", "redis", func(t *testing.T) string { return stranger(t, answering("%0\r\n")) }},
		{"map with an array for a key", "redis", func(t *testing.T) string { return stranger(t, answering("%1\r\n*0\r\n+x\r\n")) }},
		{"push messages only", "redis", func(t *testing.T) string { return stranger(t, answering(">2\r\n+message\r\n+x\r\n")) }},
		{"an error without text", "redis", func(t *testing.T) string { return stranger(t, answering("-\r\n")) }},
		{"errors of its own", "redis", func(t *testing.T) string { return stranger(t, answering("-\x1b[31mRAGE\tx\r\n")) }},
		{"a string of impossible length", "redis", func(t *testing.T) string { return stranger(t, answering(huge("$"))) }},
		{"an array of impossible length", "redis", func(t *testing.T) string { return stranger(t, answering(huge("*"))) }},
		{"a map of impossible length", "redis", func(t *testing.T) string { return stranger(t, answering(huge("%"))) }},
		{"a push message of impossible length", "redis", func(t *testing.T) string { return stranger(t, answering(huge(">"))) }},
		{"negative length", "redis", func(t *testing.T) string { return stranger(t, answering("$-7\r\n")) }},
		{"length that is no number", "redis", func(t *testing.T) string { return stranger(t, answering("$x\r\n")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantStranger(t, test.scheme, test.listen(t))
		})
	}
}

// wantStranger checks that whoever is at an address is reported, within the budget, and nothing of the credentials is.
func wantStranger(t *testing.T, scheme, address string) {
	t.Helper()
	var n notes
	d := hasty(on(scheme + "://user:Qqpwz%2FXx%40vj@" + address))
	set := open(t, d, mutex.WithLogger(n.logger(slog.LevelInfo)), mutex.WithTrace(n.trace()))
	m := at(set, "k")
	for range 3 {
		start := time.Now()
		lock, err := m.AcquireLock(t.Context())
		took(t, start, nodeTimeout)
		if lock != nil || !errors.Is(err, mutex.ErrNoQuorum) && !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Fatalf("acquire: %v, %v", lock, err)
		}
		wantText(t, err, "acquire Counter", address+": ")
		if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("error %q holds control characters", err)
		}
		wantNoSecret(t, err.Error())
	}
	start := time.Now()
	if exists, err := m.ExistsLock(t.Context()); exists {
		t.Errorf("exists %v, %v", exists, err)
	}
	took(t, start, nodeTimeout)
	start = time.Now()
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	took(t, start, 2*nodeTimeout)
	wantNoSecret(t, n.text())
}

// Two strangers among five nodes are outvoted like any minority.
func TestMinorityOfStrangersIsOutvoted(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	nodes := append(urls(servers), "redis://"+stranger(t, silent), "redis://"+stranger(t, answering("+OK\r\n")))
	set := open(t, hasty(on(nodes...)))
	for range 20 {
		lock := acquire(t, at(set, "k"))
		_, err := at(set, "k").AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		release(t, lock)
	}
	if err := at(set, "k").Synchronize(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
	wantNoKeys(t, servers...)
}
