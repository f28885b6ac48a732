package mutextest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// short is how long a test waits to see that nothing comes.
const short = 20 * time.Millisecond

// line is a connection that speaks for itself: what a client library does around a command would blur who waits for whom,
// and go-redis leaves a goroutine behind for a second when it can't connect.
type line struct {
	net.Conn
	reader *bufio.Reader
}

func open(t testing.TB, r *Redis) *line {
	t.Helper()
	l, err := dial(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(r *Redis) (*line, error) {
	conn, err := net.Dial("tcp", r.Addr())
	return &line{Conn: conn, reader: bufio.NewReader(conn)}, err
}

func (l *line) send(words ...string) {
	fmt.Fprintf(l, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(l, "$%d\r\n%s\r\n", len(word), word)
	}
}

func (l *line) receive(within time.Duration) (string, error) {
	_ = l.SetReadDeadline(time.Now().Add(within))
	answer, err := l.reader.ReadString('\n')
	return strings.TrimSuffix(answer, "\r\n"), err
}

func (l *line) wants(t testing.TB, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if got, err := l.receive(5 * time.Second); got != want || err != nil {
			t.Fatalf("answer %q, %v; want %q", got, err, want)
		}
	}
}

func (l *line) wantsSilence(t testing.TB) {
	t.Helper()
	if got, err := l.receive(short); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("answer %q, %v; want none, on an open connection", got, err)
	}
}

func (l *line) wantsBroken(t testing.TB) {
	t.Helper()
	if got, err := l.receive(5 * time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("answer %q, %v; want a broken connection", got, err)
	}
}

// lock sets a key as a mutex does and returns the time when the answer came.
func lock(t testing.TB, r *Redis, key string, expiration time.Duration) time.Time {
	t.Helper()
	l := open(t, r)
	l.send("SET", key, "owner", "NX", "PX", strconv.FormatInt(expiration.Milliseconds(), 10))
	l.wants(t, "+OK")
	return time.Now()
}

func wantAnswering(t testing.TB, r *Redis) {
	t.Helper()
	l := open(t, r)
	l.send("PING")
	l.wants(t, "+PONG")
}

func wantRefusing(t testing.TB, r *Redis) {
	t.Helper()
	if l, err := dial(r); err == nil {
		l.Close()
		t.Error("it accepts connections")
	}
}
