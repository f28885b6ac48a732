package engine

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
	"time"

	"github.com/redis/go-redis/v9"
)

// keepAlive is go-redis's: connections that are idle for half a minute are checked.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialTLS dials with TLS. Unlike go-redis's dialer it heeds the context, so that Close needn't wait for a server that
// accepts and says nothing; and its errors say which part failed.
func dialTLS(config *tls.Config, limit time.Duration) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{KeepAliveConfig: keepAlive}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own := config
		if own.ServerName == "" { // whichever server a sentinel or a cluster names
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				host = address
			}
			own = config.Clone()
			own.ServerName = host
		}
		secure := tls.Client(conn, own)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, &handshakeError{address: address, err: err}
		}
		return secure, nil
	}
}

// explain tells from an answer that took too long a connection that isn't there yet: servers without TLS wait for the end
// of what they take for a command. The commands hear so too. It changes nothing of what is known to have been sent: a dial
// under way may be another than the one that the commands waited for.
func (w *wireSender) explain(err error, commands ...redis.Cmder) error {
	if w.options.TLSConfig == nil || !w.dialling.Load() || !isTimeout(err) {
		return err
	}
	explained := &handshakeError{address: w.options.Addr, err: err}
	for _, command := range commands {
		if isTimeout(command.Err()) {
			command.SetErr(explained)
		}
	}
	return explained
}

// silence is the error of a node that has not answered within budget, for whoever waits no longer than that: it may be shorter
// than a dial.
func (n *Node) silence(budget time.Duration) error {
	err := &timeoutError{budget}
	if n.wire == nil || n.wire.options.TLSConfig == nil {
		return err
	}
	dialling := false
	for _, s := range n.wire.senders {
		if s.conn.Load() != nil && !s.dialling.Load() {
			return err // it has answered a handshake
		}
		dialling = dialling || s.dialling.Load()
	}
	if !dialling {
		return err
	}
	return &handshakeError{address: n.wire.options.Addr, err: err}
}

// isTimeout tells whether time ran out, for an answer, a dial, or, in go-redis's pool, for somebody else's dial.
func isTimeout(err error) bool {
	var timeout net.Error
	var silent *timeoutError
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) || errors.As(err, &silent) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// handshakeError is the error of a TLS handshake.
type handshakeError struct {
	address string
	err     error
}

func (e *handshakeError) Error() string {
	return fmt.Sprintf("TLS handshake with %s: %v", e.address, e.err)
}
func (e *handshakeError) Unwrap() error { return e.err }

// unwelcomeError is that of a server which closed a new connection before it answered anything.
type unwelcomeError struct{ err error }

func (e *unwelcomeError) Error() string {
	return fmt.Sprintf("the server closed the new connection at once: %v", e.err)
}
func (e *unwelcomeError) Unwrap() error { return e.err }

// kept is an error of a new connection as go-redis passes it on, which takes the outermost one away.
func kept(err error) error { return fmt.Errorf("%w", err) }

func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

var errWantsTLS = errors.New("it speaks TLS")

// isAlert tells whether these are the first bytes of what a server with TLS says to a client without.
func isAlert(p []byte) bool { return len(p) > 1 && p[0] == 0x15 && p[1] == 0x03 }

// tlsHint says what to do about an error of a connection with TLS, or of one that wants it.
func tlsHint(err error) string {
	var handshake *handshakeError
	var unwelcome *unwelcomeError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "nobody whom this machine trusts has signed the server's certificate: name the authority's certificate in the URL's ca_file, or in mutex.WithTLS"
	case errors.As(err, &name):
		return "the server's certificate is for other names: connect by one of them, or say in the URL's server_name which it has"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet: renew it, or mend this machine's clock"
	case errors.As(err, &noTLS):
		return "the server doesn't speak TLS at this port: connect by redis:// instead of rediss://, or to its TLS port"
	}
	if alert := refusal509(err); alert != "" {
		return alert
	}
	switch {
	case errors.As(err, &handshake) && isHangUp(err):
		return "the server ended the TLS handshake: does it speak TLS at this port?"
	case errors.As(err, &handshake) && isTimeout(err):
		return "the server did not answer in time: is it there, and does it speak TLS at this port?"
	case errors.As(err, &unwelcome):
		return "if the server wants TLS at this port, connect by rediss:// instead of redis://; else it may have reached its maxclients"
	}
	return ""
}

// refusal509 is the hint for a server that refuses the client's certificate. With TLS 1.3 it says so only once the client
// takes the handshake for finished, and package tls has no type for what it says.
func refusal509(err error) string {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return ""
	}
	text := remote.Err.Error()
	switch {
	case strings.Contains(text, "certificate required"), strings.Contains(text, "handshake failure"):
		return "the server asks for a client certificate: name one in the URL's cert_file and key_file, or in mutex.WithTLS"
	case strings.Contains(text, "expired certificate"):
		return "the client certificate has expired: renew the URL's cert_file and key_file"
	case strings.Contains(text, "certificate"):
		return "the server refuses the client certificate, or asks for one: check the URL's cert_file and key_file, and the authority that the server trusts"
	}
	return ""
}
