package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/chaos/history"
)

// environment is the variable by which a process knows that it is a worker, and what it is to do.
const environment = "MUTEXGEN_CHAOS_WORKER"

// RunIfAsked makes this process a worker and ends it, if it was started as one. TestMain calls it first: the test binary
// starts itself.
func RunIfAsked() {
	text, asked := os.LookupEnv(environment)
	if !asked {
		return
	}
	var c Config
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = Run(c, os.Stdin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Process is a worker that was started.
type Process struct {
	t       testing.TB
	Config  Config
	command *exec.Cmd
	stdin   io.Closer
	stderr  bytes.Buffer
	done    chan struct{} // closed when it has ended and was waited for
	result  error         // of waiting; read only after done
	killed  bool
}

// Start starts a process. It ends with the test, if not before.
func Start(t testing.TB, c Config) *Process {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, Config: c, command: exec.Command(os.Args[0]), done: make(chan struct{})}
	p.command.Env = append(os.Environ(), environment+"="+string(text))
	p.command.Stderr = &p.stderr
	p.command.SysProcAttr = diesWithUs()
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	// The kernel sends the death signal when the thread that forked ends.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.result = p.command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.done
	})
	return p
}

// Stop stops the process until Continue.
func (p *Process) Stop() { p.signal(syscall.SIGSTOP) }

// Continue lets a stopped process go on.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Fatalf("process %d: %v: %v", p.Config.Process, s, err)
	}
}

// Kill kills the process, and returns a time at which it was still alive.
func (p *Process) Kill(clock history.Clock) int64 {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("process %d ended by itself: %v\n%s", p.Config.Process, p.result, &p.stderr)
	default:
	}
	alive := clock.Now()
	p.killed = true
	p.signal(syscall.SIGKILL)
	<-p.done
	return alive
}

// patience is how long a process may take to release what it holds and to end.
const patience = 30 * time.Second

// End asks the process to end, if it wasn't killed, and returns when it has. What went wrong in it fails the test; of one that
// hangs the stacks of its goroutines are shown.
func (p *Process) End() {
	p.t.Helper()
	if p.killed {
		return
	}
	p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("process %d hangs", p.Config.Process)
		p.signal(syscall.SIGQUIT)
		<-p.done
	}
	if p.result != nil {
		p.t.Errorf("process %d: %v\n%s", p.Config.Process, p.result, &p.stderr)
	}
}
