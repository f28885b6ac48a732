package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// clusterRights are the commands that a user of a cluster's servers needs, without those of fencing and replicas.
const clusterRights = "+set +get +del +pttl +pexpire +eval +evalsha +publish +subscribe +unsubscribe +ping +cluster|slots +asking"

// userMutex is a mutex on a cluster as a user of its servers.
func userMutex(t *testing.T, c *redistest.Cluster, user, password string, settings Settings) *Mutex {
	t.Helper()
	e := New(Options{})
	t.Cleanup(func() { e.Close() })
	settings.Name, settings.Expiration, settings.NodeTimeout = "Test", 10*time.Second, time.Second
	settings.RetryInterval = 20 * time.Millisecond
	m, err := e.NewMutex(settings, [][]*Node{{e.AddNode(NodeOptions{
		Redis: &redis.Options{Username: user, Password: password}, Cluster: c.Addrs(), Timeout: time.Second, PoolSize: 2,
		ReconnectionInterval: 100 * time.Millisecond,
	})}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func clusterUserNeedsTheseRightsOnly(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	as := func(rights string, settings Settings) *Mutex {
		for _, s := range c.Servers {
			if answer := s.CLI(strings.Fields("ACL SETUSER locks reset on >pw ~* &mutexgen:* " + rights)...); answer != "OK" {
				t.Fatal(answer)
			}
		}
		return userMutex(t, c, "locks", "pw", settings)
	}
	key := c.KeyAt(0, "key")
	wait := Forever
	for name, test := range map[string]struct {
		rights   string
		settings Settings
	}{
		"plain":        {rights: clusterRights},
		"with fencing": {rights: clusterRights + " +time +incr", settings: Settings{Fencing: true, FencingMemory: time.Minute}},
	} {
		m, other := as(test.rights, test.settings), userMutex(t, c, "locks", "pw", test.settings)
		lock := held(t, m, key, AcquireOptions{})
		var waiting sync.WaitGroup
		for _, m := range []*Mutex{m, m, other} {
			waiting.Go(func() {
				lock, err := m.Acquire(t.Context(), key, AcquireOptions{Wait: &wait})
				if err == nil {
					err = lock.Release(t.Context())
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		move := c.BeginMove(c.Slot(key), c.OtherMaster(c.Slot(key)))
		move.Keys()
		if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
			t.Errorf("%s: extension: %v", name, err)
		}
		if exists, err := m.Exists(t.Context(), key); !exists || err != nil {
			t.Errorf("%s: exists says %v, %v", name, exists, err)
		}
		move.End()
		if err := lock.Release(t.Context()); err != nil {
			t.Errorf("%s: release: %v", name, err)
		}
		waiting.Wait()
		for _, s := range c.Servers[:3] {
			if log := s.CLI("ACL", "LOG"); strings.Contains(log, "locks") {
				t.Errorf("%s: something was refused: %s", name, log)
			}
			s.CLI("ACL", "LOG", "RESET")
		}
	}

	m := as(strings.Replace(clusterRights, "+cluster|slots", "", 1), Settings{MaxRetry: 3})
	_, err := m.Acquire(t.Context(), key, AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	if !strings.Contains(err.Error(), "NOPERM") || !strings.Contains(err.Error(), "mutexgen acl") {
		t.Errorf("error %q does not tell which right is missing, and who knows", err)
	}
	m = as(strings.Replace(clusterRights, " +asking", "", 1), Settings{MaxRetry: 3})
	move := c.BeginMove(c.Slot(key), c.OtherMaster(c.Slot(key)))
	_, err = m.Acquire(t.Context(), key, AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	if !strings.Contains(err.Error(), "'asking'") || !strings.Contains(err.Error(), "mutexgen acl") {
		t.Errorf("error %q does not tell which right is missing, and who knows", err)
	}
	move.End()
	m = userMutex(t, c, "locks", "wrong", Settings{MaxRetry: 3})
	_, err = m.Acquire(t.Context(), key, AcquireOptions{})
	wantError(t, err, ErrNoQuorum)
	if !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), `"wrong"`) {
		t.Errorf("error is %q", err)
	}
}

func clusterIsReachedByHostnamesAndWithoutAnyHost(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second, "--cluster-announce-hostname", "localhost")
	for _, kind := range []string{"hostname", "unknown-endpoint", "ip"} {
		for _, s := range c.Servers {
			s.CLI("CONFIG", "SET", "cluster-preferred-endpoint-type", kind)
		}
		m := clusterMutex(t, Options{}, Settings{}, c.Servers[4].Addr())
		for i := range 3 {
			lock, err := m.Acquire(t.Context(), c.KeyAt(i, "key"), AcquireOptions{})
			if err != nil {
				t.Errorf("%s: %v", kind, err)
				continue
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		key := c.KeyAt(0, "moving")
		held(t, m, key, AcquireOptions{}).Release(t.Context())
		c.MoveSlot(c.Slot(key), c.OtherMaster(c.Slot(key)))
		if err := held(t, m, key, AcquireOptions{}).Release(t.Context()); err != nil {
			t.Errorf("%s: after a move: %v", kind, err)
		}
		if kind == "hostname" {
			m.groups[0][0].cluster.mu.Lock()
			if m.groups[0][0].cluster.members[strings.Replace(c.Servers[0].Addr(), "127.0.0.1", "localhost", 1)] == nil {
				t.Error("the masters are not called by their hostnames")
			}
			m.groups[0][0].cluster.mu.Unlock()
		}
	}
}

func keysWithWhateverBracesAreLockedWithAToken(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	m := clusterMutex(t, Options{}, Settings{Fencing: true, FencingMemory: time.Minute}, c.Addrs()...)
	for _, key := range []string{"a{b}c", "a{b", "a}b", "{}", "a{}b", "}{", "}a{b}", "{{", "}}", "a{}{b}", "{a}{b}", "\x00}\r\n", strings.Repeat("k}", 2000)} {
		var last int64
		for range 3 {
			lock, err := m.Acquire(t.Context(), key, AcquireOptions{})
			if err != nil {
				t.Errorf("%.20q: %v", key, err)
				break
			}
			if lock.Token() <= last {
				t.Errorf("%.20q: after %d the token is %d", key, last, lock.Token())
			}
			last = lock.Token()
			if err := lock.Extend(t.Context(), 20*time.Second); err != nil {
				t.Errorf("%.20q: %v", key, err)
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Errorf("%.20q: %v", key, err)
			}
		}
	}
}

// A batch of everything, to a server that is just importing the slot, and knows no script.
func batchAskedOfATargetIsPrecededByAskingOneByOne(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 10*time.Second)
	key := c.KeyAt(0, "key")
	slot := c.Slot(key)
	c.BeginMove(slot, c.Servers[1])
	w := newWire(&redis.Options{Addr: c.Servers[1].Addr(), MaxRetries: -1, Protocol: 2}, 0, func() {})
	w.inCluster = true
	defer w.close()
	sender := w.sender()
	tag := "{" + key + "}"
	pass := newQuestion(handover, tag+"h", "a", time.Minute)
	pass.next = "b"
	questions := []*question{
		newQuestion(acquire, tag+"a", "a", time.Minute), newQuestion(queue, tag+"q", "a", time.Minute), pass,
		newQuestion(extend, tag+"e", "a", time.Minute), newQuestion(release, tag+"r", "a", 0), newQuestion(release, tag+"s", "a", 0),
		newQuestion(read, tag+"d", "a", 0),
	}
	want := []Answer{Granted, Granted, Gone, Granted, Gone, Gone, Gone}
	for _, asking := range []bool{true, false} {
		calls := batchOf(questions...)
		for _, k := range calls {
			k.asking = asking
		}
		sender.exec(time.Now().Add(time.Second), calls)
		for i, k := range calls {
			switch {
			case asking && k.reply.answer != want[i]:
				t.Errorf("answer %d is %v (%v); want %v", i, k.reply.answer, k.reply.err, want[i])
			case !asking && !hasCode(k.reply.err, "MOVED"):
				t.Errorf("without asking answer %d is %v (%v); want a redirection", i, k.reply.answer, k.reply.err)
			}
		}
	}
}

// liar is a server that answers whatever a test says to each command.
func liar(t *testing.T, answer func(command string, conn net.Conn) string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			serving.Go(func() {
				reader := bufio.NewReader(conn)
				for {
					command, err := readCommand(reader)
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, answer(strings.ToUpper(command), conn)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return listener.Addr().String()
}

// readCommand reads the words of one command.
func readCommand(r *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return "", err
	}
	words := make([]string, n)
	for i := range words {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return "", err
		}
		words[i] = string(word[:size])
	}
	return strings.Join(words, " "), nil
}

func whateverAMemberAnswersIsAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	for name, slots := range map[string]string{
		"no slot":              "*0\r\n",
		"nil":                  "*-1\r\n",
		"a number":             ":5\r\n",
		"a text":               "$3\r\nabc\r\n",
		"ranges of nothing":    "*2\r\n*0\r\n*0\r\n",
		"slots beyond the end": "*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n$9\r\n127.0.0.1\r\n:1\r\n",
		"a length beyond all":  "*9223372036854775807\r\n",
		"nonsense":             "HTTP/1.1 400 Bad Request\r\n\r\n",
		"an error":             "-ERR no\r\n",
		"an error that passes": "-LOADING Redis is loading the dataset in memory\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := liar(t, func(command string, _ net.Conn) string {
				if strings.HasPrefix(command, "CLUSTER SLOTS") {
					return slots
				}
				return "-ERR unknown command\r\n"
			})
			m := clusterMutex(t, Options{}, Settings{NodeTimeout: 200 * time.Millisecond}, addr)
			_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
			wantError(t, err, ErrNoQuorum)
		})
	}
}

// The members send each question on to somewhere else, where nobody is.
func questionSentOnToNowhereFailsWithinItsBudget(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{"nobody": "127.0.0.1:1", "oneself": "", "nonsense": "\x00:\x00", "no port": "host", "a port beyond": "h:70000"} {
		for _, code := range []string{"MOVED", "ASK"} {
			t.Run(code+" "+name, func(t *testing.T) {
				t.Parallel()
				addr := liar(t, func(command string, conn net.Conn) string {
					_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
					to := target
					if to == "" {
						to = conn.LocalAddr().String()
					}
					switch {
					case strings.HasPrefix(command, "CLUSTER SLOTS"):
						return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:" + port + "\r\n"
					case strings.HasPrefix(command, "SET") || strings.HasPrefix(command, "EVAL"):
						return "-" + code + " 1 " + to + "\r\n"
					case command == "PING" || command == "ASKING":
						return "+OK\r\n"
					}
					return "-ERR unknown command\r\n"
				})
				m := clusterMutex(t, Options{}, Settings{NodeTimeout: 300 * time.Millisecond}, addr)
				start := time.Now()
				_, err := m.Acquire(t.Context(), "k", AcquireOptions{})
				wantError(t, err, ErrNoQuorum)
				took(t, start, 0, 2*time.Second)
				m.engine.Close()
				took(t, start, 0, 5*time.Second)
			})
		}
	}
}

func cancelledFirstAcquireOfAClusterThatDoesNotAnswerLeavesAtOnce(t *testing.T) {
	t.Parallel()
	hung := redistest.Start(t)
	hung.Pause()
	m := clusterMutex(t, Options{}, Settings{}, hung.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := m.Acquire(ctx, "k", AcquireOptions{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	took(t, start, 0, 500*time.Millisecond)
	start = time.Now()
	m.engine.Close()
	took(t, start, 0, 4*time.Second)
}
