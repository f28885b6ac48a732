package definition

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// url checks the URL of a node as far as it can be known before the application opens it.
func (p *parser) url(v value) bool {
	problems := checkURL(v.Value)
	if len(problems) > 0 && p.cutByComma(v) {
		problems[0].hint = "in [ ] and { } a URL with a comma in it needs quotes"
	}
	ok := p.problems(v, problems)
	if !hasPassword(v.Value) {
		return ok
	}
	finding := Finding{Severity: Warning, Position: v.at, Code: "password", Message: "a password stands in the URL, and so in generated code",
		Hint: "take it, or the whole URL, from a variable: redis://:${REDIS_PASSWORD}@localhost:6379, ${REDIS_URL}"}
	line, _ := p.source.line(v.Line)
	if !strings.Contains(line, v.Value) || hasPassword(strings.ReplaceAll(Masked(v.Value), "***", "")) {
		finding.concealFrom = v.Line
	}
	p.report(finding)
	return ok
}

// cutByComma says whether a value without quotes begins or ends at a comma without a blank behind it, as the parts of a list of
// hosts do that YAML takes for a list of its own.
func (p *parser) cutByComma(v value) bool {
	line, ok := p.source.line(v.Line)
	if !ok || v.aliased || v.Kind != yaml.ScalarNode || v.Style != 0 {
		return false
	}
	before, behind := line[:offsetOf(line, v.Column)], line[offsetOf(line, v.Column):]
	rest, ok := strings.CutPrefix(behind, v.Value)
	if strings.HasSuffix(before, ",") || !ok {
		return ok
	}
	rest, ok = strings.CutPrefix(rest, ",")
	return ok && rest != "" && rest[0] != ' ' && rest[0] != '\t'
}

// checkURL is pure, and its messages never quote the URL: there may be a password in it.
func checkURL(text string) []problem {
	if text == "" {
		return []problem{{Error, 0, "the URL is empty", "for example ${REDIS_URL:-redis://localhost:6379}"}}
	}
	const limit = 4096
	if len(text) > limit {
		return []problem{{Error, 0, fmt.Sprintf("the URL has %d bytes; at most %d are allowed", len(text), limit), ""}}
	}
	for offset, r := range text {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return []problem{{Error, utf8.RuneCountInString(text[:offset]), "a space or control character in the URL", ""}}
		}
	}
	e, problems := expand(text)
	if len(problems) > 0 {
		return problems
	}
	wrong := func(message, hint string) []problem { return []problem{{Error, 0, message, hint}} }
	name, _, ok := strings.Cut(e.text, "://")
	known := !strings.Contains(e.text, variable)
	switch {
	case e.text == "":
		return wrong("the URL is empty where its variables are not set", "a variable that must be set is written ${VAR}")
	case !ok && !known, strings.Contains(name, variable):
		return nil
	case !ok && strings.HasPrefix(text, "$"):
		return wrong("not a URL", "a variable is written ${VAR} or ${VAR:-default}")
	case !ok:
		return wrong("not a URL", "for example redis://localhost:6379")
	}
	name = strings.ToLower(name)
	s, supported := schemes[name]
	switch {
	case supported:
	case name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "":
		return wrong("unsupported scheme "+quoted(name), schemeHint(name))
	default:
		return wrong("not a URL", "for example redis://localhost:6379")
	}
	c := &urlCheck{expansion: e, scheme: s, name: name, parts: cutURL(e.text)}
	switch {
	case s.lists():
		c.list()
	case known:
		c.one()
	default: // whatever they hold
		_ = c.severalHosts() || !c.parameters()
	}
	return c.problems
}

// urlCheck checks a URL with a scheme that is known. It ends with what it finds first, but for what it only warns of.
type urlCheck struct {
	expansion
	scheme
	name  string
	parts urlParts
	// vague are the parameters with a variable in their value; unnamed says that there is one in a name.
	vague    map[string]bool
	unnamed  bool
	problems []problem
}

// urlParts are those of a URL, as they stand in it, and where.
type urlParts struct {
	user                       string // with the password, and what it is parted from the hosts by
	hosts, path, query, anchor string // with what they begin with

	userAt, hostsAt, pathAt, queryAt int
}

// cutURL takes a URL apart, whatever is wrong with it.
func cutURL(text string) urlParts {
	var p urlParts
	_, rest, _ := strings.Cut(text, "://")
	p.userAt = len(text) - len(rest)
	rest, p.anchor = cutBefore(rest, "#")
	rest, p.query = cutBefore(rest, "?")
	rest, p.path = cutBefore(rest, "/")
	p.hosts = rest
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		p.user, p.hosts = rest[:at+1], rest[at+1:]
	}
	p.hostsAt = p.userAt + len(p.user)
	p.pathAt = p.hostsAt + len(p.hosts)
	p.queryAt = p.pathAt + len(p.path)
	return p
}

func cutBefore(text, sign string) (before, from string) {
	if at := strings.Index(text, sign); at >= 0 {
		return text[:at], text[at:]
	}
	return text, ""
}

// refuse reports an error at a byte of the expanded URL.
func (c *urlCheck) refuse(at int, message, hint string) bool {
	c.problems = append(c.problems, problem{Error, c.offset(at), message, hint})
	return false
}

const encode = "in a user name or password, write / ? # @ : and % percent-encoded: %2F %3F %23 %40 %3A %25"

// one checks a URL of one server, in which nothing is left to be resolved.
func (c *urlCheck) one() bool {
	if c.severalHosts() {
		return false
	}
	u, err := url.Parse(c.text)
	switch {
	case err != nil && strings.Contains(c.text, "@"):
		return c.refuse(0, "malformed URL", encode)
	case err != nil:
		return c.refuse(0, "malformed URL", "for example redis://localhost:6379")
	case strings.Contains(c.text, "#"):
		return c.refuse(0, "a # in the URL", encode)
	case strings.Contains(c.parts.path+c.parts.query, "@"):
		return c.refuse(0, "an @ behind the address in the URL", encode)
	case strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "["):
		return c.refuse(0, "an IPv6 address without brackets in the URL", "for example redis://[::1]:6379")
	case !c.parameters():
		return false
	case c.kind == oneSocket && strings.Trim(u.Path, "/") == "":
		return c.refuse(0, "the URL has no path of a socket", "for example unix:///var/run/redis.sock")
	case c.kind == oneSocket:
		return true
	case !isPort(u.Port()):
		return c.refuse(0, badPort, "")
	case !isDatabase(strings.Trim(u.Path, "/")):
		hint := "for example redis://localhost:6379/1"
		if strings.Contains(c.text, "@") {
			hint += "; " + encode
		}
		return c.refuse(0, badDatabase, hint)
	}
	return true
}

// severalHosts reports that there is a list where one host should be; but a comma may also be that of a password in which
// something is not encoded.
func (c *urlCheck) severalHosts() bool {
	comma := strings.IndexByte(c.parts.hosts, ',')
	if c.kind != oneServer || comma < 0 || strings.Contains(c.parts.path+c.parts.query+c.parts.anchor, "@") {
		return false
	}
	secure := strings.TrimPrefix(c.name, "redis")
	return !c.refuse(c.parts.hostsAt+comma, fmt.Sprintf("several hosts in a %s:// URL", c.name), fmt.Sprintf("a Redis Cluster is "+
		"redis%s+cluster://host1,host2, a master that sentinels watch redis%s+sentinel://host1,host2/master-name; independent nodes "+
		"go into servers, a URL for each", secure, secure))
}

const (
	badPort     = "the port in the URL is not within 1 and 65535"
	badDatabase = "the database in the URL is not a number"
)

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

func isDatabase(text string) bool {
	n, err := strconv.Atoi(text)
	return text == "" || err == nil && n >= 0
}
