// Package redisserver runs the redis-server processes of a benchmark: on loopback, keeping nothing on disk, and ended with
// the benchmark however that ends.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

const (
	// startLimit is how long a server may take until it answers.
	startLimit = 10 * time.Second
	pollPause  = 2 * time.Millisecond
	// portAttempts is how many ports are tried: others may take one between our choice and the server's bind.
	portAttempts = 20
)

// Fleet is all the servers of a run.
type Fleet struct {
	dir string

	mu      sync.Mutex // guards what follows
	servers map[*Server]bool
	count   int // started so far
	closed  bool
}

// NewFleet returns a fleet without servers. Close ends it.
func NewFleet() (*Fleet, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("the benchmark needs redis-server in PATH: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutexgen-bench-")
	if err != nil {
		return nil, err
	}
	return &Fleet{dir: dir, servers: make(map[*Server]bool)}, nil
}

// Close kills every server and waits for its end. No server starts after it.
func (f *Fleet) Close() {
	f.mu.Lock()
	f.closed = true
	servers := make([]*Server, 0, len(f.servers))
	for s := range f.servers {
		servers = append(servers, s)
	}
	f.mu.Unlock()
	for _, s := range servers {
		s.Close()
	}
	_ = os.RemoveAll(f.dir)
}

// Start starts n servers, each independent of the others, and returns when they answer.
func (f *Fleet) Start(ctx context.Context, n int) (Servers, error) {
	var servers Servers
	for range n {
		s, err := f.start(ctx)
		if err != nil {
			servers.Close()
			return nil, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func (f *Fleet) start(ctx context.Context) (*Server, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("redis-server: not started: the benchmark has ended")
	}
	f.count++
	s := &Server{fleet: f, dir: filepath.Join(f.dir, strconv.Itoa(f.count))}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	for range portAttempts {
		if s.port, s.release, err = port.Take(); err != nil {
			return nil, err
		}
		if err = s.run(ctx); err == nil {
			f.servers[s] = true
			return s, nil
		}
		s.release()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// Server is one redis-server.
type Server struct {
	fleet   *Fleet
	dir     string
	port    int
	release func() // gives the port back
	admin   *redis.Client

	mu      sync.Mutex // guards process
	process *process   // nil after Kill
}

// Addr is the server's host:port. It stays the same over Kill and Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// run starts the process and waits for its answer. On error nothing is left running.
func (s *Server) run(ctx context.Context) error {
	logPath := filepath.Join(s.dir, "redis-server.log")
	p, err := startProcess(logPath, "redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
		"--daemonize", "no", "--dir", s.dir, "--save", "", "--appendonly", "no")
	if err != nil {
		return err
	}
	s.admin = redis.NewClient(&redis.Options{
		Addr: s.Addr(), PoolSize: 1, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if err := s.awaitAnswer(ctx, p); err != nil {
		s.admin.Close()
		p.kill()
		log, _ := os.ReadFile(logPath)
		_ = os.Remove(logPath)
		return fmt.Errorf("redis-server %s: %w\n%s", s.Addr(), err, log)
	}
	s.process = p
	return nil
}

// awaitAnswer returns when this process answers, and not one that took the port before it. It doesn't leave it to go-redis
// to find out that nobody listens yet: after a failed dial that waits for a second.
func (s *Server) awaitAnswer(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
		if err == nil {
			conn.Close()
			text, err := s.admin.Info(ctx, "server").Result()
			if err != nil {
				return err
			}
			if Field(text, "process_id") != strconv.Itoa(p.pid) {
				return errors.New("another server has the port")
			}
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended by itself: %v", p.result)
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		case <-time.After(pollPause):
		}
	}
}

// Kill ends the process as a power cut would, also one that is paused, and returns when it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.process == nil {
		return
	}
	s.process.kill()
	s.process = nil
	s.admin.Close()
}

// Restart starts a killed server again, empty, on its port.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return nil
	}
	return s.run(ctx)
}

// Pause stops the process: connections stay open and are accepted, nothing is answered. It returns when the process
// stands still.
func (s *Server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("redis-server: Pause: it doesn't run")
	}
	return s.process.pause()
}

// Resume lets a paused process go on, with all that was sent to it meanwhile.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("redis-server: Resume: it doesn't run")
	}
	return s.process.resume()
}

// Close ends the server for good.
func (s *Server) Close() {
	s.Kill()
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	if s.fleet.servers[s] {
		delete(s.fleet.servers, s)
		s.release()
	}
}

// Field is one field of INFO's text, empty if it has none of that name.
func Field(info, name string) string {
	for line := range strings.SplitSeq(info, "\r\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return value
		}
	}
	return ""
}
