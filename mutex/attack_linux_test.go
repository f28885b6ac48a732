package mutex_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// deaf is an address whose connections are never established: the line of those that wait to be accepted is full.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}

func TestConnectionsThatAreNeverEstablished(t *testing.T) {
	t.Parallel()
	wantStranger(t, "redis", deaf(t))
}

// holderVariable tells a process of this test binary that it is the holder, and where; renewsVariable, that it renews.
const (
	holderVariable = "MUTEX_TEST_HOLDER"
	renewsVariable = "MUTEX_TEST_RENEWS"
)

// A process that was stopped for longer than its lock was valid must not go on as if it held it: the first look at the lock
// tells. Renewal makes no difference.
func TestHolderThatWasStoppedLearnsOfItsLossAtOnce(t *testing.T) {
	if url := os.Getenv(holderVariable); url != "" {
		holdUntilStopped(t, url)
		return
	}
	t.Parallel()
	for name, options := range map[string][]string{"not renewed": nil, "renewed": {renewsVariable + "=1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopHolder(t, options...)
		})
	}
}

func stopHolder(t *testing.T, env ...string) {
	server := redistest.Start(t)
	holder := exec.Command(os.Args[0], "-test.run=^TestHolderThatWasStoppedLearnsOfItsLossAtOnce$")
	holder.Env = append(append(os.Environ(), holderVariable+"="+server.URL()), env...)
	output, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	}()
	lines := bufio.NewScanner(output)
	says := func(want string) {
		t.Helper()
		for lines.Scan() {
			if line, ok := strings.CutPrefix(lines.Text(), "holder: "); ok {
				if line != want {
					t.Errorf("the holder says %q; want %q", line, want)
				}
				return
			}
		}
		t.Fatalf("the holder has ended; want it to say %q", want)
	}
	says("got the lock")
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	lock := acquire(t, at(open(t, on(server.URL())), "k"), mutex.WithWait(soon))
	time.Sleep(500 * time.Millisecond)
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	says("the lock is lost: true, Done says so: true, a release finds it not held: true")
	time.Sleep(20 * time.Millisecond)
	if server.Get("k") == "" || lock.Err() != nil {
		t.Error("the old holder has touched the new one's lock")
	}
	release(t, lock)
}

// holdUntilStopped is the holder. That it was stopped shows in the time between two looks at the clock.
func holdUntilStopped(t *testing.T, url string) {
	m := at(open(t, hasty(on(url))), "k")
	const expiration = 600 * time.Millisecond
	options := []mutex.AcquireOption{mutex.WithExpiration(expiration)}
	if os.Getenv(renewsVariable) != "" {
		options = append(options, mutex.WithRenewal())
	}
	lock, err := m.AcquireLock(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("holder: got the lock")
	for last := time.Now(); ; time.Sleep(time.Millisecond) {
		now := time.Now()
		if now.Sub(last) < expiration && now.Before(lock.Until()) {
			last = now
			continue
		}
		lost := errors.Is(lock.Err(), mutex.ErrLockLost)
		ended := false
		select {
		case <-lock.Done():
			ended = true
		default:
		}
		err := mutex.ReleaseLock(t.Context(), lock)
		fmt.Printf("holder: the lock is lost: %v, Done says so: %v, a release finds it not held: %v\n",
			lost, ended, errors.Is(err, mutex.ErrNotHeld))
		return
	}
}
