// Package redistest gives our own tests real redis-server processes on loopback ports, and a TCP proxy with faults to
// put before them. Whatever a test starts ends with that test, and with the test binary if that is killed.
package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

const (
	// startLimit is how long a server may take until it answers, on a machine that is busy with other tests.
	startLimit = 20 * time.Second
	// pollPause lies between two looks at something that another process is about to do.
	pollPause = 2 * time.Millisecond
	// portAttempts is how many ports Start tries: a program that knows nothing of package port may take one between our
	// choice and the server's bind.
	portAttempts = 20
)

// Server is one redis-server process, or after Kill its place: address and arguments.
//
// Methods that fail end the test (t.Fatal), so they belong in the test's own goroutine.
type Server struct {
	t        testing.TB
	binary   string
	dir      string
	port     int
	args     []string
	password string
	// fileAndMode are a configuration file and --sentinel; empty for a server.
	fileAndMode []string

	mu      sync.Mutex // guards what follows; held through Kill, Restart, Pause and Resume
	process *process   // nil after Kill
	release func()     // gives the port back
	ended   bool       // the test is over: nothing starts any more
	lookUps int64      // commands that Commands itself caused since the process began
}

// Start starts a redis-server that keeps nothing on disk and ends with the test. The args come after our own and so may
// change any of them but the port: Start(t, "--requirepass", "secret"). CLI and the other look-ups authenticate with
// the password of --requirepass by themselves.
//
// Without redis-server in PATH the test is skipped, in CI (environment variable CI) it fails.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, nil, passwordOf(args), args)
}

// start starts a process; the file and mode, if any, come before all options.
func start(t testing.TB, fileAndMode []string, password string, args []string) *Server {
	t.Helper()
	s := &Server{t: t, binary: find(t), dir: t.TempDir(), fileAndMode: fileAndMode, args: args, password: password}
	t.Cleanup(s.end)
	for range portAttempts {
		number, release, err := port.Take()
		if err != nil {
			t.Fatal(err)
		}
		s.port = number
		err = s.start("PONG")
		if err == nil {
			s.release = release
			return s
		}
		release()
		if !errors.Is(err, errPortTaken) {
			t.Fatal(err)
		}
	}
	t.Fatalf("redis-server: no free port in %d attempts", portAttempts)
	return nil
}

// StartN starts n servers, each independent of the others.
func StartN(t testing.TB, n int, args ...string) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	for i := range servers {
		servers[i] = Start(t, args...)
	}
	return servers
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server's address as redis://host:port, without a password.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Kill ends the process as a power cut would (SIGKILL), also when it is paused, and returns when it is gone.
// Killing a server that is not there does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

// Restart kills the process if it still runs and starts it again on the same port with the same arguments: empty, unless
// these arguments or a SAVE of the test kept something on disk. It returns when the server answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	s.startAgain("PONG")
}

// RestartLoading kills the process and starts it again with so much to read from disk that it answers LOADING to
// everything for some 20 seconds, or until the next Kill or Restart. The keys of the server are lost.
func (s *Server) RestartLoading() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	// Keys of 1 KiB uncompressed, each loaded 2 ms long: the server looks at its connections after each of them.
	s.must("CONFIG", "SET", "rdbcompression", "no")
	s.must("EVAL", `for i = 1, 10000 do redis.call("SET", "ballast:" .. i, string.rep("x", 1024)) end`, "0")
	s.must("SAVE")
	file := s.must("CONFIG", "GET", "dbfilename").elements[1].text
	s.kill()
	s.startAgain("LOADING", "--appendonly", "no",
		"--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
	_ = os.Remove(filepath.Join(s.dir, file)) // the process has it open
}

// startAgain starts the process on the port that it had. Somebody else may hold that for a moment.
func (s *Server) startAgain(answer string, extra ...string) {
	s.t.Helper()
	for deadline := time.Now().Add(startLimit); ; time.Sleep(10 * pollPause) {
		err := s.start(answer, extra...)
		if err == nil {
			return
		}
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

// Pause stops the process (SIGSTOP) and returns when it stands still: connections stay open and are accepted, nothing
// is answered. What was sent meanwhile is executed after Resume.
func (s *Server) Pause() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.t.Fatalf("redis-server %s: Pause: it doesn't run", s.Addr())
	}
	if err := pause(s.process.pid); err != nil {
		s.t.Fatalf("redis-server %s: Pause: %v", s.Addr(), err)
	}
}

// Resume lets a paused process go on (SIGCONT). On one that isn't paused it does nothing.
func (s *Server) Resume() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		s.t.Fatalf("redis-server %s: Resume: it doesn't run", s.Addr())
	}
	if err := resume(s.process.pid); err != nil {
		s.t.Fatalf("redis-server %s: Resume: %v", s.Addr(), err)
	}
}

// end is the test's cleanup.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.kill()
	if s.release != nil {
		s.release()
	}
}

func (s *Server) kill() {
	if s.process == nil {
		return
	}
	s.process.kill()
	s.process = nil
}

// errPortTaken says that another port, or the same one later, may do.
var errPortTaken = errors.New("the port is taken")

// start starts the process on s.port and waits until its answer to PING begins with the one given. On error nothing is
// left running.
func (s *Server) start(answer string, extra ...string) error {
	if s.ended {
		return fmt.Errorf("redis-server %s: not started: its test is over", s.Addr())
	}
	logPath := filepath.Join(s.dir, "redis-server.log")
	args := append(slices.Clone(s.fileAndMode),
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--daemonize", "no", "--dir", s.dir)
	if s.fileAndMode == nil {
		args = append(args, "--save", "", "--appendonly", "no")
	}
	args = append(args, slices.Concat(s.args, extra)...)
	p, err := startProcess(s.binary, args, logPath)
	if err != nil {
		return err
	}
	if err := s.waitForAnswer(p, answer); err != nil {
		p.kill()
		log, _ := os.ReadFile(logPath)
		if strings.Contains(string(log), "Address already in use") {
			_ = os.Remove(logPath) // the next attempt must not read this one's reason
			err = errPortTaken
		}
		return fmt.Errorf("redis-server %s %q: %w\n%s", s.Addr(), s.args, err, log)
	}
	s.process, s.lookUps = p, 0
	return nil
}

// waitForAnswer returns when the process answers PING as wanted. That it is this process is asked for by its id: if another server
// took the port first, that one would answer too.
func (s *Server) waitForAnswer(p *process, answer string) error {
	var last error
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); {
		replies, err := ask(s.Addr(), s.password, time.Second, []string{"INFO", "server"}, []string{"PING"})
		switch {
		case err != nil:
			last = err
		case infoField(replies[0].text, "process_id") != strconv.Itoa(p.pid):
			if replies[0].isError() {
				last = fmt.Errorf("INFO: %s", replies[0].text)
				break
			}
			return errPortTaken
		case strings.HasPrefix(replies[1].text, answer):
			return nil
		default:
			last = fmt.Errorf("PING: %s", replies[1].text)
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended by itself: %v", p.result)
		case <-time.After(pollPause):
		}
	}
	return fmt.Errorf("no answer within %v: %w", startLimit, last)
}

// find returns the path of redis-server, or ends the test.
func find(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path
	}
	const message = "this test needs redis-server in PATH: run `make test`, which installs it, " +
		"or `apt-get install redis-server`, or `brew install redis`"
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

func passwordOf(args []string) string {
	if i := slices.Index(args, "--requirepass"); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}
