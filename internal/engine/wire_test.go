package engine

import (
	"errors"
	"fmt"
	"strconv"
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

func realWire(t *testing.T, s *redistest.Server) sender {
	t.Helper()
	w := newWire(&redis.Options{Addr: s.Addr(), MaxRetries: -1, Protocol: 2}, 0, func() {})
	t.Cleanup(func() { w.close() })
	return w.sender()
}

func TestUnknownScriptsAreSentAndWhoWasRefusedForThemAsksAgain(t *testing.T) {
	q := func(o op, key, owner string) *question { return newQuestion(o, key, owner, time.Minute) }
	pass := q(handover, "k", "old")
	pass.next = "next"
	batches := map[string]struct {
		batch []*question
		want  []Answer
		owner string // of "k" in the end
	}{
		"one release and the next owner":      {[]*question{q(acquire, "k", "next"), q(release, "k", "old")}, []Answer{Granted, Granted}, "next"},
		"several releases and the next owner": {[]*question{q(release, "l", "old"), q(acquire, "k", "next"), q(release, "k", "old")}, []Answer{Gone, Granted, Granted}, "next"},
		"extensions":                          {[]*question{q(extend, "k", "old"), q(extend, "l", "o"), q(extend, "k", "other")}, []Answer{Granted, Granted, Taken}, "old"},
		"a handover":                          {[]*question{q(acquire, "k", "x"), pass, q(queue, "k", "y")}, []Answer{Taken, Granted, Taken}, "next"},
		"all at once": {
			[]*question{q(extend, "l", "l"), q(release, "k", "old"), q(read, "k", ""), q(release, "m", "m"), q(extend, "n", "n")},
			[]Answer{Granted, Granted, Gone, Gone, Granted}, "",
		},
	}
	server := redistest.Start(t)
	for name, test := range batches {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, scripts known %v", name, known), func(t *testing.T) {
				server.Flush()
				server.CLI("SCRIPT", "FLUSH")
				if known {
					server.CLI("SCRIPT", "LOAD", releases.source)
					for _, s := range scripts {
						if s.source != "" {
							server.CLI("SCRIPT", "LOAD", s.source)
						}
					}
				}
				server.CLI("SET", "k", "old")
				w := realWire(t, server)
				calls := batchOf(test.batch...)
				w.exec(time.Now().Add(time.Second), calls)
				for i, c := range calls {
					if name == "all at once" && !known && c.question.op == read {
						continue // it was asked before the release was
					}
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
}

func TestScriptOfSeveralReleasesIsSentOnce(t *testing.T) {
	server := redistest.Start(t)
	w := realWire(t, server)
	for i := range 3 {
		w.exec(time.Now().Add(time.Second), batchOf(newQuestion(release, "k", "o", 0), newQuestion(release, "l", "o", 0)))
		stats := server.CLI("INFO", "commandstats")
		if got := strings.Contains(stats, "cmdstat_eval:calls=1,"); !got {
			t.Errorf("after %d batches the server has not been sent the script just once: %s", i+1, stats)
		}
	}
}

func TestUserWhoMayReleaseOnlyOneByOneDoesSo(t *testing.T) {
	server := redistest.Start(t)
	server.CLI("ACL", "SETUSER", "default", "-mget")
	w := realWire(t, server)
	for range 3 {
		server.CLI("SET", "k", "o")
		server.CLI("SET", "l", "o")
		calls := batchOf(newQuestion(release, "k", "o", 0), newQuestion(release, "l", "o", 0))
		w.exec(time.Now().Add(time.Second), calls)
		for i, c := range calls {
			if c.reply.answer != Granted {
				t.Errorf("answer %d is %v (%v); want granted", i, c.reply.answer, c.reply.err)
			}
		}
	}
	stats := server.CLI("INFO", "commandstats")
	calls := commandCalls(stats, "eval") + commandCalls(stats, "evalsha")
	if calls < 6 || calls > 12 {
		t.Errorf("%d script calls for 6 releases; want what was refused for several to be tried once", calls)
	}
}

// commandCalls is how often a command was called, as INFO commandstats tells.
func commandCalls(stats, command string) int {
	_, after, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
	digits, _, _ := strings.Cut(after, ",")
	n, _ := strconv.Atoi(digits)
	return n
}

func TestOneOfSeveralAskedTogetherFailsAlone(t *testing.T) {
	server := redistest.Start(t)
	server.CLI("HSET", "h", "field", "value")
	server.CLI("ACL", "SETUSER", "default", "resetkeys", "~k*", "~h")
	server.CLI("SET", "k1", "o")
	server.CLI("SET", "k2", "another's")
	for _, o := range []op{release, extend} {
		w := realWire(t, server)
		q := func(key string) *question { return newQuestion(o, key, "o", time.Minute) }
		calls := batchOf(q("h"), q("k2"), q("k1"))
		w.exec(time.Now().Add(time.Second), calls)
		for i, want := range []Answer{WrongType, Taken, Granted} {
			if o == release && i == 0 {
				want = Gone // several at once see only that it is not theirs
			}
			if got := calls[i].reply; got.answer != want {
				t.Errorf("op %d: answer %d is %v (%v); want %v", o, i, got.answer, got.err, want)
			}
		}
		server.CLI("SET", "k1", "o")
		calls = batchOf(q("k1"), q("forbidden"), q("k2"))
		w.exec(time.Now().Add(time.Second), calls)
		for i, want := range []Answer{Granted, Refused, Taken} {
			if got := calls[i].reply; got.answer != want {
				t.Errorf("op %d, with a forbidden key: answer %d is %v (%v); want %v", o, i, got.answer, got.err, want)
			}
		}
		server.CLI("SET", "k1", "o")
	}
	if got := server.CLI("TYPE", "h"); got != "hash" {
		t.Errorf("the other library's lock is now a %s", got)
	}
}

func TestFailedHandshakeIsNoGrant(t *testing.T) {
	// go-redis leaves the commands of a pipeline without error when the handshake is refused; that must not read as yes.
	server := redistest.Start(t, "--requirepass", "right")
	w := newWire(&redis.Options{Addr: server.Addr(), Password: "wrong", MaxRetries: -1}, 0, func() {})
	defer w.close()
	calls := batchOf(newQuestion(acquire, "k", "o", time.Minute), newQuestion(release, "k", "o", 0), newQuestion(read, "k", "", 0))
	w.sender().exec(time.Now().Add(time.Second), calls)
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
	w.exec(time.Now().Add(time.Second), calls)
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
