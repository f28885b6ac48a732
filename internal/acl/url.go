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
	// server is the same for the same server, shown what a person reads. Neither has a user or a password in it.
	server, shown string
	// user is empty if the URL names none, or leaves that to a variable.
	user     string
	database int
	// anyDatabase says that a variable names the database; undecided, that one may name another than this one.
	anyDatabase, undecided bool
	// named says that the URL gives connections a name.
	named bool
}

// parseURL reads a URL of the definitions, however wrong it is.
func parseURL(text string) address {
	written := readReferences(text)
	parts := split(written.text)
	a := address{user: userOf(parts.user)}
	scheme, place := "redis", parts.host
	if parts.scheme == "unix" {
		scheme, place = "unix", parts.host+parts.path
	}
	if strings.Contains(place, mark) {
		a.server, a.shown = written.names(place), written.asWritten(place)
	} else {
		a.server = definition.NodeOf(scheme + "://" + place).Server
		a.shown = a.server
	}

	byDefault := split(written.byDefault())
	database := byDefault.database()
	number, err := strconv.Atoi(database)
	a.database = max(number, 0)
	a.anyDatabase = err != nil && strings.Contains(database, unknown)
	query := parts.parameters()
	a.undecided = !a.anyDatabase && (strings.Contains(parts.database(), mark) || namesParameters(query) ||
		parts.scheme == "" && strings.Contains(place, mark) && parts.database() == "")
	a.named = last(byDefault.parameters()["client_name"]) != "" || strings.Contains(last(query["client_name"]), mark)
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
		return "${" + r.Name + ":-" + fallback + "}"
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
