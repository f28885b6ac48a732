package definition

import "strings"

// nodeKind is what a URL names: one server, the master that sentinels watch, or a Redis Cluster.
type nodeKind int

const (
	oneServer nodeKind = iota
	oneSocket
	sentinelMaster
	redisCluster
)

// scheme is what a URL begins with.
type scheme struct {
	kind nodeKind
	tls  bool
	// port is that of its hosts by default.
	port string
}

var schemes = map[string]scheme{
	"redis":           {oneServer, false, "6379"},
	"rediss":          {oneServer, true, "6379"},
	"unix":            {oneSocket, false, ""},
	"redis+sentinel":  {sentinelMaster, false, "26379"},
	"rediss+sentinel": {sentinelMaster, true, "26379"},
	"redis+cluster":   {redisCluster, false, "6379"},
	"rediss+cluster":  {redisCluster, true, "6379"},
}

// lists says whether the URL has a list of hosts.
func (s scheme) lists() bool { return s.kind == sentinelMaster || s.kind == redisCluster }

const (
	sentinelForm = "redis+sentinel://host1:26379,host2:26379/master-name"
	clusterForm  = "redis+cluster://host1:6379,host2:6379"
)

// schemeHint says what may be meant by a scheme that isn't one.
func schemeHint(name string) string {
	secure := strings.Contains(name, "rediss") || strings.Contains(name, "tls") || strings.Contains(name, "ssl")
	with := func(form string) string {
		if secure {
			return strings.Replace(form, "redis", "rediss", 1)
		}
		return form
	}
	switch {
	case strings.Contains(name, "sentinel"):
		return "a master that Redis Sentinels watch is " + with(sentinelForm)
	case strings.Contains(name, "cluster"):
		return "a Redis Cluster is " + with(clusterForm)
	case strings.Contains(name, "unix"), strings.Contains(name, "socket"):
		return "a socket is unix:///var/run/redis.sock"
	case secure:
		return "with TLS, a server is rediss://localhost:6379"
	}
	return "a server is redis://, rediss:// (with TLS) or unix://; a master that sentinels watch is redis+sentinel://, and a " +
		"Redis Cluster redis+cluster:// (with TLS: rediss+sentinel://, rediss+cluster://)"
}
