package checkup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// isReply tells whether err is what a server answered.
func isReply(err error) bool {
	var refused redis.Error
	return errors.As(err, &refused)
}

// refusals are answers of a server that keep it from being of use, by how they begin.
var refusals = []struct {
	begins     string
	code, hint string
}{
	{"WRONGPASS", "wrong-password", "correct user and password in the URL, or set them on the server with ACL SETUSER"},
	{"ERR invalid password", "wrong-password", "correct the password in the URL"},
	{"ERR Client sent AUTH, but no password is set", "wrong-password", "the server has no password: leave it out of the URL"},
	{"ERR AUTH <password> called without any password", "wrong-password", "the server has no password: leave it out of the URL, or name the user that it belongs to"},
	{"NOAUTH", "password-needed", "put user and password into the URL: redis://user:${PASSWORD}@host:port"},
	{"DENIED", "protected-mode", "give the server a password (requirepass, or ACL SETUSER), or bind it to an address that this machine may reach"},
	{"ERR max number of clients", "too-many-clients", "raise maxclients on the server, or find who keeps so many connections open"},
	{"LOADING", "loading", "wait until it has read its data; if that takes longer than the locks last, look at the size of its data"},
	{"BUSY", "busy", "find the script that runs on it: redis-cli SCRIPT KILL ends it if it has written nothing"},
	{"MASTERDOWN", "replica", "name the master, or its sentinels: redis+sentinel://"},
	{"ERR DB index", "no-database", "choose a database that the server has, or raise its setting databases"},
	{"ERR SELECT is not allowed in cluster mode", "cluster-mode", "name it as redis+cluster://host:port"},
	{"NOPERM", "acl", "mutexgen acl prints the rule that its user needs"},
}

// troubleOf says what an error means that ended a visit.
func troubleOf(err error, secrets []string, budget time.Duration) *Trouble {
	var known *Trouble
	if errors.As(err, &known) {
		return known
	}
	err = engine.WithoutArguments(err)
	text := clean(conceal(err.Error(), secrets))
	t := &Trouble{Code: "unreachable", Message: "the server can't be reached: " + text, Hint: "see whether it runs at this address, and whether a firewall is between"}
	var network net.Error
	var resolve *net.DNSError
	switch {
	case isReply(err):
		t.Code, t.Message, t.Hint = "refused", "the server refuses: "+text, ""
		for _, r := range refusals {
			if strings.HasPrefix(err.Error(), r.begins) {
				t.Code, t.Hint = r.code, r.hint
			}
		}
	case tlsTrouble(err, t):
	case errors.As(err, &resolve):
		t.Hint = "correct the host's name in the URL, or what resolves it"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network) && network.Timeout():
		t.Message = "the server gives no answer within " + budget.Round(time.Millisecond).String()
		t.Hint = "it hangs, or a firewall swallows what is sent to it; see whether it runs at this address"
	case errors.Is(err, syscall.ECONNREFUSED):
		t.Hint = "nothing listens at this address: start the server, or correct the URL"
	case brokeOff(err):
		t.Message = "the server closes the connection: " + text
	case notRedis(err):
		t.Code, t.Message, t.Hint = "not-redis", "what listens there is no Redis: "+text, "correct the port in the URL"
	}
	return t
}

// brokeOff tells whether the other side ended the connection.
func brokeOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// notRedis tells whether an answer was not in Redis's protocol.
func notRedis(err error) bool {
	var operation *net.OpError
	return !errors.As(err, &operation) && !errors.Is(err, redis.ErrClosed)
}

// tlsTrouble fills in t if err is one of TLS.
func tlsTrouble(err error, t *Trouble) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	code, why, hint := "tls", "", ""
	switch {
	case errors.As(err, &record):
		why, hint = noTLS, noTLSHint
	case errors.As(err, &unknown):
		code, why = "tls-certificate", "the server's certificate is signed by nobody who is trusted"
		hint = "name the authority's certificate: the URL's parameter ca_file, or mutex.WithTLS"
	case errors.As(err, &name):
		code, why = "tls-certificate", "the server's certificate is for another name: "+clean(name.Error())
		hint = "use a name that the certificate has, or the URL's parameter server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		code, why, hint = "tls-certificate", "the server's certificate has expired, or is not valid yet", "renew it, or correct this machine's clock"
	case errors.As(err, &invalid):
		code, why, hint = "tls-certificate", "the server's certificate can't be used: "+clean(invalid.Error()), "have it issued again"
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		why = "the server refuses the TLS handshake: " + clean(err.Error())
		hint = "it may want a client certificate: the URL's parameters cert_file and key_file"
	case strings.Contains(err.Error(), "tls: "):
		why, hint = "the TLS handshake fails: "+clean(err.Error()), "see which versions of TLS the server allows (tls-protocols)"
	default:
		return false
	}
	t.Code, t.Message, t.Hint = code, why, hint
	return true
}

// closer looks closer at a server that could not be greeted: whether it speaks TLS and was not asked to, or the other way
// round. Neither sends it anything that is secret.
func (n *node) closer(ctx context.Context, addr string, err error, t *Trouble) *Trouble {
	o := n.at.Options().Redis
	if o.Network == "unix" || o.Dialer != nil || isReply(err) { // what a dialer of the application's does, nobody knows
		return t
	}
	if addr == "" {
		addr = o.Addr
	}
	conn, failed := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if failed != nil {
		return t
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	switch {
	case o.TLSConfig == nil && brokeOff(err):
		// A server that doesn't want the connection says why unasked, and closes it: what is sent to it meanwhile may break off.
		conn.SetReadDeadline(time.Now().Add(unasked))
		answer := make([]byte, 512)
		if length, _ := conn.Read(answer); length > 1 && answer[0] == '-' {
			text, _, _ := strings.Cut(string(answer[1:length]), "\r\n")
			return troubleOf(reply(text), n.secrets, 0)
		}
		conn.SetReadDeadline(time.Time{})
		if tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) == nil {
			return &Trouble{"tls-needed", "the server speaks TLS only", "begin the URL with rediss instead of redis"}
		}
	case o.TLSConfig != nil && t.Code == "unreachable":
		answer := make([]byte, 1)
		conn.Write([]byte("PING\r\n"))
		if length, _ := conn.Read(answer); length == 1 && (answer[0] == '+' || answer[0] == '-') {
			return &Trouble{"tls", noTLS, noTLSHint}
		}
	}
	return t
}

// unasked is how long a server has to say something by itself.
const unasked = 200 * time.Millisecond

// reply is an error that a server answered with.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

const (
	noTLS     = "the server does not speak TLS at this port"
	noTLSHint = "begin the URL with redis instead of rediss, or name the server's tls-port"
)
