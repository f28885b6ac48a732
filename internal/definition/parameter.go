package definition

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// urlParameter is what may stand behind the question mark of a URL.
type urlParameter struct {
	kind  Kind
	where urlPlace
}

// urlPlace is which URLs a parameter may stand in.
type urlPlace int

const (
	anywhere urlPlace = iota
	withTLS
	ofSentinels
)

// urlParameters are those that go-redis takes, and those that it does not know: the last ones. The runtime has the same.
var urlParameters = map[string]urlParameter{
	"db": {Count, anywhere}, "protocol": {Count, anywhere}, "client_name": {Text, anywhere},
	"max_retries": {Count, anywhere}, "min_retry_backoff": {Duration, anywhere}, "max_retry_backoff": {Duration, anywhere},
	"dial_timeout": {Duration, anywhere}, "read_timeout": {Duration, anywhere}, "write_timeout": {Duration, anywhere},
	"pool_fifo": {Switch, anywhere}, "pool_size": {Count, anywhere}, "pool_timeout": {Duration, anywhere},
	"min_idle_conns": {Count, anywhere}, "max_idle_conns": {Count, anywhere}, "max_active_conns": {Count, anywhere},
	"max_concurrent_dials": {Count, anywhere}, "pipeline_pool_size": {Count, anywhere},
	"pipeline_read_buffer_size": {Count, anywhere}, "pipeline_write_buffer_size": {Count, anywhere},
	"conn_max_idle_time": {Duration, anywhere}, "idle_timeout": {Duration, anywhere}, "conn_max_lifetime": {Duration, anywhere},
	"max_conn_age": {Duration, anywhere}, "conn_max_lifetime_jitter": {Duration, anywhere},
	"skip_verify": {Switch, withTLS},

	"ca_file": {Text, withTLS}, "cert_file": {Text, withTLS}, "key_file": {Text, withTLS}, "server_name": {Text, withTLS},
	"sentinel_username": {Text, ofSentinels}, "sentinel_password": {Text, ofSentinels},
}

// successors are parameters beside which an old name for them is not read.
var successors = map[string]string{"idle_timeout": "conn_max_idle_time", "max_conn_age": "conn_max_lifetime"}

// foreignParameters are what others have as parameters, and how it is written here.
var foreignParameters = map[string]string{
	"addr":        "hosts are listed with commas: " + sentinelForm + ", " + clusterForm,
	"master_name": "the master's name stands behind the hosts: " + sentinelForm,
	"master":      "the master's name stands behind the hosts: " + sentinelForm,
	"username":    "user and password stand before the host: redis://user:${REDIS_PASSWORD}@localhost:6379",
	"password":    "user and password stand before the host: redis://user:${REDIS_PASSWORD}@localhost:6379",
	"tls":         "TLS is asked for by the scheme: rediss://",
	"ssl":         "TLS is asked for by the scheme: rediss://",
	"ca_cert":     "did you mean ca_file?",
	"cacert":      "did you mean ca_file?",
	"cafile":      "did you mean ca_file?",
	"cert":        "did you mean cert_file?",
	"key":         "did you mean key_file?",
	"sni":         "did you mean server_name?",
	"insecure":    "did you mean skip_verify?",
}

// parameters checks what stands behind the question mark. The runtime refuses the same, when the application starts.
func (c *urlCheck) parameters() bool {
	given, err := url.ParseQuery(strings.TrimPrefix(c.parts.query, "?"))
	if err != nil {
		return c.refuse(c.parts.queryAt, "the parameters of the URL are malformed", "for example redis://localhost:6379?dial_timeout=5s")
	}
	pairs := strings.Split(strings.TrimPrefix(c.parts.query, "?"), "&")
	c.vague, c.unnamed = map[string]bool{}, false
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		c.unnamed = c.unnamed || strings.Contains(name, variable)
		name, _ = url.QueryUnescape(name)
		c.vague[name] = strings.Contains(value, variable)
	}
	at := c.parts.queryAt + len("?")
	for _, pair := range pairs {
		if name, _, _ := strings.Cut(pair, "="); pair != "" && !strings.Contains(name, variable) {
			name, _ = url.QueryUnescape(name)
			if why, hint := c.parameter(name, given); why != "" {
				return c.refuse(at, why, hint)
			}
		}
		at += len(pair) + len("&")
	}
	return true
}

// parameter says what is wrong with a parameter.
func (c *urlCheck) parameter(name string, given url.Values) (why, hint string) {
	p, known := urlParameters[name]
	if successor, old := successors[name]; old && given.Has(successor) {
		known = false
	}
	value := lastOf(given[name])
	switch {
	case !known:
		return "the URL has an unknown parameter: " + quoted(name), parameterHint(name)
	case p.where == withTLS && !c.tls && (value != "" || p.kind == Switch):
		return name + " is for rediss://", c.secureHint()
	case p.where == ofSentinels && c.kind != sentinelMaster:
		return name + " is for sentinels", "a master that they watch is " + sentinelForm
	case !c.vague[name] && !parameterValue(p.kind, value):
		return fmt.Sprintf("the value of %s in the URL must be %s", name, kindNames[p.kind]), ""
	case name == "db" && strings.HasPrefix(value, "-") && strings.Trim(value, "-0") != "":
		return "the database in the URL is negative", ""
	case name == "db" && c.kind == redisCluster && !c.vague[name] && strings.Trim(value, "+-0") != "":
		return clusterDatabase, clusterDatabaseHint
	}
	if other := companions[name]; other != "" && value != "" && lastOf(given[other]) == "" && !c.unnamed {
		hint := "a client certificate is both: the certificate and its private key"
		if name == "sentinel_username" {
			hint = "for example " + sentinelForm + "?sentinel_username=user&sentinel_password=${SENTINEL_PASSWORD}"
		}
		return fmt.Sprintf("%s without %s in the URL", name, other), hint
	}
	return "", ""
}

// companions are parameters without which others make no sense.
var companions = map[string]string{"cert_file": "key_file", "key_file": "cert_file", "sentinel_username": "sentinel_password"}

func (c *urlCheck) secureHint() string {
	if c.kind == oneSocket {
		return "a socket needs no TLS"
	}
	return "to connect with TLS, write " + strings.Replace(c.name, "redis", "rediss", 1) + "://"
}

func parameterHint(name string) string {
	if hint := foreignParameters[strings.ToLower(name)]; hint != "" {
		return hint
	}
	names := make([]string, 0, len(urlParameters))
	for known := range urlParameters {
		names = append(names, known)
	}
	slices.Sort(names)
	if near := Nearest(name, names); near != "" && near != name {
		return "did you mean " + near + "?"
	}
	return ""
}

func lastOf(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

// parameterValue says whether go-redis takes the value.
func parameterValue(kind Kind, value string) bool {
	_, notNumber := strconv.Atoi(value)
	switch {
	case value == "", kind == Text:
		return true
	case kind == Count:
		return notNumber == nil
	case kind == Duration:
		_, err := time.ParseDuration(value)
		return err == nil || notNumber == nil // of seconds
	}
	return value == "true" || value == "false" || value == "1" || value == "0"
}
