package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

// SentinelSet is a master, its replicas, and the sentinels that watch over them.
type SentinelSet struct {
	t testing.TB
	// Name is the master's name.
	Name string
	// Servers are the master at first, and its replicas.
	Servers []*Server
	// Sentinels are processes like servers.
	Sentinels []*Server
	options   SentinelOptions
	ports     map[*Server]int // for TLS
}

// SentinelOptions say what a SentinelSet is like; the zero value is one of two replicas and three sentinels.
type SentinelOptions struct {
	// Password is the sentinels'; ServerPassword the servers'.
	Password, ServerPassword string
	// Authority, if not nil, has servers and sentinels speak TLS among each other and with clients.
	Authority *Authority
	// ServerArgs are further arguments of every server.
	ServerArgs []string
}

// sentinelDown is how long a server must be silent until a sentinel takes it for down.
const sentinelDown = time.Second

// StartSentinels starts a set, and returns when its sentinels know of each other and of the replicas.
func StartSentinels(t testing.TB, options SentinelOptions) *SentinelSet {
	t.Helper()
	s := &SentinelSet{t: t, Name: "mymaster", options: options, ports: make(map[*Server]int)}
	for range 3 {
		s.Servers = append(s.Servers, s.startServer())
	}
	for range 3 {
		s.Sentinels = append(s.Sentinels, s.startSentinel())
	}
	s.WaitComplete()
	return s
}

// URL is redis+sentinel://host:port,…/name, or rediss+… with TLS, with the passwords.
func (s *SentinelSet) URL() string {
	scheme, query, user := "redis+sentinel", "", ""
	if s.options.Authority != nil {
		scheme, query = "rediss+sentinel", "?ca_file="+s.options.Authority.File
	}
	if s.options.Password != "" {
		query = "?" + strings.TrimPrefix(query+"&sentinel_password="+s.options.Password, "?")
		query = strings.Replace(query, "?&", "?", 1)
	}
	if s.options.ServerPassword != "" {
		user = ":" + s.options.ServerPassword + "@"
	}
	return scheme + "://" + user + strings.Join(s.SentinelAddrs(), ",") + "/" + s.Name + query
}

// SentinelAddrs are the addresses at which clients reach the sentinels.
func (s *SentinelSet) SentinelAddrs() []string {
	var addrs []string
	for _, one := range s.Sentinels {
		addrs = append(addrs, s.clientAddr(one))
	}
	return addrs
}

// clientAddr is where clients reach a process of the set.
func (s *SentinelSet) clientAddr(one *Server) string {
	if number, ok := s.ports[one]; ok {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	}
	return one.Addr()
}

// startServer starts one more server; the first is the master.
func (s *SentinelSet) startServer() *Server {
	s.t.Helper()
	args, number := s.tlsArgs()
	if s.options.ServerPassword != "" {
		args = append(args, "--requirepass", s.options.ServerPassword, "--masterauth", s.options.ServerPassword)
	}
	args = append(args, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
	if len(s.Servers) > 0 {
		_, master, _ := net.SplitHostPort(s.clientAddr(s.Servers[0]))
		args = append(args, "--replicaof", "127.0.0.1 "+master)
	}
	server := Start(s.t, append(args, s.options.ServerArgs...)...)
	if number != 0 {
		s.ports[server] = number
	}
	return server
}

// tlsArgs are the arguments for TLS, and its port; none, and zero, without.
func (s *SentinelSet) tlsArgs() ([]string, int) {
	s.t.Helper()
	if s.options.Authority == nil {
		return nil, 0
	}
	find(s.t)
	number, release, err := port.Take()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(release)
	cert, key := s.options.Authority.Certificate(0, "127.0.0.1")
	return append(tlsArgs(s.options.Authority, cert, key), "--tls-port", strconv.Itoa(number), "--tls-replication", "yes"), number
}

// startSentinel starts one more sentinel. It rewrites its file as it learns, so that a restarted one remembers.
func (s *SentinelSet) startSentinel() *Server {
	s.t.Helper()
	args, number := s.tlsArgs()
	dir := s.t.TempDir()
	path := filepath.Join(dir, "sentinel.conf")
	_, master, _ := net.SplitHostPort(s.clientAddr(s.Servers[0]))
	lines := []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %s 2", s.Name, master),
		fmt.Sprintf("sentinel down-after-milliseconds %s %d", s.Name, sentinelDown.Milliseconds()),
		fmt.Sprintf("sentinel failover-timeout %s 2000", s.Name),
		fmt.Sprintf("sentinel parallel-syncs %s 2", s.Name),
	}
	if s.options.ServerPassword != "" {
		lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", s.Name, s.options.ServerPassword))
	}
	if s.options.Password != "" {
		lines = append(lines, "requirepass "+s.options.Password, "sentinel sentinel-pass "+s.options.Password)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	one := start(s.t, []string{path, "--sentinel"}, s.options.Password, args)
	if number != 0 {
		s.ports[one] = number
	}
	// The sentinels look and talk, and vote again where votes were split, more often than theirs do in production, where a failover takes longer for that.
	one.must("SENTINEL", "DEBUG", "INFO-PERIOD", "500", "PUBLISH-PERIOD", "200", "ASK-PERIOD", "100", "PING-PERIOD", "300",
		"ELECTION-TIMEOUT", "1000")
	return one
}

// sentinelField is one field of what a sentinel knows of the master.
func (s *SentinelSet) sentinelField(one *Server, name string) string {
	s.t.Helper()
	words := strings.Split(one.CLI("SENTINEL", "MASTER", s.Name), "\n")
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == name {
			return words[i+1]
		}
	}
	return ""
}

// WaitComplete returns when every sentinel that runs knows two replicas and two other sentinels, and the replicas follow
// the master.
func (s *SentinelSet) WaitComplete() {
	s.t.Helper()
	s.wait("the set is complete", func() bool {
		for _, one := range s.Sentinels {
			if s.sentinelField(one, "num-slaves") != "2" || s.sentinelField(one, "num-other-sentinels") != "2" ||
				s.sentinelField(one, "flags") != "master" {
				return false
			}
		}
		replication := s.Master().CLI("INFO", "replication")
		return strings.Count(replication, "state=online") == 2
	})
}

// Master is the server that the first sentinel that answers names.
func (s *SentinelSet) Master() *Server {
	s.t.Helper()
	for _, one := range s.Sentinels {
		if !one.Answers() {
			continue
		}
		answer := strings.Split(one.CLI("SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name), "\n")
		for _, server := range s.Servers {
			if _, number, _ := net.SplitHostPort(s.clientAddr(server)); len(answer) == 2 && answer[1] == number {
				return server
			}
		}
	}
	s.t.Fatal("no sentinel names a master")
	return nil
}

// WaitForAnotherMaster returns the server that took the place of this one, once it is a master by its own word.
func (s *SentinelSet) WaitForAnotherMaster(old *Server) *Server {
	s.t.Helper()
	var master *Server
	s.wait("another master", func() bool {
		master = s.Master()
		return master != old && strings.HasPrefix(master.CLI("ROLE"), "master")
	})
	return master
}

// Failover has a sentinel make a replica the master although the master is well.
func (s *SentinelSet) Failover() {
	s.t.Helper()
	s.wait("a sentinel starts the failover", func() bool {
		return s.Sentinels[0].CLI("SENTINEL", "FAILOVER", s.Name) == "OK"
	})
}

func (s *SentinelSet) wait(what string, condition func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(startLimit); !condition(); time.Sleep(10 * pollPause) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not after %v: %s; the sentinels say:\n%s", startLimit, what, s.log())
		}
	}
}

// log is the end of what the sentinels have logged.
func (s *SentinelSet) log() string {
	var all strings.Builder
	for _, one := range s.Sentinels {
		log, _ := os.ReadFile(filepath.Join(one.dir, "redis-server.log"))
		all.Write(log[max(0, len(log)-2000):])
	}
	return all.String()
}

// Answers tells whether the process runs and answers a PING soon.
func (s *Server) Answers() bool {
	replies, err := ask(s.Addr(), s.password, lookLimit/5, []string{"PING"})
	return err == nil && len(replies) == 1 && slices.Contains([]string{"PONG"}, replies[0].text)
}
