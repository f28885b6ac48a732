package checkup_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/checkup"
	"github.com/mutexgen/mutexgen/internal/engine"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

// sound is how a server is configured that holds locks.
var sound = []string{"--appendonly", "yes", "--appendfsync", "always"}

// on is a mutex A with the key lock on a group of nodes.
func on(t testing.TB, change func(s *engine.Settings), options ...engine.NodeOptions) checkup.Mutex {
	t.Helper()
	e := engine.New(engine.Options{})
	t.Cleanup(func() { e.Close() })
	var group []*engine.Node
	for _, o := range options {
		o.Timeout, o.ReconnectionInterval = time.Second, time.Second
		group = append(group, e.AddNode(o))
	}
	settings := engine.Settings{Name: "A", Expiration: 10 * time.Second, DriftFactor: 0.01, NodeTimeout: time.Second}
	if change != nil {
		change(&settings)
	}
	m, err := e.NewMutex(settings, [][]*engine.Node{group})
	if err != nil {
		t.Fatal(err)
	}
	return checkup.Mutex{Engine: m, Key: "lock"}
}

func at(addr string) engine.NodeOptions {
	return engine.NodeOptions{Redis: &redis.Options{Addr: addr}}
}

// said is what a check finds above a note.
func said(r *checkup.Report) string {
	var all []string
	for _, f := range r.Findings {
		if f.Severity != checkup.Note {
			all = append(all, string(f.Severity)+" "+f.Code)
		}
	}
	return strings.Join(all, "; ")
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// until polls for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// startSentinel starts a sentinel that watches over a master, and ends with the test.
func startSentinel(t testing.TB, master *redistest.Server) (addr string) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err) // the master runs, so it is there
	}
	number, release, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	host, masterPort, _ := strings.Cut(master.Addr(), ":")
	file := filepath.Join(dir, "sentinel.conf")
	config := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main %s %s 2\nsentinel down-after-milliseconds main 1000\n", number, dir, host, masterPort)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, file, "--sentinel")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait(); release() })
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	until(t, "the sentinel answers", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	return addr
}

func TestSentinelsAreLookedAtOneByOne(t *testing.T) {
	master := redistest.Start(t, sound...)
	host, number, _ := strings.Cut(master.Addr(), ":")
	redistest.Start(t, append(sound, "--replicaof", host+" "+number)...)
	var sentinels []string
	for range 3 {
		sentinels = append(sentinels, startSentinel(t, master))
	}
	node := func(addrs ...string) engine.NodeOptions {
		return engine.NodeOptions{Redis: &redis.Options{Addr: "none:1"}, Sentinel: &engine.Sentinel{Master: "main", Addrs: addrs}}
	}
	healthy := on(t, nil, node(sentinels...))
	var report *checkup.Report
	until(t, "the sentinels know of each other and of the replica", func() bool {
		report = checkup.Run(within(t, 5*time.Second), []checkup.Mutex{healthy})
		for _, s := range report.Nodes[0].Sentinels {
			if s.Others != 2 || s.Replicas != 1 {
				return false
			}
		}
		return true
	})
	if said(report) != "" || report.Nodes[0].Kind != "sentinel" || report.Nodes[0].Servers[0].Addr != master.Addr() || report.Nodes[0].Servers[0].Replicas != 1 {
		t.Errorf("%+v", report)
	}
	wrongName := node(sentinels...)
	wrongName.Sentinel.Master = "other"
	wanting := node(sentinels...)
	wanting.Replicas = 2
	for want, options := range map[string]engine.NodeOptions{
		"error sentinel-master":        wrongName,
		"error too-few-replicas":       wanting,
		"warning sentinel-unreachable": node(sentinels[0], sentinels[1], "127.0.0.1:1"),
		"error sentinel-unreachable":   node("127.0.0.1:1"),
		"error refused":                node(master.Addr()),
	} {
		m := on(t, nil, options)
		if got := said(checkup.Run(within(t, 5*time.Second), []checkup.Mutex{m})); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	// A lock behind sentinels.
	if answer := master.CLI("SET", "lock", "somebody", "PX", "60000"); answer != "OK" {
		t.Fatal(answer)
	}
	if s := checkup.Look(within(t, 5*time.Second), healthy.Engine, []string{"lock"})[0]; s.State != checkup.Held {
		t.Errorf("%+v", s)
	}
	if s := checkup.Look(within(t, 5*time.Second), on(t, nil, wrongName).Engine, []string{"lock"})[0]; s.State != checkup.Unknown || s.Votes[0].Error == "" {
		t.Errorf("%+v", s)
	}
	if keys, more, err := checkup.Scan(within(t, 5*time.Second), healthy, 10); len(keys) != 1 || more || err != nil {
		t.Errorf("%q %v %v", keys, more, err)
	}
}

func TestAClusterIsLookedAtMasterByMaster(t *testing.T) {
	server := redistest.Start(t, append(sound, "--cluster-enabled", "yes")...)
	node := engine.NodeOptions{Redis: &redis.Options{Addr: "none:1"}, Cluster: []string{server.Addr(), "127.0.0.1:1"}}
	m := on(t, func(s *engine.Settings) { s.Fencing, s.FencingMemory = true, time.Hour }, node)
	if got := said(checkup.Run(within(t, 5*time.Second), []checkup.Mutex{m})); got != "error cluster-slots" {
		t.Errorf("without slots: %q", got)
	}
	if answer := server.CLI("CLUSTER", "ADDSLOTSRANGE", "0", "16383"); answer != "OK" {
		t.Fatal(answer)
	}
	until(t, "the cluster is up", func() bool { return strings.Contains(server.CLI("CLUSTER", "INFO"), "cluster_state:ok") })
	report := checkup.Run(within(t, 5*time.Second), []checkup.Mutex{m})
	if said(report) != "" || len(report.Nodes[0].Servers) != 1 || report.Nodes[0].Cluster.Slots != 16384 || report.Nodes[0].Servers[0].Version == "" {
		t.Errorf("%+v", report)
	}
	for _, command := range [][]string{{"SET", "lock", "somebody", "PX", "60000"}, {"SET", "{lock}:fence", "77"}} {
		if answer := server.CLI(command...); answer != "OK" {
			t.Fatal(answer)
		}
	}
	if s := checkup.Look(within(t, 5*time.Second), m.Engine, []string{"lock"})[0]; s.State != checkup.Held || s.Token != 77 || s.Waiters != -1 {
		t.Errorf("%+v", s)
	}
	if keys, more, err := checkup.Scan(within(t, 5*time.Second), m, 10); len(keys) != 1 || more || err != nil {
		t.Errorf("%q %v %v", keys, more, err)
	}
	if answer := server.CLI("CLUSTER", "DELSLOTS", "5"); answer != "OK" {
		t.Fatal(answer)
	}
	until(t, "the cluster is down", func() bool { return strings.Contains(server.CLI("CLUSTER", "INFO"), "cluster_state:fail") })
	if got := said(checkup.Run(within(t, 5*time.Second), []checkup.Mutex{m})); got != "error cluster-slots" && !strings.HasPrefix(got, "error cluster-slots;") {
		t.Errorf("a slot without a master: %q", got)
	}
	none := redistest.Start(t, sound...)
	m = on(t, nil, engine.NodeOptions{Redis: &redis.Options{Addr: "none:1"}, Cluster: []string{none.Addr()}})
	if got := said(checkup.Run(within(t, 5*time.Second), []checkup.Mutex{m})); got != "error no-cluster" {
		t.Errorf("no cluster: %q", got)
	}
}

// mute accepts connections and answers nothing.
func mute(t testing.TB) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestACheckEndsWithItsContext(t *testing.T) {
	addr := mute(t)
	m := on(t, nil, at(addr), at(addr), at(addr))
	for name, ctx := range map[string]func() context.Context{
		"a deadline":      func() context.Context { return within(t, 100*time.Millisecond) },
		"a past deadline": func() context.Context { return within(t, -time.Second) },
		"a cancellation": func() context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			return ctx
		},
	} {
		begin := time.Now()
		report := checkup.Run(ctx(), []checkup.Mutex{m})
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if said(report) != "error unreachable; error unreachable; error unreachable" {
			t.Errorf("%s: %q", name, said(report))
		}
		begin = time.Now()
		status := checkup.Look(ctx(), m.Engine, []string{"lock", "other", "more"})
		if took := time.Since(begin); took > 5*time.Second || len(status) != 3 || status[2].State != checkup.Unknown || status[2].Votes[2].Error == "" {
			t.Errorf("%s: it took %v, %+v", name, took, status)
		}
		if _, _, err := checkup.Scan(ctx(), m, 10); err == nil {
			t.Errorf("%s: a mute server has keys", name)
		}
	}
}

// TestWhatAHangingNodeSaidBeforeIsKept lets a node answer until it has been greeted.
func TestWhatAHangingNodeSaidBeforeIsKept(t *testing.T) {
	server := redistest.Start(t, sound...)
	proxy := redistest.NewProxy(t, server.Addr())
	proxy.Delay(60 * time.Millisecond) // each way: a question takes 120 ms, the check a second and more
	report := checkup.Run(within(t, 600*time.Millisecond), []checkup.Mutex{on(t, nil, at(proxy.Addr()))})
	if s := report.Nodes[0].Servers[0]; !s.Reachable || s.Version == "" || s.Trouble == nil {
		t.Errorf("%+v", s)
	}
	if said(report) != "error unreachable" {
		t.Errorf("%q", said(report))
	}
}

func TestGarbageIsNoRedis(t *testing.T) {
	for _, garbage := range []string{
		"HTTP/1.1 400 Bad Request\r\n\r\n", "*9223372036854775807\r\n", "$9223372036854775807\r\n", "%-5\r\n", ">1\r\n", "\x00\xff\x16\x03\x01",
		"*-1\r\n", "+\x1b[2J\r\n", ":x\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n", "_\r\n", "(12\r\n", "#t\r\n", ",inf\r\n", "-\r\n", "-ERR\x1b]0;x\x07\r\n",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var conns sync.WaitGroup
		conns.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conns.Go(func() {
					defer conn.Close()
					for buffer := make([]byte, 1<<16); ; {
						if _, err := conn.Read(buffer); err != nil {
							return
						}
						conn.Write([]byte(garbage))
					}
				})
			}
		})
		m := on(t, nil, at(listener.Addr().String()))
		report := checkup.Run(within(t, 2*time.Second), []checkup.Mutex{m})
		if report.Healthy() && !strings.Contains(said(report), "warning") {
			t.Errorf("%q is healthy: %+v", garbage, report)
		}
		status := checkup.Look(within(t, 2*time.Second), m.Engine, []string{"lock"})[0]
		if status.State != checkup.Unknown {
			t.Errorf("%q holds locks: %+v", garbage, status)
		}
		if _, _, err := checkup.Scan(within(t, 2*time.Second), m, 10); err == nil {
			t.Errorf("%q has keys", garbage)
		}
		for _, f := range report.Findings {
			if strings.ContainsAny(f.Message, "\x1b\x07\r\n") {
				t.Errorf("%q is passed on: %q", garbage, f.Message)
			}
		}
		listener.Close()
		conns.Wait()
	}
}

func TestSixtyThreeNodes(t *testing.T) {
	servers := redistest.StartN(t, 3, sound...)
	var all []engine.NodeOptions
	for i := range engine.MaxGroup {
		all = append(all, at(redistest.NewProxy(t, servers[i%3].Addr()).Addr()))
	}
	m := on(t, nil, all...)
	begin := time.Now()
	report := checkup.Run(within(t, 10*time.Second), []checkup.Mutex{m})
	if got := strings.Count(said(report), "error same-server"); got != engine.MaxGroup-3 || len(report.Nodes) != engine.MaxGroup {
		t.Errorf("%d of %d are found to be one of 3 servers: %s", got, engine.MaxGroup, said(report))
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, server := range servers {
		if i > 0 {
			server.CLI("SET", "lock", "somebody", "PX", "60000")
		}
	}
	s := checkup.Look(within(t, 10*time.Second), m.Engine, []string{"lock"})[0]
	if s.State != checkup.Held || len(s.Votes) != engine.MaxGroup {
		t.Errorf("%+v", s)
	}
}

func TestASentinelThatHangsHidesNoMaster(t *testing.T) {
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{})
	m := on(t, nil, engine.NodeOptions{
		Redis: &redis.Options{}, Sentinel: &engine.Sentinel{Master: sentinels.Name, Addrs: sentinels.SentinelAddrs()},
	})
	sentinels.Master().CLI("SET", "lock", "somebody", "PX", "60000")
	sentinels.Sentinels[0].Pause()
	report := checkup.Run(within(t, 3*time.Second), []checkup.Mutex{m})
	if n := report.Nodes[0]; len(n.Servers) != 1 || n.Servers[0].Role != "master" || !strings.HasPrefix(said(report), "warning sentinel-unreachable") {
		t.Errorf("%q of %+v", said(report), n)
	}
	if s := checkup.Look(within(t, 2*time.Second), m.Engine, []string{"lock"})[0]; s.State != checkup.Held {
		t.Errorf("%+v", s)
	}
	if keys, _, err := checkup.Scan(within(t, 2*time.Second), m, 10); err != nil || len(keys) != 1 {
		t.Errorf("%q, %v", keys, err)
	}
}

func TestWhatASentinelDoesNotTellIsNotTakenForNothing(t *testing.T) {
	sentinels := redistest.StartSentinels(t, redistest.SentinelOptions{ServerArgs: sound})
	for _, one := range sentinels.Sentinels {
		got := one.CLI("ACL", "SETUSER", "worker", "on", ">secret", "resetchannels", "-@all", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels", "+ping")
		if got != "OK" {
			t.Fatal(got)
		}
	}
	m := on(t, nil, engine.NodeOptions{Redis: &redis.Options{}, Sentinel: &engine.Sentinel{
		Master: sentinels.Name, Addrs: sentinels.SentinelAddrs()[:1], Username: "worker", Password: "secret",
	}})
	if report := checkup.Run(within(t, 10*time.Second), []checkup.Mutex{m}); said(report) != "" {
		t.Errorf("%q of %+v", said(report), report.Nodes[0].Sentinels)
	}
}
