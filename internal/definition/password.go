package definition

import (
	"net/url"
	"strings"
)

// hasPassword says whether a URL holds a password, or a part of one, that is no reference to a variable.
func hasPassword(text string) bool {
	expanded := text
	if e, problems := expand(text); len(problems) == 0 {
		expanded = e.text
	}
	return hasUserPassword(expanded) || hasParameterPassword(expanded)
}

// hasUserPassword looks before the hosts.
func hasUserPassword(expanded string) bool {
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
		if !strings.Contains(authority, "@") && !hasPorts(authority) {
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

// hasPorts says whether behind each host's colon, if it has one, stands what may be a port.
func hasPorts(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		_, port, ok := strings.Cut(host, ":")
		if ok && !strings.HasPrefix(host, "[") && strings.Trim(port, "0123456789"+variable) != "" {
			return false
		}
	}
	return true
}

// hasParameterPassword looks behind the question mark.
func hasParameterPassword(expanded string) bool {
	_, query, _ := strings.Cut(expanded, "?")
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == "sentinel_password" && strings.Trim(value, variable) != "" {
			return true
		}
	}
	return false
}
