package acl

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// address is what a URL says of a server and of who connects to it.
type address struct {
	// places are texts of which addresses that are surely of the same server have one in common, shown is what a person reads.
	// Neither has a user or a password in it.
	places []string
	shown  string
	// user is empty if the URL names none, or leaves that to a variable.
	user     string
	database int
	kind     kind
	// sentinels are those who watch the master, if that is what the URL names; nil otherwise.
	sentinels *address
	// anyDatabase says that a variable names the database; undecided, that one may name another than this one.
	anyDatabase, undecided bool
	// named says that the URL gives connections a name.
	named bool
}

// kind is what a URL names.
type kind int

const (
	oneServer kind = iota
	sentinelMaster
	redisCluster
)

// listSchemes begin URLs with a list of hosts.
var listSchemes = map[kind]string{sentinelMaster: "redis+sentinel://", redisCluster: "redis+cluster://"}

// kindOf is what a URL with a scheme names.
func kindOf(scheme string) kind {
	switch {
	case strings.HasSuffix(scheme, "+sentinel"):
		return sentinelMaster
	case strings.HasSuffix(scheme, "+cluster"):
		return redisCluster
	}
	return oneServer
}

// parseURL reads a URL of the definitions, however wrong it is.
func parseURL(text string) address {
	written := readReferences(text)
	parts := split(written.text)
	byDefault := split(written.byDefault())
	a := address{user: userOf(parts.user), kind: kindOf(byDefault.scheme)}
	var hosts definition.Node // as written
	scheme, place := "redis", parts.host
	if parts.scheme == "unix" {
		scheme, place = "unix", parts.host+parts.path
	}
	switch list := listSchemes[kindOf(parts.scheme)] + parts.host + parts.path; {
	case kindOf(parts.scheme) != oneServer:
		hosts = definition.NodeOf(written.asWritten(list))
		a.places, a.shown = definition.NodeOf(written.names(list)).Places(), shownNode(hosts)
	case strings.Contains(place, mark):
		a.places, a.shown = []string{written.names(place)}, written.asWritten(place)
	default:
		a.shown = definition.NodeOf(scheme + "://" + place).Server
		a.places = []string{a.shown}
	}
	if a.kind == sentinelMaster {
		a.sentinels = sentinelsOf(a, parts, hosts)
	}

	database := byDefault.database()
	number, err := strconv.Atoi(database)
	a.database = max(number, 0)
	a.anyDatabase = err != nil && strings.Contains(database, unknown)
	query := parts.parameters()
	a.undecided = !a.anyDatabase && (strings.Contains(parts.database(), mark) || namesParameters(query) ||
		parts.scheme == "" && strings.Contains(place, mark) && parts.database() == "")
	if a.kind == redisCluster {
		a.database, a.anyDatabase, a.undecided = 0, false, false
	}
	a.named = last(byDefault.parameters()["client_name"]) != "" || strings.Contains(last(query["client_name"]), mark)
	return a
}

// shownNode names a node of several hosts, in the order of its URL.
func shownNode(n definition.Node) string {
	hosts := strings.Join(n.Hosts, ",")
	if n.Master != "" {
		return n.Master + "@" + hosts
	}
	return "redis+cluster://" + hosts
}

// sentinelsOf are the sentinels of a master. What they may be asked is the same for all masters that they watch.
func sentinelsOf(master address, parts parts, hosts definition.Node) *address {
	a := &address{user: userOf(last(parts.parameters()["sentinel_username"]))}
	for _, place := range master.places {
		if at := strings.LastIndexByte(place, '@'); at >= 0 {
			place = place[at+1:]
		}
		a.places = append(a.places, "sentinel "+place)
	}
	if a.shown = strings.Join(hosts.Hosts, ", "); a.shown == "" { // a variable holds all of it
		a.shown = "the sentinels of " + master.shown
	}
	return a
}

// userOf is the user whom the part of a URL before the @ names. Default is everybody who names no other, whose rights nobody
// would want to take away unasked.
func userOf(text string) string {
	name, _, _ := strings.Cut(text, ":")
	name, err := url.PathUnescape(name)
	if err != nil || name == "default" || strings.Contains(name, mark) || CheckUser(name) != nil {
		return ""
	}
	return name
}

// parts are those of a URL, in which references to variables may stand for anything.
type parts struct{ scheme, user, host, path, query string }

// split takes a URL apart. An @ that may belong to a password is taken to, so that no part but user has one in it.
func split(text string) parts {
	var p parts
	scheme, rest, ok := strings.Cut(text, "://")
	if ok {
		p.scheme = strings.ToLower(scheme)
	} else {
		rest = text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		p.user, rest = rest[:at], rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, p.query, _ = strings.Cut(rest, "?")
	p.host = rest
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		p.host, p.path = rest[:slash], rest[slash:]
	}
	return p
}

// database is what names the database. As go-redis has it, the parameter goes before the path, and of several the last counts.
func (p parts) database() string {
	if database := last(p.parameters()["db"]); database != "" || p.scheme == "unix" {
		return database
	}
	if kindOf(p.scheme) == sentinelMaster { // behind the master's name
		path := strings.FieldsFunc(p.path, func(r rune) bool { return r == '/' })
		return strings.Join(path[min(1, len(path)):], "/")
	}
	return strings.Trim(p.path, "/")
}

func (p parts) parameters() url.Values {
	query, _ := url.ParseQuery(p.query)
	return query
}

// namesParameters says whether a variable holds the name of a parameter, so that it may be any.
func namesParameters(query url.Values) bool {
	for name := range query {
		if strings.Contains(name, mark) {
			return true
		}
	}
	return false
}

func last(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

const (
	// mark stands before and behind the number of a reference.
	mark = "\x00"
	// unknown stands for a reference without a default.
	unknown = "\x01"
)

// written is a URL whose references to variables are numbers between marks.
type written struct {
	text       string
	references []definition.Piece
}

func readReferences(text string) written {
	text = strings.Map(func(r rune) rune {
		if r < ' ' {
			return utf8.RuneError
		}
		return r
	}, text)
	var w written
	var b strings.Builder
	for _, p := range definition.Pieces(text) {
		if !p.Reference {
			b.WriteString(p.Literal)
			continue
		}
		b.WriteString(mark + strconv.Itoa(len(w.references)) + mark)
		w.references = append(w.references, p)
	}
	w.text = b.String()
	return w
}

// replace puts what f says in the place of each reference of a part of the URL.
func (w written) replace(part string, f func(r definition.Piece) string) string {
	pieces := strings.Split(part, mark)
	for i := 1; i < len(pieces); i += 2 {
		n, err := strconv.Atoi(pieces[i])
		if err == nil && n < len(w.references) {
			pieces[i] = f(w.references[n])
		}
	}
	return strings.Join(pieces, "")
}

// names has just the variables' names: with one default or another, it is the same variable.
func (w written) names(part string) string {
	return w.replace(part, func(r definition.Piece) string { return "${" + r.Name + "}" })
}

// asWritten leaves out what may be a password.
func (w written) asWritten(part string) string {
	return w.replace(part, func(r definition.Piece) string {
		if !r.Optional {
			return "${" + r.Name + "}"
		}
		fallback := r.Fallback
		if at := strings.LastIndexByte(fallback, '@'); at >= 0 {
			scheme, _, ok := strings.Cut(fallback, "://")
			if fallback = fallback[at+1:]; ok {
				fallback = scheme + "://" + fallback
			}
		}
		return "${" + r.Name + ":-" + definition.Masked(fallback) + "}"
	})
}

// byDefault is the URL where no variable is set.
func (w written) byDefault() string {
	return w.replace(w.text, func(r definition.Piece) string {
		if r.Optional {
			return r.Fallback
		}
		return unknown
	})
}
