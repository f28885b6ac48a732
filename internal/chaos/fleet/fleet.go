// Package fleet is a few redis-servers, each behind proxies, and the faults that can befall them.
package fleet

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// Persistence is what a server keeps on disk.
type Persistence string

const (
	// Nothing: what was in memory is lost with the process.
	Nothing Persistence = "none"
	// Everysec: an append-only file that is brought to the disk each second.
	Everysec Persistence = "everysec"
	// Always: an append-only file that is brought to the disk before a command is answered.
	Always Persistence = "always"
)

// Node is one server. Its methods are for the test's own goroutine, as redistest's are.
type Node struct {
	t           testing.TB
	Server      *redistest.Server
	Persistence Persistence
	proxy       *redistest.Proxy
	front       *front
	dir         string // of the append-only file
	sizes       *sizes // of it; nil unless Everysec
}

// Start starts a server for each of the persistences. They end with the test.
func Start(t testing.TB, persistences ...Persistence) []*Node {
	t.Helper()
	nodes := make([]*Node, len(persistences))
	for i, p := range persistences {
		nodes[i] = start(t, p)
	}
	return nodes
}

func start(t testing.TB, p Persistence) *Node {
	t.Helper()
	n := &Node{t: t, Persistence: p, dir: t.TempDir()}
	args := []string{"--dir", n.dir}
	if p != Nothing {
		args = append(args, "--appendonly", "yes", "--appendfsync", string(p))
	}
	n.Server = redistest.Start(t, args...)
	n.proxy = redistest.NewProxy(t, n.Server.Addr())
	n.front = newFront(t, n.proxy.Addr())
	if p == Everysec {
		n.sizes = watchSizes(t, n.appendOnlyFile)
	}
	return n
}

// URL is where clients reach the node: behind its proxies.
func (n *Node) URL() string { return n.front.url() }

// URLs are those of all nodes.
func URLs(nodes []*Node) []string {
	urls := make([]string, len(nodes))
	for i, n := range nodes {
		urls[i] = n.URL()
	}
	return urls
}

// RestartEmpty kills the server and starts it again without what it had on disk.
func (n *Node) RestartEmpty() {
	n.Server.Kill()
	n.forgetDisk()
	n.Server.Restart()
}

func (n *Node) forgetDisk() {
	if err := os.RemoveAll(filepath.Join(n.dir, "appendonlydir")); err != nil {
		n.t.Fatal(err)
	}
	if n.sizes != nil {
		n.sizes.forget()
	}
}

// cutPower kills the server and takes from its append-only file what a disk may not have had yet: everything after what
// was there a second ago.
func (n *Node) cutPower() {
	n.Server.Kill()
	if n.sizes == nil {
		return
	}
	path := n.appendOnlyFile()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, min(info.Size(), n.sizes.ago(time.Second)))
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.sizes.forget()
}

// appendOnlyFile is the one that is written to, "" if there is none now.
func (n *Node) appendOnlyFile() string {
	files, _ := filepath.Glob(filepath.Join(n.dir, "appendonlydir", "*.incr.aof"))
	if len(files) == 0 {
		return ""
	}
	return files[len(files)-1]
}

// sizes remembers how large a file was in the last seconds.
type sizes struct {
	mu    sync.Mutex // guards what follows
	times []time.Time
	sizes []int64
}

// watchSizes looks at the file now and then until the test ends.
func watchSizes(t testing.TB, path func() string) *sizes {
	s := new(sizes)
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if info, err := os.Stat(path()); err == nil {
				s.add(time.Now(), info.Size())
			}
		}
	}()
	return s
}

func (s *sizes) add(at time.Time, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times, s.sizes = append(s.times, at), append(s.sizes, size)
	if keep := 100; len(s.times) > keep {
		s.times, s.sizes = s.times[1:], s.sizes[1:]
	}
}

// ago is the size that the file had that long ago; zero if it isn't so old.
func (s *sizes) ago(d time.Duration) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.times) - 1; i >= 0; i-- {
		if time.Since(s.times[i]) >= d {
			return s.sizes[i]
		}
	}
	return 0
}

// forget begins anew: the file was cut.
func (s *sizes) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times, s.sizes = nil, nil
}

func (n *Node) String() string { return fmt.Sprintf("%s (%s)", n.Server.Addr(), n.Persistence) }

// Settle waits until the node answers through its proxies.
func (n *Node) Settle() {
	n.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := ping(n.front.listener.Addr().String())
		if err == nil {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("%v: %v", n, err)
		}
	}
}

// ping has a server answer a PING over a connection of its own.
func ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, len("+PONG\r\n"))
	_, err = io.ReadFull(conn, answer)
	return err
}
