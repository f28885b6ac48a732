package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// deafSentinels are n sentinels to whom nobody listens: the test says what they say.
func deafSentinels(n int) *sentinels {
	s := newSentinels(context.Background(), &Sentinel{Master: "m"}, &redis.Options{}, time.Second)
	s.moved = func(_, _ string) {}
	s.closed = true
	for i := range n {
		s.watched = append(s.watched, &sentinel{address: string(rune('a' + i)), doubted: make(chan struct{}, 1)})
	}
	return s
}

// says has a sentinel name a master, or fail with an empty address.
func (s *sentinels) says(i int, address string, epoch uint64) {
	if address == "" {
		s.hear(s.watched[i], nomination{}, nil, errSilent)
		return
	}
	s.hear(s.watched[i], nomination{address, epoch}, nil, nil)
}

func TestMasterIsTheOneOfTheLatestFailover(t *testing.T) {
	type word struct {
		sentinel int
		address  string
		epoch    uint64
	}
	for name, test := range map[string]struct {
		words []word
		want  string
	}{
		"all agree":                       {[]word{{0, "A", 1}, {1, "A", 1}, {2, "A", 1}}, "A"},
		"one tells of a failover":         {[]word{{0, "A", 1}, {1, "A", 1}, {2, "B", 2}}, "B"},
		"one doesn't know of it":          {[]word{{0, "A", 1}, {1, "B", 2}, {2, "B", 2}}, "B"},
		"one learns late of the first":    {[]word{{0, "A", 1}, {1, "C", 3}, {2, "C", 3}, {0, "B", 2}}, "C"},
		"two fail, one is old":            {[]word{{0, "A", 1}, {1, "B", 2}, {2, "B", 2}, {1, "", 0}, {2, "", 0}}, "B"},
		"and says so again":               {[]word{{0, "A", 1}, {1, "B", 2}, {2, "B", 2}, {1, "", 0}, {2, "", 0}, {0, "A", 1}}, "B"},
		"no epochs: most count":           {[]word{{0, "A", 0}, {1, "B", 0}, {2, "A", 0}}, "A"},
		"no epochs: the last to change":   {[]word{{0, "A", 0}, {1, "A", 0}, {1, "B", 0}}, "B"},
		"back to the first":               {[]word{{0, "A", 1}, {0, "B", 2}, {0, "A", 3}}, "A"},
		"given to another, epochs anew":   {[]word{{0, "A", 7}, {1, "A", 7}, {0, "B", 0}, {1, "B", 0}}, "B"},
		"one still has it under the name": {[]word{{0, "A", 7}, {1, "A", 7}, {0, "B", 0}}, "A"},
	} {
		s := deafSentinels(3)
		for _, w := range test.words {
			s.says(w.sentinel, w.address, w.epoch)
		}
		if s.master != test.want {
			t.Errorf("%s: the master is %q, want %q", name, s.master, test.want)
		}
	}
}

func TestSearchForTheMasterWaitsOnlyForThoseWhoMayKnowBetter(t *testing.T) {
	for name, test := range map[string]struct {
		say  func(s *sentinels)
		want time.Duration
	}{
		"most agree":         {func(s *sentinels) { s.says(0, "A", 1); s.says(1, "A", 1) }, 0},
		"all were heard":     {func(s *sentinels) { s.says(0, "A", 1); s.says(1, "B", 2); s.says(2, "", 0) }, 0},
		"one alone":          {func(s *sentinels) { s.says(0, "A", 1) }, grace},
		"two fail, one says": {func(s *sentinels) { s.says(0, "", 0); s.says(1, "", 0); s.says(2, "A", 1) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := deafSentinels(3)
				start := time.Now()
				test.say(s)
				if master, err := s.find(t.Context()); master == "" || err != nil {
					t.Errorf("found %q, %v", master, err)
				}
				if took := time.Since(start); took != test.want {
					t.Errorf("took %v, want %v", took, test.want)
				}
				s.says(0, "", 0)
				if _, err := s.find(t.Context()); err != nil {
					t.Errorf("once it is known, nobody is needed: %v", err)
				}
			})
		})
	}
}

func TestSearchForAMasterThatNobodyNamesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := deafSentinels(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.hear(s.watched[0], nomination{}, nil, redis.Nil)
		_, err := s.find(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a knows no master of that name, b has not answered yet") {
			t.Errorf("error is %v", err)
		}
		s.hear(s.watched[1], nomination{}, nil, errors.New("gone\n"))
		start := time.Now()
		_, err = s.find(t.Context())
		if err == nil || !strings.Contains(err.Error(), "b (gone )") || hint(err) == "" || time.Since(start) > 0 {
			t.Errorf("error is %v after %v", err, time.Since(start))
		}
	})
}

func TestConnectionsToTheOldMasterAreLeft(t *testing.T) {
	s := deafSentinels(1)
	s.says(0, "A", 1)
	idle, _ := connectedPair(t)
	busy, _ := connectedPair(t)
	late, _ := connectedPair(t)
	for _, conn := range []*liveConn{idle.(*liveConn), busy.(*liveConn), late.(*liveConn)} {
		conn.solicited.Store(true)
	}
	s.adopt(idle.(*liveConn), "A")
	s.adopt(busy.(*liveConn), "A")
	if _, err := busy.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := busy.Read(make([]byte, 1))
		answered <- err
	}()
	s.says(0, "B", 2)
	if err := <-answered; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who waits for an answer of the old master hears %v", err)
	}
	if _, err := idle.Write([]byte("question")); !isStale(err) {
		t.Errorf("who asks the old master hears %v", err)
	}
	s.adopt(late.(*liveConn), "A") // dialled before, and made only now
	if _, err := late.Write([]byte("question")); !isStale(err) {
		t.Errorf("who asks the old master on a new connection hears %v", err)
	}
	idle.Close()
	if len(s.conns) != 0 {
		t.Errorf("%d connections are remembered", len(s.conns))
	}
}

// With TLS a server says goodbye before it closes, so that there is something to read.
func TestFarewellIsNoAnswer(t *testing.T) {
	own := redistest.NewAuthority(t)
	server := redistest.StartTLS(t, own)
	options := redis.Options{Addr: server.TLSAddr(), TLSConfig: insecure(), DialTimeout: 5 * time.Second}
	for _, goodbye := range []bool{true, false} {
		made, err := dialer(t.Context(), &options)(t.Context(), "tcp", server.TLSAddr())
		if err != nil {
			t.Fatal(err)
		}
		conn := made.(*liveConn)
		defer conn.Close()
		conn.solicited.Store(true)
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 64)); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(10 * trusted)
		if hungUp(conn.socket, true) {
			t.Error("a connection that is there seems closed")
		}
		if goodbye {
			server.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		} else {
			server.Kill()
		}
		time.Sleep(10 * trusted)
		if _, err := conn.Write([]byte("PING\r\n")); !isStale(err) {
			t.Errorf("goodbye %v: error is %v; want that nothing was sent", goodbye, err)
		}
	}
}

func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
