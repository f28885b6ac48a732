package checkup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

func TestTroubles(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("dial: %w", &net.OpError{Op: "read", Err: err}) }
	for want, errs := range map[string][]error{
		"wrong-password":   {reply("WRONGPASS invalid username-password pair or user is disabled."), reply("ERR AUTH <password> called without any password configured for the default user.")},
		"password-needed":  {reply("NOAUTH Authentication required.")},
		"protected-mode":   {reply("DENIED Redis is running in protected mode")},
		"too-many-clients": {reply("ERR max number of clients reached")},
		"loading":          {reply("LOADING Redis is loading the dataset in memory")},
		"busy":             {reply("BUSY Redis is busy running a script.")},
		"replica":          {reply("MASTERDOWN Link with MASTER is down")},
		"no-database":      {reply("ERR DB index is out of range")},
		"acl":              {reply("NOPERM this user has no permissions")},
		"refused":          {reply("ERR something new"), reply("")},
		"unreachable": {wrapped(syscall.ECONNREFUSED), wrapped(syscall.EHOSTUNREACH), wrapped(io.EOF), io.EOF, io.ErrUnexpectedEOF, context.Canceled,
			context.DeadlineExceeded, wrapped(&net.DNSError{Err: "no such host"})},
		"not-redis":       {errors.New("redis: can't parse"), fmt.Errorf("its answer makes no sense: %v", "x")},
		"tls":             {tls.RecordHeaderError{}, tls.AlertError(116), errors.New("tls: no supported versions"), wrapped(errors.New("remote error: tls: handshake failure"))},
		"tls-certificate": {x509.UnknownAuthorityError{}, x509.CertificateInvalidError{Reason: x509.Expired}, x509.CertificateInvalidError{}},
	} {
		for _, err := range errs {
			if got := troubleOf(err, nil, time.Second); got.Code != want || got.Message == "" {
				t.Errorf("%v: %+v, not %s", err, got, want)
			}
		}
	}
}

func TestTroublesShowNoPassword(t *testing.T) {
	for _, err := range []error{
		reply("ERR unknown command 'HELLO', with args beginning with: '2' 'AUTH' 'default' 'hunter2'"), reply("ERR hunter2 is wrong"),
		errors.New("redis: can't parse hunter2"), fmt.Errorf("x: %w", reply("NOPERM hunter2")),
	} {
		if got := troubleOf(err, []string{"", "hunter2"}, 0); strings.Contains(got.Message+got.Hint, "hunter2") {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

func TestNonsenseOfAClusterNamesNoMaster(t *testing.T) {
	for _, slots := range []any{nil, 1, "x", []any{}, []any{1, 2}, []any{1, 2, nil}, []any{1, 2, []any{}}, []any{1, 2, []any{"h"}}, []any{1, 2, []any{"h", "1"}},
		[]any{int64(1), int64(2), []any{"\x1b[2J", int64(1)}}, []any{int64(2), int64(1), []any{"h", int64(1)}}, []any{int64(0), int64(16384), []any{"h", int64(1)}}} {
		if r, ok := masterOf(slots, "asked:1"); ok {
			t.Errorf("%v: %v", slots, r)
		}
	}
	for _, host := range []string{"", "?"} {
		if r, ok := masterOf([]any{int64(0), int64(1), []any{host, int64(7)}}, "asked:1"); r != (engine.SlotRange{First: 0, Last: 1, Master: "asked:7"}) || !ok {
			t.Errorf("%q: %v", host, r)
		}
	}
	// A server that should be called by a name that it doesn't have tells its address besides.
	nameless := []any{int64(0), int64(16383), []any{"?", int64(7), "id", []any{"ip", "10.0.0.2"}}}
	if r, ok := masterOf(nameless, "asked:1"); r != (engine.SlotRange{First: 0, Last: slots - 1, Master: "10.0.0.2:7"}) || !ok {
		t.Errorf("%v", r)
	}
}
