package definition

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// node is what tells one node from another: server and database. What depends on variables is compared as it is written.
func (p *parser) node(text string) string { return p.identity(text).String() }

// Node is what tells the node of one URL from that of another. Where the URL depends on variables, Server is its text and
// Database empty.
type Node struct{ Server, Database string }

func (n Node) String() string {
	if n.Database == "" {
		return n.Server
	}
	return n.Server + "/" + n.Database
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
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, "${") {
		return Node{Server: text}
	}
	database := strings.Trim(u.Path, "/")
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
	if given := u.Query()["db"]; len(given) > 0 && given[len(given)-1] != "" { // it goes before that of the path, with go-redis
		database = given[len(given)-1]
	}
	if number, err := strconv.Atoi(database); err == nil {
		database = strconv.Itoa(number)
	}
	if database == "" {
		database = "0"
	}
	return Node{server, database}
}

// location is where a mutex's key may be: one group of nodes, or several, of which the key picks one.
type location struct {
	groups string   // the same for the same nodes in the same groups
	nodes  []string // sorted
}

func (p *parser) location(m *Mutex) location {
	var l location
	var all strings.Builder
	for _, group := range m.Groups() {
		var nodes []string
		for _, server := range group {
			nodes = append(nodes, p.node(server))
		}
		slices.Sort(nodes)
		all.WriteString(strings.Join(nodes, " ") + "\n")
		l.nodes = append(l.nodes, nodes...)
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
