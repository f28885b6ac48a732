package mutex

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"

	"github.com/redis/go-redis/v9"
)

// tlsParameters are those of a URL that go-redis doesn't know, and that it was given skip_verify.
type tlsParameters struct {
	caFile, certFile, keyFile, serverName string
	skipVerify                            string
}

// takeTLS takes them out of a URL's. An empty one counts as none, so that it can come from a variable.
func takeTLS(parameters url.Values) tlsParameters {
	p := tlsParameters{
		caFile: take(parameters, "ca_file"), certFile: take(parameters, "cert_file"), keyFile: take(parameters, "key_file"),
		serverName: take(parameters, "server_name"),
	}
	if given := parameters["skip_verify"]; len(given) > 0 { // go-redis's, which reads it too
		p.skipVerify = given[len(given)-1]
	}
	return p
}

// check tells what is wrong with them; secure says that the URL asks for TLS.
func (p tlsParameters) check(secure bool) error {
	if !secure {
		for _, given := range []struct{ name, value string }{
			{"ca_file", p.caFile}, {"cert_file", p.certFile}, {"key_file", p.keyFile}, {"server_name", p.serverName},
		} {
			if given.value != "" {
				return fmt.Errorf("%s means nothing without TLS: the URL must begin with rediss://, rediss+sentinel:// or rediss+cluster://", given.name)
			}
		}
	}
	switch {
	case p.certFile != "" && p.keyFile == "":
		return errors.New("cert_file without key_file: a client certificate has both")
	case p.certFile == "" && p.keyFile != "":
		return errors.New("key_file without cert_file: a client certificate has both")
	}
	return nil
}

// secure gives a node's options the TLS configuration: the application's, if there is one, and over it what the URL says.
func (a *address) secure(application *tls.Config) error {
	options, p := a.options, a.tls
	if options.TLSConfig == nil {
		return nil
	}
	config := &tls.Config{}
	if application != nil {
		config = application.Clone()
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	switch {
	case p.serverName != "":
		config.ServerName = p.serverName
	case config.ServerName == "" && a.sentinel == nil && a.cluster == nil: // else each connection has its own server's
		config.ServerName = host(options)
	}
	if p.skipVerify != "" {
		config.InsecureSkipVerify = options.TLSConfig.InsecureSkipVerify
	}
	if p.caFile != "" {
		pem, err := readFile("ca_file", p.caFile)
		if err != nil {
			return err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("ca_file %q: no certificate in PEM is in it", p.caFile)
		}
	}
	if p.certFile != "" {
		if _, err := p.certificate(); err != nil {
			return err
		}
		config.Certificates = nil
		// Each connection reads the files again: whoever renews them need not restart the application.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate() }
	}
	options.TLSConfig = config
	return nil
}

func host(options *redis.Options) string {
	name, _, err := net.SplitHostPort(options.Addr)
	if err != nil {
		return options.Addr
	}
	return name
}

// certificate is the client certificate, as the files have it now.
func (p tlsParameters) certificate() (*tls.Certificate, error) {
	cert, err := readFile("cert_file", p.certFile)
	if err != nil {
		return nil, err
	}
	key, err := readFile("key_file", p.keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert_file %q and key_file %q: %w", p.certFile, p.keyFile, err)
	}
	return &pair, nil
}

// maxFile is more than any certificate has.
const maxFile = 1 << 20

// readFile reads a file that a parameter names. It must be a plain one: to open a pipe would wait for its writer.
func readFile(parameter, path string) ([]byte, error) {
	wrong := func(err error) ([]byte, error) {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the path stands before it, quoted
		}
		return nil, fmt.Errorf("%s %q: %w", parameter, path, err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		return wrong(err)
	}
	if !stat.Mode().IsRegular() {
		return wrong(errors.New("not a file"))
	}
	if stat.Size() > maxFile {
		return wrong(errors.New("too large for a certificate or a key"))
	}
	file, err := os.Open(path)
	if err != nil {
		return wrong(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return wrong(err)
	}
	return content, nil
}
