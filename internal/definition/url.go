package definition

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// url checks the URL of a node as far as it can be known before the application opens it.
func (p *parser) url(v value) bool {
	ok := p.problems(v, checkURL(v.Value))
	if !hasPassword(v.Value) {
		return ok
	}
	finding := Finding{Severity: Warning, Position: v.at, Code: "password", Message: "a password stands in the URL, and so in generated code",
		Hint: "take it, or the whole URL, from a variable: redis://:${REDIS_PASSWORD}@localhost:6379, ${REDIS_URL}"}
	line, _ := p.source.line(v.Line)
	if !strings.Contains(line, v.Value) || hasPassword(strings.ReplaceAll(masked(v.Value), "***", "")) {
		finding.concealFrom = v.Line
	}
	p.report(finding)
	return ok
}

// variable stands in an expanded URL for a reference without a default.
const variable = "\x00"

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
	expanded, problems := expand(text)
	if len(problems) > 0 {
		return problems
	}
	wrong := func(message, hint string) []problem { return []problem{{Error, 0, message, hint}} }
	known := !strings.Contains(expanded, variable)
	scheme, _, ok := strings.Cut(expanded, "://")
	switch {
	case expanded == "":
		return wrong("the URL is empty where its variables are not set", "a variable that must be set is written ${VAR}")
	case !ok && !known:
		return nil
	case !ok && strings.HasPrefix(text, "$"):
		return wrong("not a URL", "a variable is written ${VAR} or ${VAR:-default}")
	case !ok:
		return wrong("not a URL", "for example redis://localhost:6379")
	case strings.Contains(scheme, variable):
		return nil
	}
	scheme = strings.ToLower(scheme)
	switch {
	case scheme == "redis", scheme == "rediss", scheme == "unix":
	case strings.Contains(scheme, "sentinel"):
		return wrong("Redis Sentinel is not in this version yet",
			"list independent nodes in servers: redis://, rediss:// or unix://")
	case strings.Contains(scheme, "cluster"):
		return wrong("Redis Cluster is not in this version yet", "list independent nodes in servers, or groups of them in cluster")
	case scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "":
		return wrong("unsupported scheme "+quoted(scheme), "redis://, rediss:// (with TLS) and unix:// are supported")
	default:
		return wrong("not a URL", "for example redis://localhost:6379")
	}
	if !known {
		return nil
	}
	return checkLiteral(scheme, expanded)
}

// checkLiteral checks a URL in which nothing is left to be resolved.
func checkLiteral(scheme, expanded string) []problem {
	wrong := func(message, hint string) []problem { return []problem{{Error, 0, message, hint}} }
	const encode = "in a user name or password, write / ? # @ : and % percent-encoded: %2F %3F %23 %40 %3A %25"
	u, err := url.Parse(expanded)
	if err != nil {
		if strings.Contains(expanded, "@") {
			return wrong("malformed URL", encode)
		}
		return wrong("malformed URL", "for example redis://localhost:6379")
	}
	if u.Fragment != "" || strings.Contains(expanded, "#") {
		return wrong("a # in the URL", encode)
	}
	_, rest, _ := strings.Cut(expanded, "://")
	if end := strings.IndexAny(rest, "/?"); end >= 0 && strings.Contains(rest[end:], "@") {
		return wrong("an @ behind the address in the URL", encode)
	}
	if strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "[") {
		return wrong("an IPv6 address without brackets in the URL", "for example redis://[::1]:6379")
	}
	if why, hint := checkParameters(u); why != "" {
		return wrong(why, hint)
	}
	if scheme == "unix" {
		if strings.Trim(u.Path, "/") == "" {
			return wrong("the URL has no path of a socket", "for example unix:///var/run/redis.sock")
		}
		return nil
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return wrong("the port in the URL is not within 1 and 65535", "")
		}
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		if _, err := strconv.ParseUint(database, 10, 31); err != nil {
			if strings.Contains(expanded, "@") {
				return wrong("the database in the URL is not a number", "for example redis://localhost:6379/1; "+encode)
			}
			return wrong("the database in the URL is not a number", "for example redis://localhost:6379/1")
		}
	}
	return nil
}

// expand puts each reference's default in its place, or a mark where it has none.
func expand(text string) (string, []problem) {
	var out strings.Builder
	var problems []problem
	const forms = "write ${VAR} or ${VAR:-default}"
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "${")
		out.WriteString(before)
		if !ok {
			return out.String(), problems
		}
		wrong := func(message, hint string) {
			offset := utf8.RuneCountInString(text[:len(text)-len(after)-len("${")])
			problems = append(problems, problem{Error, offset, message, hint})
		}
		content, behind, ok := strings.Cut(after, "}")
		if !ok {
			wrong("${ without a closing brace", forms)
			return "", problems
		}
		rest = behind
		name, fallback, defaulted := strings.Cut(content, ":-")
		switch {
		case strings.Contains(content, "${"):
			wrong("a reference inside a reference", forms+"; the default is plain text")
		case name == "":
			wrong("${} without a variable's name", forms)
		case !variableName(name):
			wrong("not a reference to a variable",
				forms+"; a variable's name has letters, digits and underscores, and no digit first")
		case defaulted:
			out.WriteString(fallback)
		default:
			out.WriteString(variable)
		}
	}
}

func variableName(name string) bool {
	for i := range len(name) {
		if !isWord(name[i]) {
			return false
		}
	}
	return name != "" && (name[0] < '0' || name[0] > '9')
}

// hasPassword says whether a URL holds a password, or a part of one, that is no reference to a variable.
func hasPassword(text string) bool {
	expanded, problems := expand(text)
	if len(problems) > 0 {
		expanded = text
	}
	_, rest, ok := strings.Cut(expanded, "://")
	if !ok {
		// The scheme may be part of what a variable holds: ${BASE}:secret@localhost.
		if _, rest, ok = strings.Cut(expanded, variable); !ok {
			return false
		}
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
		// A slash, question or number sign in the password: not a URL, but a password all the same.
		host, port, ok := strings.Cut(authority, ":")
		isPort := !ok || strings.HasPrefix(host, "[") || strings.Trim(port, "0123456789"+variable) == ""
		if !strings.Contains(authority, "@") && !isPort {
			authority = rest
		}
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return false
	}
	_, password, ok := strings.Cut(authority[:at], ":")
	return ok && strings.Trim(password, variable) != ""
}
