package main

import (
	"bytes"
	"context"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// binary is the built example. What is tested here is a process: what it prints, its exit code, and what several of them
// do to each other.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mymutex")
	if err != nil {
		log.Fatal(err)
	}
	binary = filepath.Join(dir, "mymutex.exe")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		log.Fatalf("go build: %v\n%s", err, output)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// process is the example, about to run with these arguments and, of all REDIS_ variables, these only.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func command(ctx context.Context, env []string, arguments ...string) *process {
	p := &process{Cmd: exec.CommandContext(ctx, binary, arguments...)}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "REDIS_") {
			p.Env = append(p.Env, variable)
		}
	}
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

// threeServers starts three real servers and names them in an environment.
func threeServers(t *testing.T) (env []string, servers []*redistest.Server) {
	t.Helper()
	servers = redistest.StartN(t, 3)
	return []string{"REDIS_A=" + servers[0].URL(), "REDIS_B=" + servers[1].URL(), "REDIS_C=" + servers[2].URL()}, servers
}

// shows runs the scenes within the time that a newcomer is promised, and compares what they print.
func shows(t *testing.T, golden string, env ...string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", golden))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p := command(ctx, env)
	if err := p.Run(); err != nil {
		t.Errorf("%v: %s", err, &p.stderr)
	}
	if got := p.stdout.String(); got != string(want) {
		t.Errorf("it shows\n%s\nnot %s:\n%s", got, golden, want)
	}
}

func TestItShowsTheSameEachTime(t *testing.T) {
	for range 2 {
		shows(t, "embedded.txt")
	}
}

func TestItShowsTheSameOnRealServers(t *testing.T) {
	env, servers := threeServers(t)
	shows(t, "three-servers.txt", env...)
	shows(t, "one-server.txt", "REDIS_URL="+servers[0].URL())
	for _, server := range servers {
		for _, key := range server.Keys() {
			if key != "{stock:lamp}:fence" { // which remembers the last token, for an hour
				t.Errorf("it left the key %q", key)
			}
		}
	}
}

func TestItRefusesWhatItCannotDo(t *testing.T) {
	tests := map[string]struct {
		env       []string
		arguments []string
		code      int
		stderr    string
	}{
		"one server of three": {
			env: []string{"REDIS_B=redis://localhost:6379"}, code: 1, stderr: "set all of REDIS_A, REDIS_B and REDIS_C, or none",
		},
		"a URL that is none": {
			env: []string{"REDIS_URL=redis:secret@localhost"}, code: 1, stderr: "a URL must begin with redis://",
		},
		"contention with itself": {arguments: []string{"-contend", "1"}, code: 1, stderr: "-contend needs servers"},
		"a negative number":      {arguments: []string{"-contend", "-1"}, code: 2, stderr: "invalid value"},
		"an argument":            {arguments: []string{"contend"}, code: 2, stderr: `unexpected argument "contend"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := command(t.Context(), test.env, test.arguments...)
			_ = p.Run() // the exit code is compared
			if code := p.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, not %d", code, test.code)
			}
			if got := p.stderr.String(); !strings.Contains(got, test.stderr) || strings.Contains(got, "secret") {
				t.Errorf("it says %q, not %q", got, test.stderr)
			}
			if p.stdout.Len() > 0 {
				t.Errorf("it shows %q", &p.stdout)
			}
		})
	}
}
