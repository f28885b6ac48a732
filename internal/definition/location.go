package definition

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Node is what tells the node of one URL from that of another. Where the URL of one server depends on variables, Server is its
// text and Database empty; elsewhere they stand in it as written.
type Node struct {
	// Server is host:port, or the path of a socket. Of a master that sentinels watch it is master-name@host:port,host:port, and
	// of a Redis Cluster redis+cluster://host:port,host:port, with the hosts in order.
	Server, Database string
	// Master is the name of a master that sentinels watch; Hosts are those of the sentinels, or of the Redis Cluster, in the order
	// of the URL.
	Master string
	Hosts  []string
}

func (n Node) String() string {
	if n.Database == "" {
		return n.Server
	}
	return n.Server + "/" + n.Database
}

// Places are texts of which two nodes have one in common if they are surely on the same server: for Redis Clusters, and for
// masters of the same name, a host in common suffices.
func (n Node) Places() []string {
	if len(n.Hosts) == 0 {
		return []string{n.Server}
	}
	places := slices.Clone(n.Hosts)
	if n.Master != "" {
		for i := range places {
			places[i] = n.Master + "@" + places[i]
		}
	}
	return places
}

func (p *parser) identity(text string) Node {
	if id, ok := p.identities[text]; ok {
		return id
	}
	id := NodeOf(text)
	if p.identities == nil {
		p.identities = map[string]Node{}
	}
	p.identities[text] = id
	return id
}

// NodeOf is the node that a URL names: redis://h, redis://:password@H:6379/0 and rediss://h?db=0 are one.
func NodeOf(text string) Node {
	name, _, _ := strings.Cut(text, "://")
	if s := schemes[strings.ToLower(name)]; s.lists() {
		return s.nodeOf(text)
	}
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, "${") {
		return Node{Server: text}
	}
	database := u.Path
	server := strings.ToLower(u.Hostname())
	if u.Scheme == "unix" {
		server, database = u.Path, ""
	} else {
		if server == "" {
			server = "localhost"
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		server += ":" + port
	}
	return Node{Server: server, Database: databaseOf(database, u.Query())}
}

// IsRedisCluster says whether the node is a Redis Cluster.
func (n Node) IsRedisCluster() bool { return n.Master == "" && len(n.Hosts) > 0 }

// nodeOf is the node of a URL with a list of hosts.
func (s scheme) nodeOf(text string) Node {
	opaque, written := withoutReferences(text)
	parts := cutURL(opaque)
	var n Node
	for host := range strings.SplitSeq(parts.hosts, ",") {
		address := s.address(host)
		if name, port := cutPort(host); port == "" && strings.Contains(name, variable) { // a variable may hold the port, too
			address = name
		}
		if address = written(address); !slices.Contains(n.Hosts, address) {
			n.Hosts = append(n.Hosts, address)
		}
	}
	hosts := strings.Join(slices.Sorted(slices.Values(n.Hosts)), ",")
	if s.kind == redisCluster {
		n.Server, n.Database = "redis+cluster://"+hosts, "0"
		return n
	}
	path := append(parts.segments(), "", "")
	n.Master = written(path[0])
	query, _ := url.ParseQuery(strings.TrimPrefix(parts.query, "?"))
	n.Server, n.Database = n.Master+"@"+hosts, written(databaseOf(path[1], query))
	return n
}

// withoutReferences puts into the place of each reference a text in which nothing parts a URL; written puts them back.
func withoutReferences(text string) (opaque string, written func(part string) string) {
	var b strings.Builder
	var pairs []string
	for _, p := range Pieces(text) {
		if !p.Reference {
			b.WriteString(p.Literal)
			continue
		}
		mark := variable + strconv.Itoa(len(pairs)) + variable
		reference := "${" + p.Name + "}"
		if p.Optional {
			reference = "${" + p.Name + ":-" + p.Fallback + "}"
		}
		pairs = append(pairs, mark, reference)
		b.WriteString(mark)
	}
	return b.String(), strings.NewReplacer(pairs...).Replace
}

// databaseOf is the database that a URL names in its path or, which goes before it with go-redis, behind the question mark.
func databaseOf(path string, query url.Values) string {
	database := strings.Trim(path, "/")
	if given := lastOf(query["db"]); given != "" {
		database = given
	}
	if number, err := strconv.Atoi(database); err == nil {
		database = strconv.Itoa(number)
	}
	if database == "" {
		database = "0"
	}
	return database
}

// location is where a mutex's key may be: one group of nodes, or several, of which the key picks one.
type location struct {
	groups string   // the same for the same nodes in the same groups
	nodes  []string // the places of each with its database, sorted
}

func (p *parser) location(m *Mutex) location {
	var l location
	var all strings.Builder
	for _, group := range m.Groups() {
		var nodes []string
		for _, server := range group {
			n := p.identity(server)
			nodes = append(nodes, n.String())
			for _, place := range n.Places() {
				l.nodes = append(l.nodes, Node{Server: place, Database: n.Database}.String())
			}
		}
		slices.Sort(nodes)
		all.WriteString(strings.Join(nodes, " ") + "\n")
	}
	slices.Sort(l.nodes)
	l.groups = all.String()
	return l
}

func (l location) meets(other location) bool {
	for i, j := 0, 0; i < len(l.nodes) && j < len(other.nodes); {
		switch strings.Compare(l.nodes[i], other.nodes[j]) {
		case 0:
			return true
		case -1:
			i++
		default:
			j++
		}
	}
	return false
}
