package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest/port"
)

// Authority signs the certificates of one test.
type Authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// File is the path of its own certificate.
	File string
}

// NewAuthority makes a certificate authority that nobody else trusts.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	template := template()
	template.Subject.CommonName = "redistest's authority" // OpenSSL takes a certificate with its issuer's name for self-signed
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.key = a.newKey()
	a.cert = a.sign(template, template, a.key, a.key)
	a.File = filepath.Join(a.dir, "ca.pem")
	a.write(a.File, "CERTIFICATE", a.cert.Raw)
	return a
}

// Certificate makes a certificate for a host's names or addresses, and returns the paths of it and of its key. It is valid
// for an hour from now on, or from -ago on if that is not zero: so one of two hours ago has expired.
func (a *Authority) Certificate(ago time.Duration, names ...string) (cert, key string) {
	a.t.Helper()
	dir, err := os.MkdirTemp(a.dir, "cert")
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.Renew(cert, key, ago, names...)
	return cert, key
}

// Renew writes a new certificate and key to where those of Certificate are.
func (a *Authority) Renew(cert, key string, ago time.Duration, names ...string) {
	a.t.Helper()
	template := template()
	template.NotBefore, template.NotAfter = template.NotBefore.Add(-ago), template.NotAfter.Add(-ago)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	own := a.newKey()
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(cert, "CERTIFICATE", a.sign(template, a.cert, own, a.key).Raw)
	a.write(key, "PRIVATE KEY", encoded)
}

func template() *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &subject.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *Authority) write(path, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// TLSServer is a Server with a second port, for TLS. The look-ups use the first, where it speaks plain text.
type TLSServer struct {
	*Server
	tlsPort int
}

// StartTLS starts a server whose certificate is for 127.0.0.1 and localhost. It asks for no client certificate, unless the
// args say --tls-auth-clients yes.
func StartTLS(t testing.TB, a *Authority, args ...string) *TLSServer {
	t.Helper()
	cert, key := a.Certificate(0, "127.0.0.1", "localhost")
	return StartTLSWith(t, a, cert, key, args...)
}

// StartTLSWith starts a server with this certificate.
func StartTLSWith(t testing.TB, a *Authority, cert, key string, args ...string) *TLSServer {
	t.Helper()
	find(t)
	number, release, err := port.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release) // after the server's end
	own := append(tlsArgs(a, cert, key), "--tls-port", strconv.Itoa(number))
	return &TLSServer{Server: Start(t, append(own, args...)...), tlsPort: number}
}

func tlsArgs(a *Authority, cert, key string) []string {
	return []string{"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", a.File, "--tls-auth-clients", "no"}
}

// TLSAddr is the host:port for TLS.
func (s *TLSServer) TLSAddr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.tlsPort)) }

// TLSURL is rediss://host:port.
func (s *TLSServer) TLSURL() string { return "rediss://" + s.TLSAddr() }
