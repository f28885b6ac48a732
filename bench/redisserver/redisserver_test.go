//go:build linux

package redisserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func fleet(t *testing.T) *Fleet {
	t.Helper()
	f, err := NewFleet()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(f.Close)
	return f
}

func start(t *testing.T, f *Fleet, n int) Servers {
	t.Helper()
	servers, err := f.Start(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

func set(t *testing.T, s *Server, key string) {
	t.Helper()
	if err := s.admin.Set(t.Context(), key, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestServersAreIndependent(t *testing.T) {
	servers := start(t, fleet(t), 2)
	set(t, servers[0], "a")
	set(t, servers[1], "a")
	set(t, servers[1], "b")
	keys, err := servers.Keys(t.Context())
	if err != nil || len(keys) != 2 || keys["a"] != 2 || keys["b"] != 1 {
		t.Errorf("keys: %v, %v", keys, err)
	}
	version, err := servers.Version(t.Context())
	if err != nil || !strings.Contains(version, ".") {
		t.Errorf("version: %q, %v", version, err)
	}
}

func TestAPausedServerIsSilentUntilItGoesOn(t *testing.T) {
	s := start(t, fleet(t), 1)[0]
	for range 2 {
		if err := s.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.admin.Ping(ctx).Err(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server: %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.admin.Ping(t.Context()).Err(); err != nil {
		t.Errorf("a server that goes on: %v", err)
	}
}

func TestAKilledServerComesBackEmptyAtItsAddress(t *testing.T) {
	servers := start(t, fleet(t), 1)
	s := servers[0]
	addr := s.Addr()
	set(t, s, "a")
	s.Kill()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("somebody listens at the address of a killed server")
	}
	if keys, err := servers.Keys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("a killed server has keys: %v, %v", keys, err)
	}
	for _, err := range []error{s.Pause(), s.Resume()} {
		if err == nil {
			t.Error("a killed server was paused or resumed")
		}
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, err := servers.Keys(t.Context()); err != nil || len(keys) != 0 || s.Addr() != addr {
		t.Errorf("at %s, before %s: %v, %v", s.Addr(), addr, keys, err)
	}
}

func TestCommandsInsideScriptsCountAndOurOwnDoNot(t *testing.T) {
	servers := start(t, fleet(t), 2)
	before, err := servers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set(t, servers[0], "a")
	if err := servers[1].admin.Eval(t.Context(), `redis.call("set", KEYS[1], 1) return redis.call("get", KEYS[1])`, []string{"b"}).Err(); err != nil {
		t.Fatal(err)
	}
	after, err := servers.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// set, eval, set, get; and the handshake of a second connection, if go-redis made one.
	got := after.Since(before, len(servers))
	if got["set"] != 2 || got["get"] != 1 || got["eval"] != 1 || got["info"] != 0 || got.Total() < 4 {
		t.Errorf("counted %v", got)
	}
}

func TestLeftoverWaitsForKeysToGo(t *testing.T) {
	servers := start(t, fleet(t), 1)
	if err := servers[0].admin.Set(t.Context(), "a", "x", 100*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if left, err := servers.Leftover(t.Context(), 5*time.Second); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	set(t, servers[0], "b")
	if left, err := servers.Leftover(t.Context(), 50*time.Millisecond); err != nil || left["b"] != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCloseEndsEveryServerAlsoThePausedAndLeavesNoFile(t *testing.T) {
	f := fleet(t)
	servers := start(t, f, 3)
	var pids []int
	for _, s := range servers {
		pids = append(pids, s.process.pid)
	}
	if err := servers[1].Pause(); err != nil {
		t.Fatal(err)
	}
	servers[2].Close()
	f.Close()
	f.Close()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is there: %v", pid, err)
		}
	}
	if _, err := os.Stat(f.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if _, err := f.Start(t.Context(), 1); err == nil {
		t.Error("a server was started after the end")
	}
}

func TestACancelledStartLeavesNothing(t *testing.T) {
	f := fleet(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Start(ctx, 2); err == nil {
		t.Error("no error")
	}
	if len(f.servers) != 0 {
		t.Errorf("%d servers", len(f.servers))
	}
}

// A benchmark that is killed cannot clean up; the kernel does.
func TestServersEndWithAProgramThatIsKilled(t *testing.T) {
	const variable = "REDISSERVER_TEST_CHILD"
	if os.Getenv(variable) != "" {
		f, err := NewFleet()
		if err != nil {
			os.Exit(1)
		}
		servers, err := f.Start(context.Background(), 1)
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString(strconv.Itoa(servers[0].process.pid) + " " + f.dir + "\n")
		select {}
	}
	fleet(t) // or skip
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), variable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	text, dir, found := strings.Cut(strings.TrimSpace(line), " ")
	pid, convErr := strconv.Atoi(text)
	_ = child.Process.Kill()
	_ = child.Wait()
	if err != nil || !found || convErr != nil {
		t.Fatalf("the child said %q: %v", line, err)
	}
	defer os.RemoveAll(dir)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) || zombie(pid) {
			return
		}
		if time.Now().After(end) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("redis-server %d outlives the program", pid)
		}
	}
}

// zombie says that the process has ended, and that whoever inherited it has not looked yet.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
