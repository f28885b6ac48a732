package definition

import (
	"net/url"
	"strconv"
	"strings"
)

// list checks a URL that has a list of hosts: sentinels and the name of a master, or nodes of a Redis Cluster. Where a variable
// stands, anything may.
func (c *urlCheck) list() bool {
	end := c.parts.queryAt + len(c.parts.query)
	switch {
	case c.parts.anchor != "" && c.kind == sentinelMaster && !strings.Contains(c.parts.anchor, "@"):
		return c.refuse(end, "a # in the URL", "the master's name stands behind the hosts and a slash: "+c.form())
	case c.parts.anchor != "":
		return c.refuse(end, "a # in the URL", encode)
	case strings.Contains(c.parts.path+c.parts.query, "@"):
		return c.refuse(c.parts.pathAt, "an @ behind the address in the URL", encode)
	}
	if _, err := url.Parse("redis://" + strings.ReplaceAll(c.parts.user, variable, "v") + "h"); err != nil {
		return c.refuse(c.parts.userAt, "malformed URL", encode)
	}
	if !c.hosts() || !c.parameters() {
		return false
	}
	if c.kind == sentinelMaster {
		return c.master()
	}
	return c.noDatabase()
}

// form is an example of a URL of this kind.
func (c *urlCheck) form() string {
	form := clusterForm
	if c.kind == sentinelMaster {
		form = sentinelForm
	}
	if c.tls {
		form = strings.Replace(form, "redis", "rediss", 1)
	}
	return form
}

// hosts checks the list of hosts.
func (c *urlCheck) hosts() bool {
	if c.parts.hosts == "" {
		return c.refuse(c.parts.hostsAt, "the URL has no host", "for example "+c.form())
	}
	seen := map[string]bool{}
	at := c.parts.hostsAt
	for host := range strings.SplitSeq(c.parts.hosts, ",") {
		if why, hint := c.host(host); why != "" {
			return c.refuse(at, why, hint)
		}
		address := c.address(host)
		if seen[address] && !strings.Contains(address, variable) {
			return c.refuse(at, "a host that the URL lists already", "remove it, unless another one is meant; one host is enough")
		}
		seen[address] = true
		at += len(host) + len(",")
	}
	return true
}

// host says what is wrong with one of several hosts.
func (c *urlCheck) host(host string) (why, hint string) {
	name, port := cutPort(host)
	switch {
	case name == "":
		return "a host is missing in the list of the URL", "for example " + c.form()
	case !strings.Contains(port, variable) && !isPort(port):
		return badPort, ""
	case strings.Contains(name, variable):
		return "", ""
	case !strings.HasPrefix(name, "[") && strings.Contains(name, ":"):
		return "an IPv6 address without brackets in the URL", "for example " + c.name + "://[::1]:" + c.port
	}
	if _, err := url.Parse("redis://" + name); err != nil {
		return "malformed URL", "a host is a name, an IPv4 address, or an IPv6 address in brackets"
	}
	return "", ""
}

// cutPort parts a host from its port, which is empty if there is none.
func cutPort(host string) (name, port string) {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return host, ""
	}
	return host[:colon], host[colon+1:]
}

// address is a host with its port.
func (s scheme) address(host string) string {
	name, port := cutPort(strings.ToLower(host))
	if port == "" {
		port = s.port
	}
	return name + ":" + port
}

// segments are what the path has between its slashes, without those at its ends.
func (p urlParts) segments() []string {
	if path := strings.Trim(p.path, "/"); path != "" {
		return strings.Split(path, "/")
	}
	return nil
}

// master checks what stands behind the hosts of sentinels.
func (c *urlCheck) master() bool {
	path, at := c.parts.segments(), c.parts.pathAt
	const unnamed = "the URL does not name the master that the sentinels watch"
	hint := "for example " + c.form() + "; SENTINEL MASTERS tells the names"
	if len(path) == 0 {
		switch {
		case !strings.HasSuffix(c.parts.hosts, variable):
			return c.refuse(at, unnamed, hint)
		case strings.Contains(c.parts.hosts, ","): // it may stand in the last variable, but hardly does
			c.problems = append(c.problems, problem{Warning, c.offset(at), unnamed, hint})
		}
		return true
	}
	digits := strings.Trim(path[0], "0123456789") == ""
	switch {
	case !isMaster(strings.ReplaceAll(path[0], variable, "")):
		return c.refuse(at+strings.Index(c.parts.path, path[0]), "the master's name in the URL has a character that none has",
			"it is made of letters, digits and . - _")
	case strings.Contains(strings.Join(path[1:], ""), variable):
	case len(path) > 2 && !strings.Contains(path[0], variable):
		return c.refuse(at, "the URL has more behind its hosts than a master's name and a database", "for example "+c.form()+"/1")
	case len(path) == 2 && !isDatabase(path[1]):
		return c.refuse(at+strings.LastIndex(c.parts.path, path[1]), badDatabase, "the master's name comes first: "+c.form()+"/1")
	case len(path) == 1 && digits:
		c.problems = append(c.problems, problem{Warning, c.offset(at), "the URL has a number where the master's name should be",
			"a database comes behind the name: " + c.form() + "/" + path[0]})
	}
	return true
}

// isMaster says whether sentinels may know a master by the name.
func isMaster(name string) bool {
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

// noDatabase checks that nothing stands behind the hosts of a Redis Cluster.
func (c *urlCheck) noDatabase() bool {
	path, at := c.parts.segments(), c.parts.pathAt
	database := strings.Join(path, "/")
	n, err := strconv.Atoi(database)
	switch {
	case len(path) == 0, strings.Contains(database, variable), err == nil && n == 0:
		return true
	case isDatabase(database):
		return c.refuse(at, clusterDatabase, clusterDatabaseHint)
	}
	return c.refuse(at, "the URL of a Redis Cluster ends with its hosts", "for example "+c.form())
}

const (
	clusterDatabase     = "a Redis Cluster has no database but 0"
	clusterDatabaseHint = "begin the keys with a text of their own instead"
)
