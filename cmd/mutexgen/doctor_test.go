package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

// sound is how a server is configured that holds locks: it forgets nothing, and evicts nothing.
var sound = []string{"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"}

// soundServer is a server without anything wrong, but for what the arguments say.
func soundServer(t testing.TB, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Start(t, append(append([]string{}, sound...), args...)...)
}

// diagnosed runs mutexgen doctor and returns what it found, and its exit code.
func (s *sandbox) diagnose(args ...string) (diagnosis, int) {
	s.t.Helper()
	code := s.run(append([]string{"doctor", "-format", "json"}, args...)...)
	var result diagnosis
	if err := json.Unmarshal(s.stdout.Bytes(), &result); err != nil {
		s.t.Fatalf("exit code %d, %v\n%s%s", code, err, &s.stdout, &s.stderr)
	}
	return result, code
}

// rewriting is a proxy that changes what the server says. Replacements are as long as what they replace.
func rewriting(t testing.TB, server string, old *regexp.Regexp, replace func(found []byte) []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			all.Go(func() { io.Copy(behind, client); behind.Close() })
			all.Go(func() {
				defer client.Close()
				for buffer := make([]byte, 1<<20); ; {
					n, err := behind.Read(buffer)
					if err != nil {
						return
					}
					client.Write(old.ReplaceAllFunc(buffer[:n], replace))
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().String()
}

// says is a server that answers everything with the same.
func says(t testing.TB, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				for buffer := make([]byte, 1<<16); ; {
					if _, err := client.Read(buffer); err != nil {
						return
					}
					client.Write([]byte(answer))
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().String()
}

// tlsServer is a server that speaks TLS at the address, with a certificate of its own making.
func tlsServer(t testing.TB) (addr string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, private509 := write("cert.pem", "CERTIFICATE", certificate), write("key.pem", "PRIVATE KEY", private)
	number, release, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	soundServer(t, "--tls-port", strconv.Itoa(number), "--tls-cert-file", cert, "--tls-key-file", private509, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
}

// waitUntil polls for a condition.
func waitUntil(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// uptimeOf is INFO's field.
func uptimeOf(s *redistest.Server) int {
	_, rest, _ := strings.Cut(s.CLI("INFO", "server"), "uptime_in_seconds:")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, _ := strconv.Atoi(text)
	return n
}

// cli has the server do what it has no reason to refuse.
func cli(t testing.TB, s *redistest.Server, args ...string) string {
	t.Helper()
	answer := s.CLI(args...)
	for _, code := range []string{"ERR", "WRONG", "NOPERM", "OOM"} {
		if strings.HasPrefix(answer, code) {
			t.Fatalf("%q: %s", args, answer)
		}
	}
	return answer
}

// user makes a user that may do everything but what the rules take away, and returns a URL with it.
func user(t testing.TB, s *redistest.Server, rules ...string) string {
	t.Helper()
	cli(t, s, append([]string{"ACL", "SETUSER", "locks", "on", ">hunter2", "~*", "&*", "+@all"}, rules...)...)
	return "redis://locks:hunter2@" + s.Addr()
}

// TestDoctorNamesWhatIsWrong has a mutex on three servers, of which one is as the case says.
func TestDoctorNamesWhatIsWrong(t *testing.T) {
	good := []*redistest.Server{soundServer(t), soundServer(t)}
	const base = "    expiration: 2s\n    node_timeout: 300ms\n"
	timeReply := regexp.MustCompile(`\*2\r\n\$10\r\n[0-9]{10}\r\n\$`)
	clockOff := func(t *testing.T, by int64) string {
		return "redis://" + rewriting(t, soundServer(t).Addr(), timeReply, func(found []byte) []byte {
			seconds, _ := strconv.ParseInt(string(found[9:19]), 10, 64)
			return fmt.Appendf(nil, "*2\r\n$10\r\n%010d\r\n$", seconds+by)
		})
	}
	version := func(t *testing.T, say string) string {
		return "redis://" + rewriting(t, soundServer(t).Addr(), regexp.MustCompile(`\b7\.[0-9]\.[0-9]{2}\b`), func(found []byte) []byte {
			return []byte(say)[:len(found)]
		})
	}
	delayed := func(t *testing.T, by time.Duration) string {
		proxy := redistest.NewProxy(t, soundServer(t).Addr())
		proxy.Delay(by)
		return proxy.URL()
	}
	const fencing, guard = "    fencing: true\n    restart_guard: off\n", "    restart_guard: on\n"
	for name, test := range map[string]struct {
		fields string
		third  func(t *testing.T) string // the URL of the third server
		want   string                    // severity and code; none if it is well
		within string
	}{
		"nothing":              {want: ""},
		"nothing, with fences": {fields: fencing, want: ""},
		"a user with the smallest rule": {want: "", third: func(t *testing.T) string {
			return user(t, soundServer(t), "resetkeys", "~lock", "resetchannels", "&mutexgen:key:lock", "&mutexgen:engine:*", "-@all", "+set", "+get", "+del", "+pttl",
				"+pexpire", "+eval", "+evalsha", "+mget", "+publish", "+pubsub|numsub", "+subscribe", "+unsubscribe", "+ping")
		}},
		"an eviction policy without a limit": {want: "", third: func(t *testing.T) string { return soundServer(t, "--maxmemory-policy", "allkeys-lru").URL() }},
		"snapshots beside the log":           {want: "", third: func(t *testing.T) string { return soundServer(t, "--save", "3600 1").URL() }},

		"nobody listens": {want: "error unreachable", third: func(t *testing.T) string {
			s := soundServer(t)
			s.Kill()
			return s.URL()
		}},
		"a host that hangs": {want: "error unreachable", within: "1500ms", third: func(t *testing.T) string {
			proxy := redistest.NewProxy(t, good[0].Addr())
			proxy.Hang(true)
			return proxy.URL()
		}},
		"a server that stands still": {want: "error unreachable", within: "1500ms", third: func(t *testing.T) string {
			s := soundServer(t)
			s.Pause()
			return s.URL()
		}},
		"a server that closes connections": {want: "error unreachable", third: func(t *testing.T) string {
			proxy := redistest.NewProxy(t, good[0].Addr())
			proxy.Refuse(true)
			return proxy.URL()
		}},
		"a wrong password": {want: "error wrong-password", third: func(t *testing.T) string {
			return strings.Replace(soundServer(t, "--requirepass", "secret").URL(), "redis://", "redis://:hunter2@", 1)
		}},
		"a wrong user": {want: "error wrong-password", third: func(t *testing.T) string {
			return strings.Replace(soundServer(t).URL(), "redis://", "redis://nobody:hunter2@", 1)
		}},
		"no password where one is needed": {want: "error password-needed", third: func(t *testing.T) string {
			return soundServer(t, "--requirepass", "hunter2").URL()
		}},
		"protected mode": {want: "error protected-mode", third: func(t *testing.T) string {
			return "redis://" + says(t, "-DENIED Redis is running in protected mode because protected mode is enabled\r\n")
		}},
		"too many clients": {want: "error too-many-clients", third: func(t *testing.T) string {
			s := soundServer(t, "--maxclients", "2")
			for range 2 {
				conn, err := net.Dial("tcp", s.Addr())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				waitUntil(t, "the connection is welcome or not", func() bool {
					conn.Write([]byte("PING\r\n"))
					n, _ := conn.Read(make([]byte, 100))
					return n > 0
				})
			}
			return s.URL()
		}},
		"a server that loads its data": {want: "error loading", third: func(t *testing.T) string {
			s := soundServer(t)
			s.RestartLoading()
			return s.URL()
		}},
		"a script that never ends": {want: "error busy", third: func(t *testing.T) string {
			s := soundServer(t, "--busy-reply-threshold", "1")
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			fmt.Fprintf(conn, "EVAL \"while true do end\" 0\r\n")
			waitUntil(t, "the script runs", func() bool { return strings.HasPrefix(s.CLI("PING"), "BUSY") })
			return s.URL()
		}},
		"a database that is not there": {want: "error no-database", third: func(t *testing.T) string { return soundServer(t).URL() + "/99" }},
		"a replica": {want: "error replica", third: func(t *testing.T) string {
			of := soundServer(t)
			host, port, _ := strings.Cut(of.Addr(), ":")
			return soundServer(t, "--replicaof", host+" "+port).URL()
		}},
		"a replica of another member": {want: "error replica", third: func(t *testing.T) string {
			host, port, _ := strings.Cut(good[0].Addr(), ":")
			return soundServer(t, "--replicaof", host+" "+port).URL()
		}},
		"one server twice": {want: "error same-server", third: func(t *testing.T) string { return redistest.NewProxy(t, good[0].Addr()).URL() }},
		"a server in cluster mode": {want: "error cluster-mode", third: func(t *testing.T) string {
			return soundServer(t, "--cluster-enabled", "yes").URL()
		}},
		"no Redis": {want: "error not-redis", third: func(t *testing.T) string { return "redis://" + says(t, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		"a Redis of endless lengths": {want: "error not-redis", third: func(t *testing.T) string {
			return "redis://" + says(t, "*9223372036854775807\r\n$9223372036854775807\r\n")
		}},
		"TLS where none is expected": {want: "error tls-needed", third: func(t *testing.T) string { return "redis://" + tlsServer(t) }},
		"no TLS where it is expected": {want: "error tls", within: "2s", third: func(t *testing.T) string {
			return strings.Replace(soundServer(t).URL(), "redis://", "rediss://", 1)
		}},
		"a certificate of nobody": {want: "error tls-certificate", third: func(t *testing.T) string { return "rediss://" + tlsServer(t) }},

		"eviction of any key": {want: "error eviction", third: func(t *testing.T) string {
			return soundServer(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru").URL()
		}},
		"eviction of keys that expire": {want: "error eviction", third: func(t *testing.T) string {
			return soundServer(t, "--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl").URL()
		}},
		"memory used up": {want: "error out-of-memory", third: func(t *testing.T) string {
			return soundServer(t, "--maxmemory", "1").URL()
		}},
		"memory nearly used up": {want: "warning memory-nearly-full", third: func(t *testing.T) string {
			s := soundServer(t, "--maxmemory", "20mb")
			cli(t, s, "EVAL", "for i = 1, 17 do redis.call('set', 'ballast:' .. i, string.rep('x', 1024 * 1000)) end", "0")
			return s.URL()
		}},
		"a disk that takes no snapshots": {want: "error disk-error", third: func(t *testing.T) string {
			s := soundServer(t, "--save", "3600 1", "--enable-protected-configs", "yes")
			dir := filepath.Join(t.TempDir(), "gone")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			cli(t, s, "CONFIG", "SET", "dir", dir)
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			cli(t, s, "BGSAVE")
			waitUntil(t, "the snapshot fails", func() bool { return strings.HasPrefix(s.CLI("SET", "x", "y"), "MISCONF") })
			return s.URL()
		}},
		"replicas that are not there": {want: "error too-few-replicas", third: func(t *testing.T) string {
			return soundServer(t, "--min-replicas-to-write", "1").URL()
		}},
		"nothing on disk": {want: "warning no-persistence", third: func(t *testing.T) string {
			s := redistest.Start(t)
			waitUntil(t, "the server is old enough", func() bool { return uptimeOf(s) >= 2 })
			return s.URL()
		}},
		"snapshots only": {want: "warning no-persistence", third: func(t *testing.T) string {
			s := redistest.Start(t, "--save", "3600 1")
			waitUntil(t, "the server is old enough", func() bool { return uptimeOf(s) >= 2 })
			return s.URL()
		}},
		"a log that is synced once a second": {want: "warning fsync", third: func(t *testing.T) string {
			s := soundServer(t, "--appendfsync", "everysec")
			waitUntil(t, "the server is old enough", func() bool { return uptimeOf(s) >= 2 })
			return s.URL()
		}},
		"a server that has just restarted without its data": {fields: "    expiration: 1h\n", want: "warning restarted", third: func(t *testing.T) string {
			return redistest.Start(t).URL()
		}},
		"a server in quarantine": {fields: guard, want: "warning quarantine", third: func(t *testing.T) string {
			for _, s := range good { // they have been there for long
				waitUntil(t, "the server is old enough", func() bool { return uptimeOf(s) >= 6 })
				cli(t, s, "SET", "mutexgen:birth", "1000")
			}
			return soundServer(t).URL()
		}},
		"a clock ahead":                    {fields: fencing, want: "error clock", third: func(t *testing.T) string { return clockOff(t, 30) }},
		"a clock behind":                   {fields: fencing, want: "error clock", third: func(t *testing.T) string { return clockOff(t, -30) }},
		"a clock a little off":             {fields: fencing, want: "warning clock", third: func(t *testing.T) string { return clockOff(t, 2) }},
		"a clock that no fencing needs":    {want: "warning clock", third: func(t *testing.T) string { return clockOff(t, 30) }},
		"an old server":                    {fields: fencing, want: "error old-version", third: func(t *testing.T) string { return version(t, "4.0.14") }},
		"an old server that is new enough": {want: "", third: func(t *testing.T) string { return version(t, "4.0.14") }},
		"a server far away":                {want: "error latency", within: "30s", third: func(t *testing.T) string { return delayed(t, 200*time.Millisecond) }},
		"a server rather far away":         {want: "warning latency", within: "30s", third: func(t *testing.T) string { return delayed(t, 80*time.Millisecond) }},
		"a user who may not use the key": {want: "error acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "resetkeys", "~other:*")
		}},
		"a user who may not delete": {want: "error acl", third: func(t *testing.T) string { return user(t, soundServer(t), "-del") }},
		"a user who may not run scripts": {want: "error acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "-@scripting")
		}},
		"a user who may neither run scripts nor use the key": {want: "error acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "-@scripting", "resetkeys")
		}},
		"a user who may not use the channels": {want: "warning acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "resetchannels")
		}},
		"a user who may not use the counter": {fields: fencing, want: "error acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "resetkeys", "~lock")
		}},
		"a user who may not choose the database": {want: "error acl", third: func(t *testing.T) string {
			return user(t, soundServer(t), "-select") + "/2"
		}},
		"a command that was taken away": {want: "error missing-command", third: func(t *testing.T) string {
			return soundServer(t, "--rename-command", "DEL", "").URL()
		}},
		"a command that only helps": {want: "warning missing-command", third: func(t *testing.T) string {
			return soundServer(t, "--rename-command", "MGET", "").URL()
		}},
		"no scripts at all": {want: "error missing-command", third: func(t *testing.T) string {
			return soundServer(t, "--rename-command", "EVAL", "").URL()
		}},
		"something else at the key": {want: "error wrong-type", third: func(t *testing.T) string {
			s := soundServer(t)
			cli(t, s, "HSET", "lock", "a", "b")
			return s.URL()
		}},
		"a lock for ever": {want: "warning no-expiration", third: func(t *testing.T) string {
			s := soundServer(t)
			cli(t, s, "SET", "lock", "somebody")
			return s.URL()
		}},
		"something else at the counter": {fields: fencing, want: "error wrong-counter", third: func(t *testing.T) string {
			s := soundServer(t)
			cli(t, s, "SET", "{lock}:fence", "many")
			return s.URL()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var third string
			if test.third != nil {
				third = test.third(t)
			} else {
				third = soundServer(t).URL()
			}
			fields := base + test.fields
			if strings.Contains(test.fields, "expiration") {
				fields = "    node_timeout: 300ms\n" + test.fields
			}
			s := newSandbox(t, "version: 1\nmutexes:\n  - name: Lock\n    key: lock\n    servers: [\"${A}\", \"${B}\", \"${C}\"]\n"+fields)
			s.variables = map[string]string{"A": good[0].URL(), "B": good[1].URL(), "C": third}
			within := test.within
			if within == "" {
				within = "10s"
			}
			begin := time.Now()
			result, code := s.diagnose("-timeout", within)
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			var found []string
			for _, f := range result.Files[0].Findings {
				if f.Severity != "note" {
					found = append(found, string(f.Severity)+" "+f.Code)
					if f.Hint == "" || f.Message == "" || f.Node == "" || len(f.Mutexes) != 1 {
						t.Errorf("a finding says too little: %+v", f)
					}
					if third[strings.LastIndexAny(third, "/@")+1:] != f.Node && !strings.HasSuffix(third, "/"+f.Node) && !strings.HasSuffix(third, "@"+f.Node) {
						t.Errorf("the finding is about %s, not %s: %+v", f.Node, third, f)
					}
				}
			}
			if got := strings.Join(found, "; "); got != test.want {
				t.Errorf("found %q, want %q: %+v", got, test.want, result.Files[0].Findings)
			}
			if strings.HasPrefix(test.want, "error") != (code == 1) || result.Healthy != (code == 0) {
				t.Errorf("exit code %d, healthy %v", code, result.Healthy)
			}
			s.run("doctor", "-timeout", within)
			if test.want == "" && !strings.HasSuffix(s.stdout.String(), "\nhealthy\n") || test.want != "" && !strings.Contains(s.stdout.String(), "["+strings.Fields(test.want)[1]+"]") {
				t.Errorf("it prints\n%s", &s.stdout)
			}
			if strings.Contains(s.stdout.String(), "hunter2") || strings.Contains(s.stderr.String(), "hunter2") {
				t.Errorf("the password is shown:\n%s%s", &s.stdout, &s.stderr)
			}
			if testing.Verbose() {
				t.Logf("\n%s", &s.stdout)
			}
		})
	}
}
