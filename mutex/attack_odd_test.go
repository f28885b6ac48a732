package mutex_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/internal/redistest/port"
	"github.com/mutexgen/mutexgen/mutex"
)

// A server that delays writes, as during a failover, answers PING all the while.
func TestServersThatPauseWrites(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	set := open(t, with(hasty(on(urls(servers)...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	m := at(set, "k")
	for _, paused := range []int{1, 3} {
		held := acquire(t, at(set, "held"))
		for _, s := range servers[:paused] {
			cli(t, s, "CLIENT", "PAUSE", "600", "WRITE")
		}
		start := time.Now()
		lock, err := m.AcquireLock(t.Context())
		took(t, start, nodeTimeout)
		if paused == 1 {
			if err != nil {
				t.Errorf("one of three pauses: %v", err)
			}
			release(t, lock)
			release(t, held)
		} else {
			wantError(t, err, mutex.ErrNoQuorum)
			wantError(t, mutex.ReleaseLock(t.Context(), held), mutex.ErrNoQuorum)
		}
		wantNoKeys(t, servers...) // of an hour's expiration
		eventually(t, "all is as before", func() bool {
			lock, err := m.AcquireLock(t.Context())
			if err == nil {
				release(t, lock)
			}
			return err == nil
		})
		untilAllVote(t, set, servers)
	}
}

// A node whose every answer comes too late votes for nobody, and keeps nothing.
func TestNodesSlowerThanTheirBudget(t *testing.T) {
	t.Parallel()
	servers, proxies, urls := proxied(t, 3)
	set := open(t, with(hasty(on(urls...)), func(d *mutex.Definition) { d.Expiration = time.Hour }))
	untilAllVote(t, set, servers)
	m := at(set, "k")
	proxies[0].Delay(nodeTimeout) // each way
	for range 100 {
		release(t, acquire(t, m))
	}
	proxies[1].Delay(nodeTimeout)
	for range 3 {
		start := time.Now()
		_, err := m.AcquireLock(t.Context())
		took(t, start, nodeTimeout)
		if !errors.Is(err, mutex.ErrNoQuorum) || errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("two of three too slow: %v", err)
		}
	}
	for _, p := range proxies {
		p.Delay(0)
	}
	wantNoKeys(t, servers...)
	untilAllVote(t, set, servers)
	release(t, acquire(t, m))
}

// Mutexes share a node's connections, not its budget.
func TestEachMutexHasItsOwnBudget(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	patient := with(on(server.URL()), func(d *mutex.Definition) { d.Name, d.NodeTimeout = "Patient", 2*time.Second })
	set, err := mutex.OpenSet([]mutex.Definition{patient, hasty(on(server.URL()))})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	waiting := mutex.At[struct{}](set.Opened("Patient"), mutex.NewKey("k"))
	if err := waiting.Synchronize(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	answered := make(chan error)
	go func() {
		lock, err := waiting.AcquireLock(t.Context())
		if err == nil {
			err = waiting.ReleaseLock(t.Context(), lock)
		}
		answered <- err
	}()
	start := time.Now()
	_, err = at(set, "other").AcquireLock(t.Context())
	took(t, start, nodeTimeout)
	wantError(t, err, mutex.ErrNoQuorum)
	server.Resume()
	if err := <-answered; err != nil {
		t.Errorf("with a budget of 2 s: %v", err)
	}
	wantNoKeys(t, server)
}

func TestNodesThatRestartWithTheirKeysKeepTheirLocks(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3, "--appendonly", "yes", "--appendfsync", "always")
	set := open(t, on(urls(servers)...))
	m := at(set, "k")
	lock := acquire(t, m)
	for _, s := range servers {
		eventually(t, "every node has the key", func() bool { return s.Get("k") != "" })
	}
	for _, s := range servers {
		s.Restart()
	}
	eventually(t, "the nodes answer again, and hold the lock", func() bool {
		_, err := m.AcquireLock(t.Context())
		return errors.Is(err, mutex.ErrAlreadyLocked)
	})
	untilAllVote(t, set, servers)
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	release(t, lock)
	wantNoKeys(t, servers...)
}

// As after a failover whose news has not reached us.
func TestMasterThatBecomesAReplica(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := at(open(t, with(on(server.URL()), func(d *mutex.Definition) { d.Expiration = time.Hour })), "k")
	lock, given := acquire(t, m), acquire(t, at(open(t, on(server.URL())), "given"))
	cli(t, server, "REPLICAOF", "127.0.0.1", "1")
	for _, err := range []error{mutex.ExtendLock(t.Context(), lock, time.Hour), mutex.ReleaseLock(t.Context(), lock)} {
		wantError(t, err, mutex.ErrNoQuorum)
		wantText(t, err, "READONLY", "hint: the server is a replica; name the master")
	}
	if exists, err := m.ExistsLock(t.Context()); !exists || err != nil {
		t.Errorf("a replica can be read: exists %v, %v", exists, err)
	}
	cli(t, server, "REPLICAOF", "NO", "ONE")
	eventually(t, "the release is made up for", func() bool { return server.Get("k") == "" })
	release(t, given)
}

// Servers before Redis 6 know no HELLO.
func TestServersWithoutHello(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--requirepass", secret}} {
		server := redistest.Start(t, append(args, "--rename-command", "HELLO", "")...)
		url := server.URL()
		if args != nil {
			url = withSecret(server, "")
		}
		m := at(open(t, on(url)), "k")
		lock := acquire(t, m)
		_, err := m.AcquireLock(t.Context())
		wantError(t, err, mutex.ErrAlreadyLocked)
		if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
			t.Error(err)
		}
		release(t, lock)
	}
	server := redistest.Start(t, "--requirepass", "other", "--rename-command", "HELLO", "")
	_, err := at(open(t, on(withSecret(server, ""))), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "WRONGPASS", "hint: check the user and the password")
	wantNoSecret(t, err.Error())
}

func TestServerWithoutRoomForAnotherClient(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxclients", "1")
	var conn net.Conn
	eventually(t, "the one client is in", func() bool { // the one that saw the server start may not have left yet
		c, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len("+PONG"))
		_, err = c.Write([]byte("PING\r\n"))
		if _, readErr := io.ReadFull(c, answer); errors.Join(err, readErr) != nil || string(answer) != "+PONG" {
			c.Close()
			return false
		}
		conn = c
		return true
	})
	m := at(open(t, with(on(server.URL()), func(d *mutex.Definition) { d.PoolSize = 1 })), "k")
	for range 2 {
		start := time.Now()
		_, err := m.AcquireLock(t.Context())
		took(t, start, 0)
		wantError(t, err, mutex.ErrNoQuorum)
		wantText(t, err, server.Addr()+": ") // its reason, if that arrives before the connection breaks
	}
	conn.Close()
	start := time.Now()
	eventually(t, "there is room", func() bool {
		lock, err := m.AcquireLock(t.Context())
		if err == nil {
			release(t, lock)
		}
		return err == nil
	})
	took(t, start, reconnection)
}

// certificate makes a certificate for 127.0.0.1, and returns the files of it and of its key, and who trusts it.
func certificate(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	if err := errors.Join(os.WriteFile(cert, certPEM, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}), 0o600)); err != nil {
		t.Fatal(err)
	}
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(certPEM)
	return cert, key, trust
}

func TestNodesBehindTLS(t *testing.T) {
	t.Parallel()
	number, giveBack, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	defer giveBack()
	cert, key, trust := certificate(t)
	server := redistest.Start(t, "--requirepass", secret, "--tls-port", strconv.Itoa(number),
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	url := "rediss://:Qqpwz%2FXx%40vj@127.0.0.1:" + strconv.Itoa(number)
	trusting := mutex.WithRedisOptions(func(_ string, o *redis.Options) {
		o.TLSConfig = &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}
	})
	m := at(open(t, on(url), trusting), "k")
	lock := acquire(t, m)
	if !slices.Equal(server.Keys(), []string{"k"}) {
		t.Errorf("keys %q", server.Keys())
	}
	if err := mutex.ExtendLock(t.Context(), lock, time.Minute); err != nil {
		t.Error(err)
	}
	release(t, lock)
	release(t, acquire(t, at(open(t, on(url+"?skip_verify=true")), "k")))

	_, err = at(open(t, on(url)), "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	wantText(t, err, "tls: failed to verify certificate")
	wantNoSecret(t, err.Error())
	start := time.Now()
	_, err = at(open(t, on("redis"+url[len("rediss"):])), "k").AcquireLock(t.Context()) // without TLS, to the port for it
	took(t, start, nodeTimeout)
	wantError(t, err, mutex.ErrNoQuorum)
	wantNoSecret(t, err.Error())
	wantNoKeys(t, server)
}
