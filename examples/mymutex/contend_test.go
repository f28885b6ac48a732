package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// contentionLimit is far more than a thousand locks take.
const contentionLimit = time.Minute

func TestTwoProcessesContendAThousandTimesAndThereAreNeverTwoHolders(t *testing.T) {
	env, servers := threeServers(t)
	ctx, cancel := context.WithTimeout(t.Context(), contentionLimit)
	defer cancel()
	witness := filepath.Join(t.TempDir(), "witness")

	var processes []*process
	for range 2 {
		p := command(ctx, env, "-contend", "500", "-witness", witness)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(); err != nil {
			t.Errorf("%v: %s", err, &p.stderr)
		}
		if want := "held invoice:number 500 times, never beside somebody else\n"; p.stdout.String() != want {
			t.Errorf("it says %q, not %q", &p.stdout, want)
		}
	}
	for _, server := range servers {
		if keys := server.Keys(); len(keys) > 0 {
			t.Errorf("they left the keys %q", keys)
		}
	}
}

// The witness would tell: processes that don't share their servers meet.
func TestTwoProcessesOnDifferentServersMeet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), contentionLimit)
	defer cancel()
	witness := filepath.Join(t.TempDir(), "witness")

	ended := make(chan error, 2)
	for _, server := range redistest.StartN(t, 2) {
		p := command(ctx, []string{"REDIS_URL=" + server.URL()}, "-contend", "1000000", "-witness", witness)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			err := p.Wait()
			ended <- fmt.Errorf("exit code %d: %s (%v)", p.ProcessState.ExitCode(), &p.stderr, err)
		}()
	}
	if err := <-ended; !strings.HasPrefix(err.Error(), "exit code 1: mymutex: two holders: ") {
		t.Error("it ended with", err)
	}
	cancel() // the other one may go on for long
	<-ended
}

func TestAWitnessThatExistsMeansTwoHolders(t *testing.T) {
	server := redistest.Start(t)
	witness := filepath.Join(t.TempDir(), "witness")
	if err := os.WriteFile(witness, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := command(t.Context(), []string{"REDIS_URL=" + server.URL()}, "-contend", "1", "-witness", witness)
	_ = p.Run() // the exit code is compared
	if code := p.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "two holders") {
		t.Errorf("exit code %d: %s", code, &p.stderr)
	}
	if keys := server.Keys(); len(keys) > 0 {
		t.Errorf("it left the keys %q", keys)
	}
}

func TestAnInterruptLeavesNoLockBehind(t *testing.T) {
	server := redistest.Start(t)
	witness := filepath.Join(t.TempDir(), "witness")
	p := command(t.Context(), []string{"REDIS_URL=" + server.URL()}, "-contend", "1000000", "-witness", witness)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for before := server.Commands(); server.Commands() < before+100; {
		time.Sleep(time.Millisecond) // until it is well under way
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // the exit code is compared
	if code := p.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "context canceled") {
		t.Errorf("exit code %d: %s", code, &p.stderr)
	}
	if keys := server.Keys(); len(keys) > 0 {
		t.Errorf("it left the keys %q", keys)
	}
	if _, err := os.Stat(witness); !os.IsNotExist(err) {
		t.Errorf("it left the witness: %v", err)
	}
}
