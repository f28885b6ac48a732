package mutex

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// address is what the URL of a node says: where it is, and how it is reached.
type address struct {
	// options have the credentials, the database and the parameters, and for one server its address. For a master that
	// sentinels name, and for a cluster, the address is only a name.
	options  *redis.Options
	sentinel *engine.Sentinel
	cluster  []string
	tls      tlsParameters
}

// parse reads a node's URL. Its errors never quote the URL, nor any part of it that could belong to a password.
func parse(text string) (*address, error) {
	if text == "" {
		return nil, errors.New("the URL is empty")
	}
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	server, kind, _ := strings.Cut(scheme, "+")
	several := kind == "sentinel" || kind == "cluster"
	switch {
	case found && (server == "redis" || server == "rediss") && (several || scheme == server):
	case found && scheme == "unix":
	default:
		if _, err := url.Parse(text); err != nil {
			return nil, errNoURL
		}
		return nil, errScheme
	}
	// A password with these characters in it is cut in two, of which one part would pass for the address or a parameter.
	authority, behind := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, behind = rest[:end], rest[end:]
	}
	if strings.ContainsAny(behind, "@#") {
		return nil, errEscape
	}
	user, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, hosts = authority[:at+1], authority[at+1:]
	}
	path, query, _ := strings.Cut(behind, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, errForm
	}
	a := &address{tls: takeTLS(parameters)}
	switch {
	case kind == "sentinel":
		err = a.readSentinel(server, user, hosts, path, parameters)
	case kind == "cluster":
		err = a.readCluster(server, user, hosts, path, parameters)
	case strings.Contains(hosts, ",") && scheme != "unix":
		err = errors.New("the URL names several hosts: sentinels are named by redis+sentinel://, a Redis Cluster by redis+cluster://, " +
			"and independent servers by a URL each")
	default:
		a.options, err = parseServer(scheme + "://" + user + hosts + path + encoded(parameters))
		if err == nil && a.options.Network == "tcp" {
			a.options.Addr = strings.ToLower(a.options.Addr)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := a.tls.check(server == "rediss"); err != nil {
		return nil, err
	}
	return a, nil
}

func encoded(parameters url.Values) string {
	if len(parameters) == 0 {
		return ""
	}
	return "?" + parameters.Encode()
}

var (
	errSentinelForm = errors.New("the URL does not fit the form redis+sentinel://user:password@host:26379,host:26379/master-name/database?option=value")
	errClusterForm  = errors.New("the URL does not fit the form redis+cluster://user:password@host:6379,host:6379?option=value")
)

// readSentinel reads what stands behind redis+sentinel://.
func (a *address) readSentinel(server, user, hosts, path string, parameters url.Values) error {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if segments[0] == "" {
		return errors.New("the URL does not name the master: redis+sentinel://host:26379,host:26379/master-name")
	}
	if len(segments) > 2 {
		return errSentinelForm
	}
	master := segments[0]
	if strings.Trim(master, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" {
		return errors.New("a master's name in the URL is made of letters, digits, and the characters . - _")
	}
	sentinel := &engine.Sentinel{Master: master, Username: take(parameters, "sentinel_username"), Password: take(parameters, "sentinel_password")}
	if sentinel.Username != "" && sentinel.Password == "" {
		return errors.New("the URL has a sentinel_username without a sentinel_password")
	}
	var err error
	if sentinel.Addrs, err = readHosts(hosts, "26379"); err != nil {
		return err
	}
	database := strings.Join(segments[1:], "")
	a.options, err = parseServer(server + "://" + user + "host/" + database + encoded(parameters))
	switch {
	case errors.Is(err, errForm):
		return errSentinelForm
	case errors.Is(err, errUnknown) && sentinel.Password != "": // it may be a part of that
		return errors.New("the URL has an unknown parameter (in sentinel_password, write special characters as %XX)")
	case err != nil:
		return err
	}
	a.sentinel, a.options.Addr = sentinel, master+"@"+strings.Join(sentinel.Addrs, ",")
	return nil
}

// readCluster reads what stands behind redis+cluster://.
func (a *address) readCluster(server, user, hosts, path string, parameters url.Values) error {
	var err error
	if a.cluster, err = readHosts(hosts, "6379"); err != nil {
		return err
	}
	a.options, err = parseServer(server + "://" + user + "host" + path + encoded(parameters))
	switch {
	case errors.Is(err, errForm):
		return errClusterForm
	case err != nil:
		return err
	case a.options.DB != 0:
		return errors.New("a Redis Cluster has no database but 0")
	}
	a.options.Addr = strings.Join(a.cluster, ",")
	return nil
}

// readHosts reads host:port,host:port.
func readHosts(text, port string) ([]string, error) {
	if text == "" {
		return nil, errors.New("the URL names no host")
	}
	var addrs []string
	for host := range strings.SplitSeq(text, ",") {
		if host == "" {
			return nil, errors.New("the URL has an empty place in its list of hosts")
		}
		if _, err := parseServer("redis://" + host); err != nil {
			return nil, err
		}
		parsed, err := url.Parse("redis://" + host)
		if err != nil || parsed.Hostname() == "" {
			return nil, errors.New("the URL has a port without a host in its list of hosts")
		}
		own := port
		if parsed.Port() != "" {
			own = parsed.Port()
		}
		addr := net.JoinHostPort(strings.ToLower(parsed.Hostname()), own)
		if slices.Contains(addrs, addr) {
			return nil, errors.New("the URL names a host twice")
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// take removes a parameter; of several the last counts, as with go-redis's.
func take(parameters url.Values, name string) string {
	values := parameters[name]
	delete(parameters, name)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// servers are names of what the node is made of: two with one in common are the same.
func (a *address) servers() []string {
	var names []string
	switch {
	case a.sentinel != nil:
		for _, addr := range a.sentinel.Addrs {
			names = append(names, a.sentinel.Master+"@"+addr)
		}
	case a.cluster != nil:
		for _, addr := range a.cluster {
			names = append(names, "tcp "+addr)
		}
	default:
		names = []string{a.options.Network + " " + a.options.Addr}
	}
	return names
}

// identity tells nodes apart: mutexes whose URLs agree in all of this share its connections.
type identity struct {
	network, addr, username, password, clientName string
	sentinelUsername, sentinelPassword            string
	db, protocol                                  int
	replicas                                      int
	secure                                        bool
	tls                                           tlsParameters
}

// identity is the node's; a mutex that waits for replicas has the node to itself, and others that wait for as many.
func (a *address) identity(replicas int) identity {
	o := a.options
	i := identity{
		network: o.Network, addr: o.Addr, username: o.Username, password: o.Password, clientName: o.ClientName,
		db: o.DB, protocol: o.Protocol, replicas: replicas, secure: o.TLSConfig != nil, tls: a.tls,
	}
	switch {
	case a.sentinel != nil:
		i.network, i.addr = "sentinel", a.sentinel.Master+"@"+sorted(a.sentinel.Addrs)
		i.sentinelUsername, i.sentinelPassword = a.sentinel.Username, a.sentinel.Password
	case a.cluster != nil:
		i.network, i.addr = "cluster", sorted(a.cluster)
	}
	return i
}

func sorted(addrs []string) string { return strings.Join(slices.Sorted(slices.Values(addrs)), ",") }

// checkKind tells what a definition asks for that this kind of node cannot do.
func (a *address) checkKind(d *Definition) error {
	if a.cluster != nil && d.RestartGuard {
		return errors.New("a Redis Cluster can have no restart guard: the guard's key, and a server's uptime, belong to one server, " +
			"and a cluster's failover puts another in its place")
	}
	return nil
}
