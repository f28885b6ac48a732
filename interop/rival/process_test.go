package rival

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/interop/arbiter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is a testing.TB that remembers how a test ended, for tests of failures.
type outcome struct {
	testing.TB
	verdict, message string
	cleanups         []func()
}

// run runs a test, with its cleanups.
func run(t *testing.T, test func(t testing.TB)) *outcome {
	o := &outcome{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := range o.cleanups {
				o.cleanups[len(o.cleanups)-1-i]()
			}
		}()
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
func (o *outcome) Skipf(format string, args ...any)  { o.end("skip", fmt.Sprintf(format, args...)) }
func (o *outcome) Errorf(format string, args ...any) {
	o.verdict, o.message = "error", fmt.Sprintf(format, args...)
}
func (o *outcome) Cleanup(f func()) { o.cleanups = append(o.cleanups, f) }

// A process ends when its test does, whatever it is doing: here it waits for a lock, contends for another, and holds a
// third.
func TestAProcessEndsWithItsInput(t *testing.T) {
	for _, library := range []Library{Redlock4, Redlock5, RedisPy} {
		t.Run(library.Name, func(t *testing.T) {
			server, a := redistest.Start(t), arbiter.New(t)
			a.Open("key", arbiter.Goal{Holds: 1 << 30})
			c := Contest{
				Arbiter: a, Keys: []string{"key"}, Witnessed: []string{"key"}, Workers: 2, Expiration: time.Minute,
				Retry: time.Millisecond,
			}
			waits := c
			waits.Keys = []string{"taken"}
			server.CLI("SET", "taken", "somebody's")
			contended := make(chan error, 2)
			var p *Process
			t.Run("", func(t *testing.T) {
				p = library.Open(t, server.URL()).(*Process)
				if _, err := p.Acquire(t.Context(), time.Minute, "held"); err != nil {
					t.Fatal(err)
				}
				for _, c := range []Contest{c, waits} {
					go func() { contended <- p.Contend(context.Background(), c) }()
				}
				for deadline := time.Now().Add(ending); a.Verdict("key").Holds < 10; time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("it doesn't contend")
					}
				}
			})
			for range 2 {
				if err := <-contended; !errors.Is(err, errEnded) {
					t.Errorf("a contest that ended with the process: %v", err)
				}
			}
			if _, err := p.Acquire(t.Context(), time.Minute, "key"); !errors.Is(err, errEnded) {
				t.Errorf("a request after the end: %v", err)
			}
		})
	}
}

func TestAProcessThatFailsIsAnErrorWithWhatItSaid(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	var asked error
	o := run(t, func(t testing.TB) {
		p := startProcess(t, sh, "-c", "read line; echo nonsense; echo '{\"id\":77}'; echo it is broken >&2; exit 3")
		_, asked = p.Acquire(context.Background(), time.Minute, "key")
	})
	if !errors.Is(asked, errEnded) {
		t.Errorf("the request: %v", asked)
	}
	if o.verdict != "error" || !contains(o.message, "exit status 3", "it is broken") {
		t.Errorf("%s: %s", o.verdict, o.message)
	}
	if o := run(t, func(t testing.TB) { startProcess(t, "/does/not/exist") }); o.verdict != "fatal" {
		t.Errorf("%s: %s", o.verdict, o.message)
	}
}

// Who cannot be asked is an error, and none of the two that mean something: neither a refusal nor a lock that is gone. Only
// node-redlock 4 and redlock-go do not tell the difference.
func TestAServerThatIsDownIsNoRefusal(t *testing.T) {
	redis.SetLogger(silent{})
	for _, library := range []Library{Redlock5, Redsync, Redislock, RedisPy, Lyokato} {
		t.Run(library.Name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			locker := library.Open(t, server.URL())
			lock, err := locker.Acquire(t.Context(), time.Minute, "key")
			if err != nil {
				t.Fatal(err)
			}
			server.Kill()
			if _, err := locker.Acquire(t.Context(), time.Minute, "other"); err == nil || errors.Is(err, ErrTaken) {
				t.Errorf("an acquire: %v", err)
			}
			if err := lock.Release(t.Context()); err == nil || errors.Is(err, ErrNotHeld) {
				t.Errorf("a release: %v", err)
			}
		})
	}
}

// silent keeps go-redis from writing a line for each failure.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
