package rival

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/interop/arbiter"
)

// ending is how long a process has to end by itself once its input has.
const ending = 10 * time.Second

// Process is a library in a process of its own language. It reads requests and writes answers, a line of JSON each;
// several may be under way. It ends when its input does, so also when we are killed.
type Process struct {
	stderr bytes.Buffer  // read only after done
	done   chan struct{} // closed when it has ended

	mu      sync.Mutex // guards what follows
	stdin   io.WriteCloser
	last    int
	waiting map[int]chan<- answer // nil once no answer will come any more
}

type request struct {
	ID   int      `json:"id"`
	Op   string   `json:"op"`
	Keys []string `json:"keys,omitempty"`
	// All durations are in milliseconds.
	Expiration float64 `json:"expiration,omitempty"`
	Threshold  float64 `json:"threshold,omitempty"`
	Lock       int     `json:"lock,omitempty"`

	// Of a contest.
	Arbiter  string   `json:"arbiter,omitempty"`
	Enter    string   `json:"enter,omitempty"`
	Leave    string   `json:"leave,omitempty"`
	Contests []string `json:"contests,omitempty"`
	Ledgers  []string `json:"ledgers,omitempty"`
	Side     string   `json:"side,omitempty"`
	Workers  int      `json:"workers,omitempty"`
	Retry    float64  `json:"retry"`
	Pause    float64  `json:"pause"`
}

type answer struct {
	ID       int               `json:"id"`
	Error    string            `json:"error"`
	Refused  bool              `json:"refused"` // the library's own error for that
	Lock     int               `json:"lock"`
	Versions map[string]string `json:"versions"`
}

// startProcess starts a process. It ends with the test.
func startProcess(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	command := exec.Command(name, args...)
	p := &Process{done: make(chan struct{}), waiting: make(map[int]chan<- answer)}
	command.Stderr = &p.stderr
	command.WaitDelay = ending
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var result error
	go func() {
		defer close(p.done)
		p.listen(stdout)
		result = command.Wait()
	}()
	t.Cleanup(func() {
		stdin.Close()
		select {
		case <-p.done:
		case <-time.After(ending):
			t.Errorf("%s %q goes on without input", name, args)
			_ = command.Process.Kill()
			<-p.done
		}
		if result != nil {
			t.Errorf("%s %q: %v\n%s", name, args, result, &p.stderr)
		} else if p.stderr.Len() > 0 { // a warning, of a newer version perhaps
			t.Logf("%s %q: %s", name, args, &p.stderr)
		}
	})
	return p
}

// listen hands out answers until there are no more.
func (p *Process) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			a = answer{Error: "not an answer: " + lines.Text()}
		}
		p.mu.Lock()
		waiting := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // after a line that is too long
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, waiting := range p.waiting {
		close(waiting)
	}
	p.waiting = nil
}

var errEnded = errors.New("the process has ended")

// ask sends a request and waits for its answer. A refusal of the library is the error refusal.
func (p *Process) ask(ctx context.Context, r request, refusal error) (answer, error) {
	answers := make(chan answer, 1)
	p.mu.Lock()
	if p.waiting == nil {
		p.mu.Unlock()
		return answer{}, errEnded
	}
	p.last++
	r.ID = p.last
	p.waiting[r.ID] = answers
	line, err := json.Marshal(r)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	select {
	case a, answered := <-answers:
		switch {
		case !answered:
			return answer{}, errEnded
		case a.Refused:
			return a, fmt.Errorf("%w: %s", refusal, a.Error)
		case a.Error != "":
			return a, fmt.Errorf("%s: %s", r.Op, a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%s: no answer: %w", r.Op, context.Cause(ctx))
	}
}

// Versions are those of everything that takes part, by name.
func (p *Process) Versions(ctx context.Context) (map[string]string, error) {
	a, err := p.ask(ctx, request{Op: "versions"}, nil)
	return a.Versions, err
}

func (p *Process) Acquire(ctx context.Context, expiration time.Duration, keys ...string) (Lock, error) {
	a, err := p.ask(ctx, request{Op: "acquire", Keys: keys, Expiration: milliseconds(expiration)}, ErrTaken)
	if err != nil {
		return nil, err
	}
	return processLock{p, a.Lock}, nil
}

// Using holds the keys as node-redlock 5 does within using, which extends them by itself when no more than threshold is
// left. End ends that.
func (p *Process) Using(ctx context.Context, expiration, threshold time.Duration, keys ...string) (
	end func(context.Context) error, err error,
) {
	r := request{Op: "using", Keys: keys, Expiration: milliseconds(expiration), Threshold: milliseconds(threshold)}
	a, err := p.ask(ctx, r, ErrTaken)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := p.ask(ctx, request{Op: "end", Lock: a.Lock}, ErrNotHeld)
		return err
	}, nil
}

func (p *Process) Contend(ctx context.Context, c Contest) error {
	r := request{
		Op: "contend", Keys: c.Keys, Expiration: milliseconds(c.Expiration), Arbiter: c.Arbiter.URL, Enter: arbiter.Enter,
		Leave: arbiter.Leave, Side: Side, Workers: c.Workers, Retry: milliseconds(c.Retry), Pause: milliseconds(c.Pause),
	}
	for _, key := range c.Witnessed {
		r.Contests = append(r.Contests, arbiter.Contest(key))
		r.Ledgers = append(r.Ledgers, arbiter.Ledger(key))
	}
	_, err := p.ask(ctx, r, ErrNotHeld)
	return err
}

type processLock struct {
	process *Process
	id      int
}

func (l processLock) Release(ctx context.Context) error {
	_, err := l.process.ask(ctx, request{Op: "release", Lock: l.id}, ErrNotHeld)
	return err
}

func (l processLock) Extend(ctx context.Context, expiration time.Duration) error {
	_, err := l.process.ask(ctx, request{Op: "extend", Lock: l.id, Expiration: milliseconds(expiration)}, ErrNotHeld)
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
