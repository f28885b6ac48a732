package definition

import (
	"slices"
	"time"
)

// Place is where a field may stand.
type Place int

const (
	InFile Place = 1 << iota
	InDefaults
	InMutex
)

// Kind is what a field's value is.
type Kind int

const (
	Version     Kind = iota // the number 1
	Package                 // a Go package name
	Defaults                // a mapping of fields
	Mutexes                 // a list of mappings of fields
	Name                    // an exported Go identifier
	Text                    // any text
	URL                     // a URL with ${VAR} and ${VAR:-default}
	Servers                 // a list of URLs
	Cluster                 // a list of lists of URLs
	KeyTemplate             // literal text and {param:type}
	Duration                // Go syntax
	Wait                    // a duration, 0 or forever
	Lifetime                // a duration or forever
	Seconds                 // whole seconds
	Count                   // a whole number
	Fraction                // a number
	Switch                  // true or false
	OnOff                   // on or off
)

// Field is a row of the table of fields: what the parser accepts, and what the documentation and a schema say about it.
type Field struct {
	Name string
	Kind Kind
	In   Place
	// Default is the value in force where the file gives none, as it would be written; empty if there is none, or if
	// the description says how it follows from other fields.
	Default string
	// Least and Most are the bounds of a value, both included, as they would be written; Below excludes its bound.
	Least, Most, Below string
	Description        string
	Examples           []string
	// OneOf names the group of fields of which a mutex has one. A mutex's own field replaces the defaults' field of
	// the same group.
	OneOf string
	// Foreign are the names that other libraries have for it, except those that differ in case or underscores only.
	Foreign []string
	// set stores a value of the field's kind; nil where the field has no place in a Mutex.
	set func(m *Mutex, value any)
}

// Groups of Field.OneOf.
const (
	oneLocation   = "location"
	oneExpiration = "expiration"
	oneWaiting    = "waiting"
)

// Fields is the table of all fields, in the order in which to document them.
func Fields() []Field { return slices.Clone(fields) }

// defaultKey is what several libraries lock that are given no key.
const defaultKey = "red_mutex_lock"

const inBoth = InDefaults | InMutex

var fields = []Field{
	{
		Name: "version", Kind: Version, In: InFile,
		Description: "The version of this format.",
		Examples:    []string{"1"},
	},
	{
		Name: "package", Kind: Package, In: InFile,
		Description: "The Go package of the generated file; else $GOPACKAGE, which go generate sets, else that of the Go files beside it, else " +
			"the folder's name.",
		Examples: []string{"locks"},
		Foreign:  []string{"package_name", "pkg"},
	},
	{
		Name: "defaults", Kind: Defaults, In: InFile,
		Description: "Values for all mutexes that don't give their own: any field of a mutex but name, doc and key.",
	},
	{
		Name: "mutexes", Kind: Mutexes, In: InFile,
		Description: "The mutexes, each with a name of its own.",
		Foreign:     []string{"mutex", "locks", "lock"},
	},
	{
		Name: "name", Kind: Name, In: InMutex,
		Description: "The name of the Go type and field: an exported identifier.",
		Examples:    []string{"NightlyReport"},
		set:         func(m *Mutex, value any) { m.Name = value.(string) },
	},
	{
		Name: "doc", Kind: Text, In: InMutex,
		Description: "What the mutex is for; it becomes the Go type's documentation.",
		Examples:    []string{"makes sure that one replica at a time builds the report."},
		Foreign:     []string{"description", "comment"},
		set:         func(m *Mutex, value any) { m.Doc = value.(string) },
	},
	{
		Name: "url", Kind: URL, In: inBoth, OneOf: oneLocation,
		Description: "One Redis node: a server, a master that Redis Sentinels watch, or a Redis Cluster. ${VAR} and ${VAR:-default} are " +
			"resolved when the application opens the mutexes.",
		Examples: []string{"${REDIS_URL:-redis://localhost:6379}", "rediss://cache.example.com:6380/1",
			"redis+sentinel://s1,s2,s3/mymaster", "redis+cluster://c1,c2,c3"},
		Foreign: []string{"address", "addr", "host", "redis_url", "uri"},
		set:     func(m *Mutex, value any) { m.URL = value.(string) },
	},
	{
		Name: "servers", Kind: Servers, In: inBoth, OneOf: oneLocation,
		Description: "An odd number of independent Redis nodes; a lock needs more than half of them.",
		Examples:    []string{`["redis://a:6379", "redis://b:6379", "redis://c:6379"]`}, // in a list, editors expand ${VAR}
		Foreign:     []string{"nodes", "hosts", "urls", "addresses", "addrs"},
		set:         func(m *Mutex, value any) { m.Servers = value.([]string) },
	},
	{
		Name: "cluster", Kind: Cluster, In: inBoth, OneOf: oneLocation,
		Description: "Groups of an odd number of independent Redis nodes each; the key picks the group.",
		Examples:    []string{`[["redis://a1", "redis://a2", "redis://a3"], ["redis://b1", "redis://b2", "redis://b3"]]`},
		Foreign:     []string{"groups", "shards"},
		set:         func(m *Mutex, value any) { m.Cluster = value.([][]string) },
	},
	{
		Name: "key", Kind: KeyTemplate, In: InMutex, Default: defaultKey,
		Description: "The Redis key: literal text and {param:type}; {{ and }} are literal braces. Types are string, int, " +
			"int64, uint64, bool, and any imported type that is a fmt.Stringer, such as github.com/google/uuid.UUID.",
		Examples: []string{"report:nightly", "account:{account_id:int64}:transfer"},
		Foreign:  []string{"resource", "resources", "lock_key", "lock_name"},
		set:      func(m *Mutex, value any) { m.Key = value.(Key) },
	},
	{
		// The upper bound: a lock for longer than that never expires in the life of its server, which is what an
		// expiration is there to prevent; and with it the milliseconds since 1970 plus the expiration, which Redis
		// keeps, and any sum that we make of it in nanoseconds, stay far inside an int64.
		Name: "expiration", Kind: Duration, In: inBoth, OneOf: oneExpiration,
		Default: "1h", Least: "10ms", Most: "87600h",
		Description: "How long Redis keeps a lock that nobody releases or extends.",
		Examples:    []string{"10m", "30s"},
		Foreign:     []string{"ttl", "expiry", "lease", "lease_time", "duration"},
		set:         func(m *Mutex, value any) { m.Expiration = value.(time.Duration) },
	},
	{
		Name: "expiration_in_seconds", Kind: Seconds, In: inBoth, OneOf: oneExpiration,
		Least: "1", Most: "315360000",
		Description: "The expiration in whole seconds, instead of expiration.",
		Examples:    []string{"3600"},
		Foreign:     []string{"lock_exp_sec"},
		set:         func(m *Mutex, value any) { m.Expiration = value.(time.Duration) },
	},
	{
		Name: "wait", Kind: Wait, In: inBoth, OneOf: oneWaiting,
		Default: "0", Least: "0s",
		Description: "How long an acquire waits for a held lock: 0, a duration, or forever, which is until its context ends.",
		Examples:    []string{"5s", "forever"},
		Foreign:     []string{"wait_timeout", "wait_time", "acquire_timeout", "lock_timeout"},
		set:         func(m *Mutex, value any) { m.Wait = value.(time.Duration) },
	},
	{
		Name: "max_retry", Kind: Count, In: inBoth, OneOf: oneWaiting,
		Default: "0", Least: "0", Most: "1000000000",
		Description: "How many further attempts an acquire makes, whatever failed, instead of wait.",
		Examples:    []string{"3"},
		Foreign:     []string{"retryCount", "retries", "max_retries", "tries", "max_attempts"},
		set:         func(m *Mutex, value any) { m.MaxRetry = value.(int) },
	},
	{
		Name: "retry_interval", Kind: Duration, In: inBoth,
		Default: "200ms", Least: "1ms", Most: "24h",
		Description: "The pause before the next attempt when no wake-up came.",
		Examples:    []string{"200ms"},
		Foreign:     []string{"retryDelay", "retry_wait", "backoff"},
		set:         func(m *Mutex, value any) { m.RetryInterval = value.(time.Duration) },
	},
	{
		Name: "retry_jitter", Kind: Duration, In: inBoth,
		Default: "100ms", Least: "0s", Most: "24h",
		Description: "The random part of the pause: up to that much is added or taken off. At most retry_interval; " +
			"the default is never above half of it.",
		Examples: []string{"100ms"},
		Foreign:  []string{"jitter"},
		set:      func(m *Mutex, value any) { m.RetryJitter = value.(time.Duration) },
	},
	{
		Name: "drift_factor", Kind: Fraction, In: inBoth,
		Default: "0.01", Least: "0", Below: "1",
		Description: "The part of the expiration that clocks may differ by: drift is expiration × factor + 2 ms, and a " +
			"lock is valid for that much less than its expiration.",
		Examples: []string{"0.01"},
		Foreign:  []string{"clock_drift_factor", "drift"},
		set:      func(m *Mutex, value any) { m.DriftFactor = value.(float64) },
	},
	{
		Name: "node_timeout", Kind: Duration, In: inBoth,
		Least: "1ms", Most: "24h",
		Description: "The budget for one node's answer. Default: 5 % of the expiration, at least 10 ms and at most 1 s, " +
			"and never above half of the expiration.",
		Examples: []string{"50ms"},
		Foreign:  []string{"server_timeout", "timeout", "read_timeout"},
		set:      func(m *Mutex, value any) { m.NodeTimeout = value.(time.Duration) },
	},
	{
		Name: "pool_size", Kind: Count, In: inBoth,
		Default: "2", Least: "1", Most: "1000",
		Description: "Connections to each node, at most; while somebody waits for a lock there is one more, for messages.",
		Examples:    []string{"2"},
		Foreign:     []string{"connections", "max_connections"},
		set:         func(m *Mutex, value any) { m.PoolSize = value.(int) },
	},
	{
		Name: "reconnection_interval", Kind: Duration, In: inBoth,
		Default: "1s", Least: "1ms", Most: "24h",
		Description: "How long a node that failed is left alone before the next probe.",
		Examples:    []string{"1s"},
		Foreign:     []string{"reconnect_interval"},
		set:         func(m *Mutex, value any) { m.ReconnectionInterval = value.(time.Duration) },
	},
	{
		Name: "renew", Kind: Switch, In: inBoth,
		Default:     "true",
		Description: "Whether Synchronize keeps extending the lock while its function runs.",
		Examples:    []string{"false"},
		Foreign:     []string{"auto_renew", "auto_extend", "watchdog", "using"},
		set:         func(m *Mutex, value any) { m.Renew = value.(bool) },
	},
	{
		Name: "max_hold", Kind: Duration, In: inBoth,
		Least: "10ms", Most: "87600h",
		Description: "The longest that renewal may stretch one lock: longer than the expiration. Default: no limit.",
		Examples:    []string{"2h"},
		Foreign:     []string{"max_lease", "max_lifetime"},
		set:         func(m *Mutex, value any) { m.MaxHold = value.(time.Duration) },
	},
	{
		Name: "fencing", Kind: Switch, In: inBoth,
		Default: "false",
		Description: "Whether each lock has a fencing token, larger than all before it for its key, by which what the lock " +
			"protects can refuse a holder that comes too late.",
		Examples: []string{"true"},
		Foreign:  []string{"fencing_token", "fencing_tokens"},
		set:      func(m *Mutex, value any) { m.Fencing = value.(bool) },
	},
	{
		Name: "fencing_memory", Kind: Lifetime, In: inBoth,
		Default: "1h", Least: "1s", Most: "87600h",
		Description: "How long the nodes remember a key's last token when nobody locks the key any more; after that its tokens " +
			"go on from the nodes' clocks. With forever no clock is relied on, and each key that was ever locked takes memory " +
			"for good.",
		Examples: []string{"24h", "forever"},
		set:      func(m *Mutex, value any) { m.FencingMemory = value.(time.Duration) },
	},
	{
		// Off, although on is safer: a fleet that is new would refuse everybody for as long as the quarantine is, which is an
		// hour by default; it costs every acquire; and nodes that write all to disk before they answer do without.
		Name: "restart_guard", Kind: OnOff, In: inBoth,
		Default: "off",
		Description: "Whether a node that restarted, lost its data or is new stays without a vote until the longest lock that " +
			"it may have forgotten has expired: the expiration, 1 % (or drift_factor, if that is more) of it, and 2 s; at least " +
			"7 s with fencing. It is off by default because a fleet that is new refuses everybody for so long, and because " +
			"nodes that write all to disk (appendfsync always) do without.",
		Examples: []string{"on"},
		set:      func(m *Mutex, value any) { m.RestartGuard = value.(bool) },
	},
	{
		Name: "replicas", Kind: Count, In: inBoth,
		Default: "0", Least: "0", Most: "1000",
		Description: "How many replicas of a node must acknowledge a lock, within node_timeout, before the node's vote counts. It is for " +
			"nodes that fail over to a replica (redis+sentinel://, redis+cluster://): else a replica that has not received a lock " +
			"yet may become the master, and forget it. With fewer replicas than that, or too slow ones, nobody gets a lock.",
		Examples: []string{"1"},
		Foreign:  []string{"min_replicas", "wait_replicas"},
		set:      func(m *Mutex, value any) { m.Replicas = value.(int) },
	},
}

// field finds a field by name among those that may stand in place.
func fieldOf(name string, place Place) *Field {
	for i := range fields {
		if fields[i].Name == name && fields[i].In&place != 0 {
			return &fields[i]
		}
	}
	return nil
}
