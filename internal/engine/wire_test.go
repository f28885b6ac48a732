package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// batchOf is a batch of questions about one lock, "k" of owner "o" unless it says otherwise.
func batchOf(questions ...*question) []*call {
	calls := make([]*call, len(questions))
	for i, q := range questions {
		calls[i] = &call{question: q}
	}
	return calls
}

func realWire(t *testing.T, s *redistest.Server) *wire {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	return &wire{client: client}
}

func TestUnknownScriptsKeepTheOrderOfABatch(t *testing.T) {
	acquireK := newQuestion(acquire, "k", "o", time.Minute)
	releaseK := newQuestion(release, "k", "o", 0)
	extendK := newQuestion(extend, "k", "o", time.Minute)
	acquireNext := newQuestion(acquire, "k", "next", time.Minute)
	tests := map[string]struct {
		known []op // scripts that the server knows
		batch []*question
		want  []Answer
		owner string // that holds the key in the end
	}{
		"none known":                          {nil, []*question{acquireK, extendK, releaseK}, []Answer{Granted, Granted, Granted}, ""},
		"both known":                          {[]op{release, extend}, []*question{acquireK, extendK, releaseK}, []Answer{Granted, Granted, Granted}, ""},
		"an extension overtaken by a release": {[]op{release}, []*question{acquireK, extendK, releaseK}, []Answer{Granted, Gone, Granted}, ""},
		"an extension alone":                  {[]op{release}, []*question{acquireK, extendK}, []Answer{Granted, Granted}, "o"},
		"a release behind an extension":       {[]op{extend}, []*question{acquireK, extendK, releaseK}, []Answer{Granted, Granted, Granted}, ""},
		"the next owner behind a release":     {nil, []*question{acquireK, releaseK, acquireNext}, []Answer{Granted, Granted, Granted}, "next"},
		"the next owner before a release":     {nil, []*question{acquireK, acquireNext, releaseK}, []Answer{Granted, Taken, Granted}, ""},
	}
	server := redistest.Start(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := realWire(t, server)
			ctx := context.Background()
			server.Flush()
			server.CLI("SCRIPT", "FLUSH")
			for _, o := range test.known {
				server.CLI("SCRIPT", "LOAD", sources[o])
			}
			calls := batchOf(test.batch...)
			w.exec(ctx, calls)
			for i, c := range calls {
				if c.reply.answer != test.want[i] {
					t.Errorf("answer %d is %v (%v); want %v", i, c.reply.answer, c.reply.err, test.want[i])
				}
			}
			if got := server.Get("k"); got != test.owner {
				t.Errorf("the key holds %q; want %q", got, test.owner)
			}
		})
	}
}

func TestFailedHandshakeIsNoGrant(t *testing.T) {
	// go-redis leaves the commands of a pipeline without error when the handshake is refused; that must not read as yes.
	server := redistest.Start(t, "--requirepass", "right")
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Password: "wrong", MaxRetries: -1})
	defer client.Close()
	w := &wire{client: client}
	calls := batchOf(newQuestion(acquire, "k", "o", time.Minute), newQuestion(release, "k", "o", 0), newQuestion(read, "k", "", 0))
	w.exec(context.Background(), calls)
	for i, c := range calls {
		if c.reply.answer != Refused || !c.reply.broken || !hasCode(c.reply.err, "WRONGPASS") {
			t.Errorf("answer %d is %v (%v), broken %v; want refused with WRONGPASS, broken", i, c.reply.answer, c.reply.err, c.reply.broken)
		}
	}
}

func TestKeyOfAnotherTypeIsSomebodyElses(t *testing.T) {
	server := redistest.Start(t)
	server.CLI("HSET", "k", "field", "value")
	w := realWire(t, server)
	calls := batchOf(newQuestion(acquire, "k", "o", time.Minute), newQuestion(extend, "k", "o", time.Minute),
		newQuestion(release, "k", "o", 0), newQuestion(read, "k", "", 0))
	w.exec(context.Background(), calls)
	for i, want := range []Answer{Taken, WrongType, WrongType, WrongType} {
		if got := calls[i].reply.answer; got != want {
			t.Errorf("answer %d is %v (%v); want %v", i, got, calls[i].reply.err, want)
		}
	}
	if got := server.CLI("TYPE", "k"); got != "hash" {
		t.Errorf("the key is now of type %s", got)
	}
}

func TestServerThatQuotesTheHandshakeShowsNoPassword(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "HELLO", "", "--rename-command", "AUTH", "")
	m := urlMutex(t, Options{}, Settings{Expiration: 10 * time.Second}, "redis://:s3cret@"+server.Addr())
	_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("error is %v", err)
	}
	var e *Error
	if errors.As(err, &e) {
		for _, vote := range e.Votes {
			if vote.Err != nil && strings.Contains(vote.Err.Error(), "s3cret") {
				t.Errorf("a vote shows the password: %v", vote.Err)
			}
		}
	}
}
