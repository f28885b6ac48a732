package compat

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// node is what tells one node from another. What variables hold stands in it as numbers, one for each variable.
type node struct {
	server, database string
	kind             kind
	// places are those of definition.Node, each on a line, sorted.
	places string
}

// kind is what a URL names.
type kind int

const (
	oneServer kind = iota
	sentinelMaster
	redisCluster
)

// is says whether two nodes are certainly one, whatever variables hold. A master that sentinels watch, and a Redis Cluster, go
// by many names: some of their hosts.
func (n node) is(other node) bool { return n == other || n.database == other.database && n.isOn(other) }

// isOn says whether two nodes are certainly on one server.
func (n node) isOn(other node) bool {
	if n.server == other.server || n.kind != other.kind || n.kind == oneServer {
		return n.server == other.server
	}
	return n.hasPlaceOf(other)
}

func (n node) hasPlaceOf(other node) bool {
	for place := range strings.SplitSeq(n.places, "\n") {
		if slices.Contains(strings.Split(other.places, "\n"), place) {
			return true
		}
	}
	return false
}

// variables numbers the variables of both versions. A number can stand anywhere in a URL, in a port as well.
type variables struct {
	numbers map[string]int
	names   []string
}

const firstNumber = 731_046_000

var (
	numbered    = regexp.MustCompile(`731\d{6}`)
	endOfScheme = regexp.MustCompile(`^(?i:\+sentinel|\+cluster)?://`)
)

func (v *variables) number(name string) string {
	if v.numbers == nil {
		v.numbers = map[string]int{}
	}
	n, ok := v.numbers[name]
	if !ok {
		n = len(v.names)
		v.numbers[name] = n
		v.names = append(v.names, name)
	}
	return strconv.Itoa(firstNumber + n)
}

// named has ${NAME} where text has numbers.
func (v *variables) named(text string) string {
	return numbered.ReplaceAllStringFunc(text, func(number string) string {
		n, _ := strconv.Atoi(number)
		if n -= firstNumber; n < 0 || n >= len(v.names) {
			return number
		}
		return "${" + v.names[n] + "}"
	})
}

// resolve is the node that a URL names where the variables in unset are not set, and all others are. What it says of a
// database that only a variable knows is not that of any other URL.
func (v *variables) resolve(text string, unset map[string]bool) node {
	generic, whole := v.generic(text, unset)
	named := definition.NodeOf(generic)
	n := node{server: named.Server, database: named.Database}
	switch {
	case named.Master != "":
		n.kind = sentinelMaster
	case named.IsRedisCluster():
		n.kind = redisCluster
	}
	if n.kind != oneServer {
		n.places = strings.Join(slices.Sorted(slices.Values(named.Places())), "\n")
		if _, query, ok := strings.Cut(generic, "?"); ok && n.kind == sentinelMaster {
			parameters, _ := url.ParseQuery(query)
			n.mayHaveDatabaseOf(parameters)
		}
		return n
	}
	u, err := url.Parse(generic)
	if err != nil {
		return n
	}
	given := strings.Trim(u.Path, "/") != "" && u.Scheme != "unix"
	if all := u.Query()["db"]; len(all) > 0 && all[len(all)-1] != "" {
		given = true
	}
	if whole != "" && !given {
		n.database = "that of " + whole
	}
	n.mayHaveDatabaseOf(u.Query())
	return n
}

// mayHaveDatabaseOf adds what variables may say that hold the names of parameters.
func (n *node) mayHaveDatabaseOf(parameters url.Values) {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if numbered.MatchString(name) { // a parameter that only a variable knows, ?db= perhaps
			n.database += ", or that of " + name
		}
	}
}

// generic is the URL with numbers for variables; whole is that of a variable with which it begins, so that it may hold all
// of a URL.
func (v *variables) generic(text string, unset map[string]bool) (generic, whole string) {
	var b strings.Builder
	all := definition.Pieces(text)
	for i, p := range all {
		switch {
		case !p.Reference:
			b.WriteString(p.Literal)
		case unset[p.Name]:
			b.WriteString(p.Fallback)
		case b.Len() > 0:
			b.WriteString(v.number(p.Name))
		case i+1 < len(all) && endOfScheme.MatchString(all[i+1].Literal):
			b.WriteString("redis") // the scheme matters to no node's identity
		default:
			whole = v.number(p.Name)
			b.WriteString("redis://" + whole)
		}
	}
	return b.String(), whole
}

// sharesSentinel says whether one sentinel watches both masters, under names of which no variable decides.
func (n node) sharesSentinel(other node) bool {
	var all [2][]string
	for i, places := range []string{n.places, other.places} {
		for place := range strings.SplitSeq(places, "\n") {
			name, sentinel, _ := strings.Cut(place, "@")
			if numbered.MatchString(name) {
				return false
			}
			all[i] = append(all[i], sentinel)
		}
	}
	return slices.ContainsFunc(all[0], func(sentinel string) bool { return slices.Contains(all[1], sentinel) })
}

// couldBe says whether two nodes that differ can be the same, given the right values of variables; or, where sentinels or other
// nodes of a cluster know it, the right servers.
func (n node) couldBe(other node) bool {
	differ := func(a, b string) bool {
		return a != b && slices.Equal(numbered.FindAllString(a, -1), numbered.FindAllString(b, -1))
	}
	if n.server == other.server && numbered.MatchString(n.server) { // the same URL, but for the database that is added to it
		return n.database == other.database
	}
	switch {
	case differ(n.database, other.database):
		return false
	case n.kind == oneServer && other.kind == oneServer:
		return !differ(n.server, other.server)
	case n.kind == sentinelMaster && other.kind == sentinelMaster: // one sentinel has different servers under different names
		return n.isOn(other) || !n.sharesSentinel(other)
	}
	return true
}

// show is a URL as a message may have it, without what belongs to a user.
func (v *variables) show(text string, unset map[string]bool) string {
	shown := v.shown(text, unset)
	if runes := []rune(shown); len(runes) > 60 {
		shown = string(runes[:60]) + "…"
	}
	return shown
}

func (v *variables) shown(text string, unset map[string]bool) string {
	generic, whole := v.generic(text, unset)
	n := v.resolve(text, unset)
	if _, err := url.Parse(generic); err != nil && n.kind == oneServer {
		return "a URL"
	}
	if whole == "" {
		if n.database != "0" {
			n.server += "/" + n.database
		}
		return v.named(n.server)
	}
	rest := strings.TrimPrefix(generic, "redis://"+whole)
	if strings.Contains(rest, "@") || strings.Contains(rest, "?") {
		rest = "…"
	}
	return v.named(whole + rest)
}
