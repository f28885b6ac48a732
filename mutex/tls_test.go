package mutex_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

func TestServersWithTLS(t *testing.T) {
	t.Parallel()
	own, other := redistest.NewAuthority(t), redistest.NewAuthority(t)
	lenient := redistest.StartTLS(t, own)
	strict := redistest.StartTLS(t, own, "--tls-auth-clients", "yes")
	oldCert, oldKey := own.Certificate(2*time.Hour, "127.0.0.1")
	expired := redistest.StartTLSWith(t, own, oldCert, oldKey)
	namedCert, namedKey := own.Certificate(0, "redis.example")
	named := redistest.StartTLSWith(t, own, namedCert, namedKey)
	cert, key := own.Certificate(0, "client")
	staleCert, staleKey := own.Certificate(2*time.Hour, "client")
	foreignCert, foreignKey := other.Certificate(0, "client")
	client := func(cert, key string) string { return "&cert_file=" + cert + "&key_file=" + key }
	ca := "?ca_file=" + own.File
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(own.File)
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate", err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, url string
		options   []mutex.Option
		want      string // of the hint; empty: the lock is had
	}{
		{"own authority", lenient.TLSURL() + ca, nil, ""},
		{"a database", lenient.TLSURL() + "/3" + ca, nil, ""},
		{"own authority in code", lenient.TLSURL(), []mutex.Option{mutex.WithTLS(&tls.Config{RootCAs: pool})}, ""},
		{"the URL goes over the code", lenient.TLSURL() + ca, []mutex.Option{mutex.WithTLS(&tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"})}, ""},
		{"nothing is verified", lenient.TLSURL() + "?skip_verify=true", nil, ""},
		{"nothing is verified, by code", lenient.TLSURL(), []mutex.Option{mutex.WithTLS(&tls.Config{InsecureSkipVerify: true})}, ""},
		{"the URL wants it verified", lenient.TLSURL() + "?skip_verify=false", []mutex.Option{mutex.WithTLS(&tls.Config{InsecureSkipVerify: true})}, "ca_file"},
		{"unknown authority", lenient.TLSURL(), nil, "nobody whom this machine trusts"},
		{"another authority", lenient.TLSURL() + "?ca_file=" + other.File, nil, "ca_file"},
		{"another name is asked for", lenient.TLSURL() + ca + "&server_name=redis.example", nil, "the server's certificate is for other names"},
		{"a certificate for a name", named.TLSURL() + ca, nil, "server_name"},
		{"that name is asked for", named.TLSURL() + ca + "&server_name=redis.example", nil, ""},
		{"expired", expired.TLSURL() + ca, nil, "the server's certificate has expired"},
		{"client certificate", strict.TLSURL() + ca + client(cert, key), nil, ""},
		{"client certificate in code", strict.TLSURL(), []mutex.Option{mutex.WithTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})}, ""},
		{"no client certificate", strict.TLSURL() + ca, nil, "the server asks for a client certificate"},
		{"expired client certificate", strict.TLSURL() + ca + client(staleCert, staleKey), nil, "certificate"},
		{"another authority's client certificate", strict.TLSURL() + ca + client(foreignCert, foreignKey), nil, "the server refuses the client certificate"},
		{"plain text to a TLS port", "redis://" + lenient.TLSAddr(), nil, "connect by rediss:// instead of redis://"},
		{"TLS to a plain port", "rediss://" + lenient.Addr() + ca, nil, "TLS"},
	} {
		set := open(t, on(test.url), test.options...)
		lock, err := at(set, test.name).AcquireLock(t.Context())
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			release(t, lock)
			continue
		}
		if err == nil {
			t.Errorf("%s: the lock is had", test.name)
			continue
		}
		wantError(t, err, mutex.ErrNoQuorum)
		// A server that says nothing is explained once that is clear.
		eventually(t, fmt.Sprintf("%s: a hint with %q", test.name, test.want), func() bool {
			_, err = at(set, test.name).AcquireLock(t.Context())
			return err != nil && strings.Contains(err.Error(), "hint: ") && strings.Contains(err.Error(), test.want)
		})
	}
}

func TestTLSParametersAreCheckedByOpen(t *testing.T) {
	t.Parallel()
	own := redistest.NewAuthority(t)
	cert, key := own.Certificate(0, "client")
	otherCert, _ := own.Certificate(0, "client")
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ url, want string }{
		{"redis://h?ca_file=" + own.File, "ca_file means nothing without TLS"},
		{"redis+sentinel://h/m?server_name=x", "server_name means nothing without TLS"},
		{"unix:///s?cert_file=c&key_file=k", "cert_file means nothing without TLS"},
		{"rediss://h?ca_file=" + dir + "/none", `ca_file "` + dir + `/none": no such file`},
		{"rediss://h?ca_file=" + dir, `": not a file`},
		{"rediss://h?ca_file=/dev/zero", `ca_file "/dev/zero": not a file`},
		{"rediss://h?ca_file=" + empty, "no certificate in PEM"},
		{"rediss://h?ca_file=" + key, "no certificate in PEM"},
		{"rediss://h?ca_file=%00", "ca_file"},
		{"rediss://h?cert_file=" + cert, "cert_file without key_file"},
		{"rediss+cluster://h?key_file=" + key, "key_file without cert_file"},
		{"rediss+sentinel://h/m?cert_file=" + otherCert + "&key_file=" + key, "does not match"},
		{"rediss://h?cert_file=" + key + "&key_file=" + cert, "cert_file"},
		{"rediss://h?cert_file=" + cert + "&key_file=" + empty, "key_file"},
	} {
		wantText(t, openError(on(test.url)), "Counter: url: ", test.want)
	}
	for _, url := range []string{"rediss://h?ca_file=${CA:-}&cert_file=&server_name=", "rediss://h", "rediss://h?ca_file=" + own.File + "&cert_file=" + cert + "&key_file=" + key} {
		if err := openError(on(url), environment(nil)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	wantText(t, openError(on("redis://h"), mutex.WithTLS(&tls.Config{})), "WithTLS: no node's URL asks for TLS")
	if err := openError(on("redis://h", "rediss://i", "redis://j"), mutex.WithTLS(&tls.Config{})); err != nil {
		t.Error(err)
	}
	if err := openError(on("redis://h"), mutex.WithTLS(nil)); err != nil {
		t.Error(err)
	}
}

// A certificate that is renewed before it expires needs no restart of the application.
func TestRenewedClientCertificateIsTakenUp(t *testing.T) {
	t.Parallel()
	own := redistest.NewAuthority(t)
	server := redistest.StartTLS(t, own, "--tls-auth-clients", "yes")
	cert, key := own.Certificate(2*time.Hour, "client") // has expired
	set := open(t, hasty(on(fmt.Sprintf("%s?ca_file=%s&cert_file=%s&key_file=%s", server.TLSURL(), own.File, cert, key))))
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	own.Renew(cert, key, 0, "client")
	eventually(t, "the new certificate is used", func() bool {
		lock, err := at(set, "k").AcquireLock(t.Context())
		if err != nil {
			return false
		}
		release(t, lock)
		return true
	})
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	release(t, acquire(t, at(set, "k"))) // the connection is there
	server.Restart()
	eventually(t, "the key's file is missed", func() bool { // who asked during the restart heard of that first
		_, err = at(set, "k").AcquireLock(t.Context())
		return errors.Is(err, mutex.ErrNoQuorum) && strings.Contains(err.Error(), "key_file") && strings.Contains(err.Error(), "no such file")
	})
}

// What is sent on a connection that the server closed meanwhile was not, and is sent again on another: nobody notices a
// restart, whether the server says goodbye before (SHUTDOWN) or not.
func TestHeldLockSurvivesARestartOfATLSServer(t *testing.T) {
	t.Parallel()
	own := redistest.NewAuthority(t)
	server := redistest.StartTLS(t, own, "--appendonly", "yes", "--appendfsync", "always")
	set := open(t, on(server.TLSURL()+"?ca_file="+own.File))
	for _, goodbye := range []bool{false, true} {
		lock := acquire(t, at(set, "k"), mutex.WithRenewal())
		if goodbye {
			if answer := server.CLI("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); answer == "0" {
				t.Error("no connection was closed")
			}
			time.Sleep(20 * time.Millisecond)
		} else {
			server.Restart()
		}
		if err := mutex.ExtendLock(t.Context(), lock, 20*time.Second); err != nil {
			t.Errorf("goodbye %v: %v", goodbye, err)
		}
		release(t, lock)
	}
}

func TestSlowHandshakesCostTheFirstAcquireOnly(t *testing.T) {
	t.Parallel()
	own := redistest.NewAuthority(t)
	server := redistest.StartTLS(t, own)
	proxy := redistest.NewProxy(t, server.TLSAddr())
	const oneWay, budget = 75 * time.Millisecond, 500 * time.Millisecond // a handshake and a greeting take 4 round trips, more than the budget
	proxy.Delay(oneWay)
	set := open(t, with(on("rediss://"+proxy.Addr()+"?ca_file="+own.File), func(d *mutex.Definition) { d.NodeTimeout = budget }))
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	eventually(t, "the connection is there", func() bool {
		lock, err := at(set, "k").AcquireLock(t.Context())
		if err == nil {
			release(t, lock)
		}
		return err == nil
	})
	start := time.Now()
	release(t, acquire(t, at(set, "k")))
	if d := time.Since(start); d < 4*oneWay || d > 4*oneWay+budget {
		t.Errorf("acquire and release over a connection that is there take %v, of which the way takes %v", d, 4*oneWay)
	}
}

// A server that accepts and says nothing holds up nobody's Close.
func TestCloseDoesNotWaitForATLSHandshake(t *testing.T) {
	t.Parallel()
	own := redistest.NewAuthority(t)
	server := redistest.StartTLS(t, own)
	proxy := redistest.NewProxy(t, server.TLSAddr())
	proxy.Hang(true)
	set := open(t, hasty(on("rediss://"+proxy.Addr()+"?ca_file="+own.File)))
	start := time.Now()
	_, err := at(set, "k").AcquireLock(t.Context())
	wantError(t, err, mutex.ErrNoQuorum)
	set.Close()
	took(t, start, 2*nodeTimeout)
}

func TestUsersWithoutRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, rule := range [][]string{
		{"ACL", "SETUSER", "locker", "on", ">pw", "~locks:*", "&*", "+@all"},
		{"ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read"},
		{"ACL", "SETUSER", "off", "off", ">pw", "~*", "+@all"},
	} {
		if answer := server.CLI(rule...); answer != "OK" {
			t.Fatal(answer)
		}
	}
	url := func(user string) string { return "redis://" + user + "@" + server.Addr() }
	release(t, acquire(t, at(open(t, on(url("locker:pw"))), "locks:a")))
	for _, test := range []struct{ user, want string }{
		{"reader:pw", "go tool mutexgen acl"},
		{"locker:pw", "go tool mutexgen acl"}, // at another key
		{"locker:other", "check the user and the password in the node's URL"},
		{"off:pw", "check the user and the password in the node's URL"},
		{"nobody:pw", "check the user and the password in the node's URL"},
	} {
		_, err := at(open(t, on(url(test.user))), "elsewhere").AcquireLock(t.Context())
		wantError(t, err, mutex.ErrNoQuorum)
		wantText(t, err, test.want)
		if strings.Contains(err.Error(), ":pw") {
			t.Errorf("%v shows a password", err)
		}
	}
}
