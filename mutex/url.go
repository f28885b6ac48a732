package mutex

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// expand replaces ${VAR} and ${VAR:-default}. As in a shell, the default stands in for a variable that is unset or empty.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("a ${ is never closed")
		}
		name, fallback, hasFallback := strings.Cut(reference, ":-")
		switch {
		case strings.Contains(reference, "${"):
			return "", errors.New("a reference inside a reference")
		case !variableName(name):
			return "", errors.New("a ${ is followed by no name of a variable")
		}
		value, ok := lookup(name)
		switch {
		case ok && value != "":
			b.WriteString(value)
		case hasFallback:
			b.WriteString(fallback)
		case ok:
			return "", fmt.Errorf("the environment variable %s is empty", name)
		default:
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		text = after
	}
}

// variableName tells names from what else may follow a ${, which no message should quote: it may be part of a password.
func variableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// parseServer reads the URL of one server. Its errors never quote the URL, nor any part of it that could belong to a
// password.
func parseServer(text string) (*redis.Options, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return nil, errNoURL
	}
	if strings.Contains(parsed.Hostname(), ":") && !strings.HasPrefix(parsed.Host, "[") {
		return nil, errors.New("an IPv6 address stands in brackets: redis://[::1]:6379")
	}
	if port := parsed.Port(); port != "" && parsed.Scheme != "unix" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("the port in the URL is not within 1 and 65535")
		}
	}
	options, err := redis.ParseURL(text)
	switch {
	case err != nil:
		if _, name, ok := strings.Cut(err.Error(), "unexpected option: "); ok {
			return nil, fmt.Errorf("%w: %q", errUnknown, name)
		}
		return nil, errForm
	case options.DB < 0:
		return nil, errors.New("the database in the URL is negative")
	case options.Network == "unix" && strings.Trim(options.Addr, "/") == "":
		return nil, errors.New("the URL has no path of a socket")
	}
	return options, nil
}

var (
	errNoURL   = errors.New("this is no URL (in a password, write special characters as %XX)")
	errForm    = errors.New("the URL does not fit the form redis://user:password@host:port/database?option=value")
	errUnknown = errors.New("the URL has an unknown parameter")
	errScheme  = errors.New("a URL must begin with redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, " +
		"redis+cluster:// or rediss+cluster://")
	errEscape = errors.New("the URL has a #, or an @ behind its address (in a password, write special characters as %XX)")
)
