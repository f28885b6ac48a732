package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartedServerAnswersAtItsAddress(t *testing.T) {
	s := Start(t)
	if got := s.CLI("PING"); got != "PONG" {
		t.Errorf("PING: %q", got)
	}
	if want := "redis://" + s.Addr(); s.URL() != want {
		t.Errorf("URL: %q, want %q", s.URL(), want)
	}
	if keys := s.Keys(); len(keys) != 0 {
		t.Errorf("a new server has keys: %q", keys)
	}
}

func TestStartNServersAreIndependent(t *testing.T) {
	servers := StartN(t, 3)
	servers[1].CLI("SET", "key", "value")
	for i, s := range servers {
		want := ""
		if i == 1 {
			want = "value"
		}
		if got := s.Get("key"); got != want {
			t.Errorf("server %d: %q, want %q", i, got, want)
		}
	}
}

func TestRepliesAreReadAsText(t *testing.T) {
	s := Start(t)
	s.CLI("RPUSH", "list", "a", "b\r\nc")
	for _, test := range []struct {
		command string
		want    string
	}{
		{"SET key value", "OK"},
		{"GET key", "value"},
		{"GET missing", "(nil)"},
		{"STRLEN key", "5"},
		{"LRANGE list 0 -1", "a\nb\r\nc"},
		{"LRANGE missing 0 -1", ""},
		{"MGET key missing", "value\n(nil)"},
		{"GET list", "WRONGTYPE Operation against a key holding the wrong kind of value"},
		{"EVAL return{1,{2,false}} 0", "1\n2\n(nil)"},
	} {
		if got := s.CLI(strings.Fields(test.command)...); got != test.want {
			t.Errorf("%s: %q, want %q", test.command, got, test.want)
		}
	}
}

func TestLookUpsTellWhatIsStored(t *testing.T) {
	s := Start(t)
	s.CLI("SET", "b", "value", "PX", "60000")
	s.CLI("SET", "a\nline", "1")
	if got, want := s.Keys(), []string{"a\nline", "b"}; !slices.Equal(got, want) {
		t.Errorf("keys: %q, want %q", got, want)
	}
	if got := s.PTTL("b"); got > time.Minute || got < 50*time.Second {
		t.Errorf("PTTL of a key set for a minute: %v", got)
	}
	if got := s.PTTL("a\nline"); got != -1 {
		t.Errorf("PTTL without expiration: %d", got)
	}
	if got := s.PTTL("missing"); got != -2 {
		t.Errorf("PTTL of no key: %d", got)
	}
	s.Flush()
	if got := s.Keys(); len(got) != 0 {
		t.Errorf("keys after Flush: %q", got)
	}
}

func TestCommandsCountsWhatOthersSent(t *testing.T) {
	for _, args := range [][]string{nil, {"--requirepass", "secret"}} {
		s := Start(t, args...)
		perCommand := int64(1)
		if args != nil {
			perCommand = 2 // CLI authenticates first
		}
		before := s.Commands()
		if again := s.Commands(); again != before {
			t.Errorf("%q: Commands counts itself: %d, then %d", args, before, again)
		}
		s.CLI("SET", "key", "value")
		s.CLI("GET", "key")
		if got := s.Commands() - before; got != 2*perCommand {
			t.Errorf("%q: %d commands counted, want %d", args, got, 2*perCommand)
		}
		s.Restart()
		before = s.Commands()
		s.CLI("PING")
		if got := s.Commands() - before; got != perCommand {
			t.Errorf("%q: after Restart %d commands counted, want %d", args, got, perCommand)
		}
	}
}

func TestArgumentsReachTheServer(t *testing.T) {
	s := Start(t, "--requirepass", "secret", "--maxclients", "77")
	if got := s.CLI("CONFIG", "GET", "maxclients"); got != "maxclients\n77" {
		t.Errorf("maxclients: %q", got)
	}
	replies, err := ask(s.Addr(), "", time.Second, []string{"PING"})
	if err != nil || !strings.HasPrefix(replies[0].text, "NOAUTH") {
		t.Errorf("PING without the password: %v, %v", replies, err)
	}
	cluster := Start(t, "--cluster-enabled", "yes")
	if got := cluster.CLI("CLUSTER", "INFO"); !strings.HasPrefix(got, "cluster_state:") {
		t.Errorf("CLUSTER INFO: %q", got)
	}
}

func TestKilledServerRefusesAndRestartsEmptyAtItsAddress(t *testing.T) {
	s := Start(t)
	addr := s.Addr()
	s.CLI("SET", "key", "value")
	s.Kill()
	s.Kill()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("a killed server accepts connections")
	}
	s.Restart()
	if s.Addr() != addr {
		t.Errorf("restarted at %s, was at %s", s.Addr(), addr)
	}
	if keys := s.Keys(); len(keys) != 0 {
		t.Errorf("keys survived: %q", keys)
	}
}

func TestRestartKeepsWhatPersistenceArgumentsKeep(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.CLI("SET", "key", "value")
	s.Restart()
	if got := s.Get("key"); got != "value" {
		t.Errorf("after Restart: %q", got)
	}
}

func TestPausedServerAcceptsButAnswersAfterResume(t *testing.T) {
	s := Start(t)
	for range 5 {
		s.Pause()
		s.Pause()
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || !os.IsTimeout(err) {
			t.Errorf("a paused server answers: %d, %v", n, err)
		}
		s.Resume()
		s.Resume()
		_ = conn.SetReadDeadline(time.Now().Add(lookLimit))
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+PONG\r\n" {
			t.Errorf("after Resume: %q, %v", line, err)
		}
		conn.Close()
	}
	s.Pause()
	s.Kill()
	s.Restart()
	s.Pause() // the cleanup has to end a paused server
}

func TestLoadingServerAnswersLoading(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	s.RestartLoading()
	for range 3 {
		if got := s.CLI("SET", "key", "value"); !strings.HasPrefix(got, "LOADING ") {
			t.Errorf("SET: %q", got)
		}
	}
	s.Restart()
	if keys := s.Keys(); len(keys) != 0 {
		t.Errorf("%d keys stayed", len(keys))
	}
}

func TestTakenPortIsRecognised(t *testing.T) {
	first := Start(t)
	first.CLI("SET", "key", "value")
	second := &Server{t: t, binary: first.binary, dir: t.TempDir(), port: first.port}
	if err := second.start("PONG"); !errors.Is(err, errPortTaken) {
		t.Errorf("start on the port of another server: %v", err)
		second.Kill()
	}
	if got := first.Get("key"); got != "value" {
		t.Errorf("the first server's key: %q", got)
	}
}

func TestFailureToStartShowsTheLog(t *testing.T) {
	outcome := run(t, func(t testing.TB) { Start(t, "--maxmemory-policy", "nonsense") })
	if outcome.verdict != "fatal" || !strings.Contains(outcome.message, "maxmemory-policy") {
		t.Errorf("%s: %s", outcome.verdict, outcome.message)
	}
}

func TestMissingBinarySkipsButFailsInCI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for ci, verdict := range map[string]string{"": "skip", "false": "skip", "true": "fatal", "1": "fatal"} {
		t.Setenv("CI", ci)
		outcome := run(t, func(t testing.TB) { Start(t) })
		if outcome.verdict != verdict || !strings.Contains(outcome.message, "make test") {
			t.Errorf("CI=%q: %s: %s", ci, outcome.verdict, outcome.message)
		}
	}
}

func TestLookUpOfAKilledServerFailsTheTest(t *testing.T) {
	var server *Server
	outcome := run(t, func(t testing.TB) {
		server = Start(t)
		server.Kill()
		server.CLI("AUTH", "secret")
	})
	if outcome.verdict != "fatal" || !strings.Contains(outcome.message, server.Addr()) {
		t.Errorf("%s: %s", outcome.verdict, outcome.message)
	}
	if strings.Contains(outcome.message, "secret") {
		t.Errorf("a secret shows: %s", outcome.message)
	}
}

func TestNothingStartsAfterTheTest(t *testing.T) {
	var server *Server
	t.Run("", func(t *testing.T) { server = Start(t) })
	server.mu.Lock()
	err := server.start("PONG")
	server.mu.Unlock()
	if err == nil {
		server.Kill()
		t.Error("a server started after its test")
	}
}

// outcome is a testing.TB that remembers how the test ended, for tests of failures.
type outcome struct {
	testing.TB
	verdict, message string
}

func run(t *testing.T, test func(t testing.TB)) *outcome {
	o := &outcome{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(o)
	}()
	<-done
	return o
}

func (o *outcome) end(verdict, message string) {
	o.verdict, o.message = verdict, message
	runtime.Goexit()
}
func (o *outcome) Fatal(args ...any)                 { o.end("fatal", fmt.Sprint(args...)) }
func (o *outcome) Fatalf(format string, args ...any) { o.end("fatal", fmt.Sprintf(format, args...)) }
func (o *outcome) Skip(args ...any)                  { o.end("skip", fmt.Sprint(args...)) }

func TestMethodsMayBeCalledFromManyGoroutines(t *testing.T) {
	s := Start(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(s.Restart)
		all.Go(func() { _, _ = s.Addr(), s.URL() })
	}
	all.Wait()
	if got := s.CLI("PING"); got != "PONG" {
		t.Errorf("PING: %q", got)
	}
}

// The kernel sends the death signal when the thread that forked ends.
func TestServerOutlivesTheThreadThatStartedIt(t *testing.T) {
	started := make(chan *Server)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		started <- Start(t)
	}()
	s := <-started
	for range 20 {
		time.Sleep(time.Millisecond)
		if got := s.CLI("PING"); got != "PONG" {
			t.Fatalf("PING: %q", got)
		}
	}
}

func TestServerDiesWithTheTestBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux sends a signal when the parent dies")
	}
	const addrEnv = "REDISTEST_TELL_ADDRESS"
	if os.Getenv(addrEnv) != "" {
		os.Stdout.WriteString("address " + Start(t).Addr() + "\n")
		select {}
	}
	find(t)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), addrEnv+"=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = child.Process.Signal(syscall.SIGKILL)
	_ = child.Wait()
	addr, found := strings.CutPrefix(strings.TrimSpace(line), "address ")
	if err != nil || !found {
		t.Fatalf("the child said %q, %v", line, err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(pollPause) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server outlives the test binary")
		}
	}
}
