package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// realSubscription is one to a real server.
func realSubscription(t *testing.T, options *redis.Options) subscription {
	t.Helper()
	w := newWire(options, 0, func() {})
	t.Cleanup(func() { w.close() })
	sub := w.subscribe(time.Second)
	t.Cleanup(sub.close)
	return sub
}

// next is the next event, which must come soon.
func next(t *testing.T, sub subscription) event {
	t.Helper()
	watchdog := time.AfterFunc(10*time.Second, sub.close)
	defer watchdog.Stop()
	e, err := sub.receive()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestServerConfirmsWhatItTellsOf(t *testing.T) {
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) {
			server := redistest.Start(t)
			sub := realSubscription(t, &redis.Options{Addr: server.Addr(), MaxRetries: -1, Protocol: protocol})
			if err := sub.listen([]string{"a", "b\n c"}); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"a", "b\n c"} {
				if e := next(t, sub); e != (event{channel: want, isNew: true}) {
					t.Errorf("event is %+v; want the word that %q is listened to", e, want)
				}
			}
			if err := sub.ping(); err != nil {
				t.Fatal(err)
			}
			if e := next(t, sub); e != (event{}) {
				t.Errorf("event is %+v; want the answer to a ping", e)
			}
			server.CLI("PUBLISH", "b\n c", "x y\x00z")
			if e := next(t, sub); e != (event{channel: "b\n c", message: "x y\x00z"}) {
				t.Errorf("event is %+v; want the message", e)
			}
			if err := sub.ignore([]string{"a"}); err != nil {
				t.Fatal(err)
			}
			if e := next(t, sub); e != (event{}) {
				t.Errorf("event is %+v; that a channel is not listened to any more is no message on it", e)
			}
		})
	}
}

func TestSubscriptionEndsWithItsServer(t *testing.T) {
	server := redistest.Start(t)
	sub := realSubscription(t, &redis.Options{Addr: server.Addr(), MaxRetries: -1, Protocol: 2})
	if err := sub.listen([]string{"a"}); err != nil {
		t.Fatal(err)
	}
	next(t, sub)
	server.CLI("CLIENT", "KILL", "TYPE", "pubsub")
	if e, err := sub.receive(); err == nil && !e.isNew {
		t.Errorf("event is %+v of a connection that broke", e)
	}
}

func TestReleaseTellsWhetherSomebodyListens(t *testing.T) {
	server := redistest.Start(t)
	sub := realSubscription(t, &redis.Options{Addr: server.Addr(), MaxRetries: -1, Protocol: 2})
	if err := sub.listen([]string{keyChannel("a"), engineChannel("e")}); err != nil {
		t.Fatal(err)
	}
	next(t, sub)
	next(t, sub)
	q := func(key, engine string) *question {
		q := newQuestion(release, key, "o", 0)
		if engine != "" {
			q.channel, q.message = engineChannel(engine), "wake"
		}
		return q
	}
	for name, test := range map[string]struct {
		batch []*question
		want  []bool
	}{
		"one":                  {[]*question{q("a", "")}, []bool{true}},
		"one of another key":   {[]*question{q("b", "")}, []bool{false}},
		"several":              {[]*question{q("b", ""), q("a", ""), q("c", "")}, []bool{false, true, false}},
		"to one by name":       {[]*question{q("a", "e")}, []bool{false}},
		"to one who is gone":   {[]*question{q("a", "gone")}, []bool{true}},
		"to one, and no other": {[]*question{q("b", "gone")}, []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"a", "b", "c"} {
				server.CLI("SET", key, "o")
			}
			calls := batchOf(test.batch...)
			realWire(t, server).exec(time.Now().Add(time.Second), calls)
			for i, c := range calls {
				if c.reply.answer != Granted || c.reply.awaited != test.want[i] {
					t.Errorf("answer %d is %v (%v), awaited %v; want %v", i, c.reply.answer, c.reply.err, c.reply.awaited, test.want[i])
				}
			}
		})
	}
}

func TestRefusalTellsWhoHoldsTheLockAndForHowLong(t *testing.T) {
	server := redistest.Start(t)
	sub := realSubscription(t, &redis.Options{Addr: server.Addr(), MaxRetries: -1, Protocol: 2})
	if err := sub.listen([]string{engineChannel("e-_1")}); err != nil {
		t.Fatal(err)
	}
	next(t, sub)
	tests := map[string]struct {
		set   []string
		owner string
		least time.Duration
		told  bool
	}{
		"a lock of ours":            {[]string{"SET", "k", "random host 1 @e-_1", "PX", "60000"}, "random host 1 @e-_1", 50 * time.Second, true},
		"another library's":         {[]string{"SET", "k", "random", "PX", "60000"}, "random", 50 * time.Second, false},
		"one without an expiration": {[]string{"SET", "k", "random"}, "random", forever, false},
		"an empty one":              {[]string{"SET", "k", "", "PX", "60000"}, "", 50 * time.Second, false},
		"a huge one":                {[]string{"SET", "k", strings.Repeat("x @", 100_000), "PX", "60000"}, strings.Repeat("x @", 22)[:64], 50 * time.Second, false},
		"one with a strange name":   {[]string{"SET", "k", "random @e*", "PX", "60000"}, "random @e*", 50 * time.Second, false},
		"one of another type":       {[]string{"HSET", "k", "field", "value"}, "", forever, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server.Flush()
			server.CLI(test.set...)
			q := newQuestion(queue, "k", "mine", time.Minute)
			q.message = "somebody waits"
			calls := batchOf(q)
			realWire(t, server).exec(time.Now().Add(time.Second), calls)
			r := calls[0].reply
			if r.answer != Taken || r.owner != test.owner || r.left < test.least || r.left > max(test.least, time.Minute) {
				t.Errorf("answer is %v (%v), of owner %.100q, for %v; want %q for %v", r.answer, r.err, r.owner, r.left, test.owner, test.least)
			}
			server.CLI("PUBLISH", engineChannel("e-_1"), "the end")
			told := next(t, sub).message == "somebody waits"
			if told {
				next(t, sub)
			}
			if told != test.told {
				t.Errorf("the holder's engine was told: %v; want %v", told, test.told)
			}
		})
	}
}
