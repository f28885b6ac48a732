package mutex

import (
	"crypto/tls"
	"log/slog"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Option is an option of the generated Open.
type Option func(*config)

// AllMutexes, in place of a name, stands for every mutex of an Open that has no such option of its own.
const AllMutexes = "*"

// config is what the options of an Open add up to.
type config struct {
	lookup func(string) (string, bool)
	logger *slog.Logger
	trace  *Trace
	tls    *tls.Config
	adjust []func(string, *redis.Options)
	// places are where mutexes live instead of where their definitions say, by name or AllMutexes.
	places map[string]place
}

func newConfig(options []Option) *config {
	c := &config{lookup: os.LookupEnv, places: make(map[string]place)}
	for _, option := range options {
		if option != nil {
			option(c)
		}
	}
	return c
}

// WithEnv replaces os.LookupEnv as the source of the variables in URLs.
func WithEnv(lookup func(name string) (string, bool)) Option {
	return func(c *config) {
		if lookup != nil {
			c.lookup = lookup
		}
	}
}

// WithLogger logs what an operator should know: locks that were lost (as errors), releases that failed, nodes that went down
// or don't vote yet (as warnings), and nodes that came back. What happens to each lock is logged for debugging only, at
// slog.LevelDebug. Without this option nothing is logged at all.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = logger }
}

// WithTrace calls the callbacks of a trace when what they are for happens. Given several times, each trace is told.
func WithTrace(trace *Trace) Option {
	return func(c *config) { c.trace = c.trace.And(trace) }
}

// WithURL places the mutex of that name on one node, whatever its definition says. The URL may refer to variables as in
// mutexes.yaml.
func WithURL(mutex, url string) Option {
	return func(c *config) { c.places[mutex] = place{groups: [][]string{{url}}, fields: []string{"WithURL"}} }
}

// WithServers places the mutex of that name on a quorum of nodes, an odd number.
func WithServers(mutex string, urls ...string) Option {
	return func(c *config) { c.places[mutex] = servers("WithServers", urls) }
}

// WithCluster places the mutex of that name on groups of nodes, of which the key picks one. Their order counts: every
// process must name them in the same.
func WithCluster(mutex string, groups ...[]string) Option {
	return func(c *config) { c.places[mutex] = cluster("WithCluster", groups) }
}

// WithTLS is the TLS configuration of every node whose URL asks for TLS: rediss://, rediss+sentinel:// (servers and
// sentinels) and rediss+cluster://. What the URL's parameters say goes over it: ca_file, cert_file with key_file, server_name
// and skip_verify. A config without a ServerName is completed with each server's own.
//
// It is an error of Open if no URL asks for TLS: somebody means to be safe who is not.
func WithTLS(tlsConfig *tls.Config) Option {
	return func(c *config) { c.tls = tlsConfig }
}

// WithRedisOptions has adjust change the go-redis options of each node before it is used: its dialer, TLS configuration
// or credentials provider. Node is the address, for a master that sentinels name master-name@host:port,host:port, and for a
// Redis Cluster host:port,host:port. A dialer is given the address
// of the server that is meant, and makes TLS itself, as with go-redis. Retries, timeouts and the pool's size are the library's to set.
func WithRedisOptions(adjust func(node string, options *redis.Options)) Option {
	return func(c *config) {
		if adjust != nil {
			c.adjust = append(c.adjust, adjust)
		}
	}
}

// AcquireOption is an option of one AcquireLock or Synchronize.
type AcquireOption func(*engine.AcquireOptions)

// WithExpiration gives this lock an expiration of its own. If the definition has a restart guard, one that is longer than
// the definition's is an error: a restarted node waits for no longer than that before it votes again.
func WithExpiration(expiration time.Duration) AcquireOption {
	return func(o *engine.AcquireOptions) { o.Expiration = &expiration }
}

// WithWait says how long to wait for a held lock, whatever the definition says: zero doesn't wait, Forever waits until
// the context ends.
func WithWait(wait time.Duration) AcquireOption {
	return func(o *engine.AcquireOptions) { o.Wait = &wait }
}

// WithRenewal has AcquireLock renew the lock until it is released or lost, as Synchronize does, for as long as the
// definition's max_hold allows. So the expiration, be it ever so short, limits the time for which a holder that crashed
// keeps others out, and not the time for which the lock may be held.
//
// A lock that is never released is then never free again while this process lives: release it in a defer. And watch Done,
// for a renewed lock can be lost too, with ErrLockLost as its Err: because too few nodes could be reached for as long as
// it was valid, because another owner's value stands at its key, or because max_hold is over.
//
// Synchronize takes it as well, where the definition says that it doesn't renew.
func WithRenewal() AcquireOption {
	return func(o *engine.AcquireOptions) { o.Renew = true }
}

// acquireOptions is what the options add up to. Without any, which is the rule, nothing is allocated.
func acquireOptions(options []AcquireOption) engine.AcquireOptions {
	if len(options) == 0 {
		return engine.AcquireOptions{}
	}
	var o engine.AcquireOptions
	for _, option := range options {
		if option != nil {
			option(&o)
		}
	}
	return o
}
