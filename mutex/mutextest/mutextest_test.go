package mutextest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

func wantHolder(t testing.TB, r *Redis, key, want string) {
	t.Helper()
	owner, held := r.Holder(key)
	if owner != want || held != (want != "") {
		t.Errorf("holder of %s: %q, %v; want %q", key, owner, held, want)
	}
}

func TestExpirationsPassWithRealTimeExactly(t *testing.T) {
	t.Parallel()
	const expiration = 150 * time.Millisecond
	r := Run(t)
	l := open(t, r)
	sent := time.Now()
	set := lock(t, r, "key", expiration)
	for {
		asked := time.Now()
		l.send("EXISTS", "key")
		answer, err := l.receive(5 * time.Second)
		answered := time.Now()
		if err != nil {
			t.Fatal(err)
		}
		if answer == ":0" {
			if early := expiration - answered.Sub(sent); early > 0 {
				t.Errorf("gone %v early", early)
			}
			return
		}
		if late := asked.Sub(set) - expiration; late > 0 {
			t.Fatalf("still there %v late", late)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestKeysAndHoldersTellWhatIsStored(t *testing.T) {
	r := Run(t)
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("keys of a new Redis: %q", keys)
	}
	lock(t, r, "b", time.Minute)
	lock(t, r, "a", time.Minute)
	if keys := r.Keys(); !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys: %q", keys)
	}
	wantHolder(t, r, "a", "owner")
	wantHolder(t, r, "missing", "")
	l := open(t, r)
	l.send("HSET", "hash", "field", "value")
	l.wants(t, ":1")
	wantHolder(t, r, "hash", "")
	if !r.Expire("a") || r.Expire("a") || r.Expire("missing") {
		t.Error("Expire doesn't tell whether there was a key")
	}
	wantHolder(t, r, "a", "")
}

func TestStopBreaksConnectionsAndRefuses(t *testing.T) {
	r := Run(t)
	idle, blocked := open(t, r), open(t, r)
	idle.send("PING")
	idle.wants(t, "+PONG")
	blocked.send("BLPOP", "list", "0")
	blocked.wantsSilence(t)
	r.Stop()
	r.Stop()
	idle.wantsBroken(t)
	blocked.wantsBroken(t)
	wantRefusing(t, r)
	if n := r.server.ClientsLen(); n != 0 {
		t.Errorf("%d connections stayed", n)
	}
}

func TestRestartKeepsKeysAndCountsTheTime(t *testing.T) {
	t.Parallel()
	r := Run(t)
	addr := r.Addr()
	lock(t, r, "long", time.Minute)
	set := lock(t, r, "short", 50*time.Millisecond)
	r.Stop()
	time.Sleep(time.Until(set.Add(50 * time.Millisecond)))
	for range 2 { // of a stopped one, and of one that runs
		if err := r.Restart(); err != nil {
			t.Fatal(err)
		}
		if r.Addr() != addr {
			t.Errorf("restarted at %s, was at %s", r.Addr(), addr)
		}
		wantAnswering(t, r)
		wantHolder(t, r, "long", "owner")
		wantHolder(t, r, "short", "")
	}
}

func TestRestartEmptyForgetsKeys(t *testing.T) {
	r := Run(t)
	lock(t, r, "key", time.Minute)
	if err := r.RestartEmpty(); err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("keys: %q", keys)
	}
	lock(t, r, "key", time.Minute)
}

func TestRestartForgetsScripts(t *testing.T) {
	const script, sha = "return 1", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
	r := Run(t)
	l := open(t, r)
	l.send("SCRIPT", "LOAD", script)
	l.wants(t, "$40", sha)
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("EVALSHA", sha, "0")
	if got, err := l.receive(5 * time.Second); !strings.HasPrefix(got, "-NOSCRIPT") {
		t.Errorf("EVALSHA after Restart: %q, %v", got, err)
	}
}

func TestPausedRedisHangsAndCatchesUpAfterResume(t *testing.T) {
	r := Run(t)
	old := open(t, r)
	old.send("PING")
	old.wants(t, "+PONG")
	for range 3 {
		r.Pause()
		r.Pause()
		old.send("SET", "key", "old")
		old.wantsSilence(t)
		fresh := open(t, r)
		fresh.send("PING")
		fresh.wantsSilence(t)
		gone := open(t, r)
		gone.send("SET", "other", "gone")
		gone.Close()
		if keys := r.Keys(); len(keys) != 0 {
			t.Errorf("a paused Redis executed something: %q", keys)
		}
		r.Resume()
		r.Resume()
		old.wants(t, "+OK")
		fresh.wants(t, "+PONG")
		wantHolder(t, r, "key", "old")
		for deadline := time.Now().Add(5 * time.Second); !r.Expire("other"); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("what was sent by a client that left was not executed")
			}
		}
		r.Expire("key")
	}
}

func TestAnswersThatAPauseFindsWaitForResume(t *testing.T) {
	r := Run(t)
	subscriber, blocked := open(t, r), open(t, r)
	subscriber.send("SUBSCRIBE", "channel")
	subscriber.wants(t, "*3", "$9", "subscribe", "$7", "channel", ":1")
	blocked.send("BLPOP", "list", "0")
	blocked.wantsSilence(t)
	r.Pause()
	const messages = 50
	for range messages {
		r.memory.Publish("channel", "message") // holds the database until the message is on its way
	}
	if _, err := r.memory.Push("list", "element"); err != nil {
		t.Fatal(err)
	}
	if keys := r.Keys(); len(keys) > 1 {
		t.Errorf("keys: %q", keys)
	}
	subscriber.wantsSilence(t)
	blocked.wantsSilence(t)
	r.Resume()
	for range messages {
		subscriber.wants(t, "*3", "$7", "message", "$7", "channel", "$7", "message")
	}
	blocked.wants(t, "*2", "$4", "list", "$7", "element")
}

func TestAnswersOfAClosingConnectionAreDelivered(t *testing.T) {
	r := Run(t)
	l := open(t, r)
	l.send("PING")
	l.send("QUIT")
	l.wants(t, "+PONG")
	l.wants(t, "+OK")
	if got, err := l.receive(5 * time.Second); err != io.EOF {
		t.Errorf("after QUIT: %q, %v", got, err)
	}
}

func TestRestartOfAPausedRedisAnswers(t *testing.T) {
	r := Run(t)
	l := open(t, r)
	r.Pause()
	l.send("SET", "key", "value")
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("PING")
	l.wants(t, "+PONG")
	wantHolder(t, r, "key", "") // the request was lost with its connection
	r.Stop()
	r.Pause() // nothing to pause
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	l = open(t, r)
	l.send("PING")
	l.wants(t, "+PONG")
}

func TestCloseEndsAnyState(t *testing.T) {
	for name, state := range map[string]func(r *Redis){
		"running": func(*Redis) {},
		"paused":  (*Redis).Pause,
		"stopped": (*Redis).Stop,
		"paused, then stopped": func(r *Redis) {
			r.Pause()
			r.Stop()
		},
		"closed": (*Redis).Close,
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			r, err := Start()
			if err != nil {
				t.Fatal(err)
			}
			l := open(t, r)
			l.send("SET", "key", "value")
			l.wants(t, "+OK")
			state(r)
			l.send("PING")
			r.Close()
			r.Close()

			r.Stop()
			r.Pause()
			r.Resume()
			if err := r.Restart(); err == nil {
				t.Error("Restart after Close")
			}
			if err := r.RestartEmpty(); err == nil {
				t.Error("RestartEmpty after Close")
			}
			wantHolder(t, r, "key", "value")
			if r.Expire("missing") || len(r.Keys()) != 1 || r.URL() != "redis://"+r.Addr() {
				t.Error("look-ups after Close")
			}
			wantRefusing(t, r)
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClosedRedisGivesItsPortBack(t *testing.T) {
	seen := make(map[string]bool)
	for range 300 { // package port lets a port rest until it has given its others
		r, err := Start()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if seen[r.Addr()] {
			return
		}
		seen[r.Addr()] = true
	}
	t.Error("no port came twice")
}

func TestFaultsMayComeAllAtOnce(t *testing.T) {
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var traffic, faults sync.WaitGroup
	for i := range 4 {
		key := fmt.Sprintf("key%d", i)
		traffic.Go(func() {
			for ctx.Err() == nil {
				l, err := dial(r)
				if err != nil {
					continue
				}
				for err == nil {
					l.send("SET", key, "owner", "PX", "1")
					l.send("EVAL", `redis.call("PUBLISH", "channel", "message") return redis.call("DEL", KEYS[1])`, "1", key)
					_, err = l.receive(short)
				}
				l.Close()
			}
		})
	}
	for _, fault := range []func(){
		r.Stop, r.Pause, r.Resume, r.Resume,
		func() { _ = r.Restart() },
		func() { _ = r.Restart() },
		func() { _ = r.RestartEmpty() },
		func() { r.Expire("key0"); r.Keys(); r.Holder("key1") },
	} {
		faults.Go(func() {
			for range 40 {
				fault()
				time.Sleep(time.Millisecond)
			}
		})
	}
	faults.Wait()
	if err := r.Restart(); err != nil {
		t.Fatal(err)
	}
	wantAnswering(t, r)
	for range 3 {
		faults.Go(r.Close)
		faults.Go(r.Pause)
		faults.Go(func() { _ = r.Restart() })
	}
	faults.Wait()
	cancel()
	traffic.Wait()
}

func TestRestartReportsATakenPort(t *testing.T) {
	t.Parallel()
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var reported error
	r.report = func(err error) { reported = err }
	r.restartLimit = short
	r.Stop()
	foreign, err := net.Listen("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Restart(); err == nil || !errors.Is(reported, err) {
		t.Errorf("Restart on a taken port: %v, reported: %v", err, reported)
	}
	foreign.Close()
	if err := r.Restart(); err != nil {
		t.Errorf("Restart when the port is free again: %v", err)
	}
}

func TestQuorumNodesAreIndependent(t *testing.T) {
	q := RunQuorum(t, 3)
	if len(q.Nodes()) != 3 || len(q.URLs()) != 3 {
		t.Fatalf("%d nodes, %d URLs", len(q.Nodes()), len(q.URLs()))
	}
	for i, node := range q.Nodes() {
		if q.Node(i) != node || q.URLs()[i] != node.URL() {
			t.Errorf("node %d is not the same everywhere", i)
		}
	}
	if q.Node(-1) != nil || q.Node(3) != nil {
		t.Error("nodes out of range")
	}
	q.Node(1).Stop()
	q.Nodes()[0] = nil // our own copy
	lock(t, q.Node(0), "key", time.Minute)
	if owner, held := q.Holder("key"); held {
		t.Errorf("one node of three: held by %q", owner)
	}
	lock(t, q.Node(2), "key", time.Minute)
	if owner, held := q.Holder("key"); owner != "owner" || !held {
		t.Errorf("two nodes of three: held by %q, %v", owner, held)
	}
	if !q.Expire("key") || q.Expire("key") {
		t.Error("Expire doesn't tell whether there was a key")
	}
	if owner, held := q.Holder("key"); held {
		t.Errorf("after Expire: held by %q", owner)
	}
}

func TestQuorumIsAnOddNumber(t *testing.T) {
	for _, n := range []int{-1, 0, 2, 4} {
		if q, err := StartQuorum(n); err == nil {
			q.Close()
			t.Errorf("a quorum of %d", n)
		}
	}
}
