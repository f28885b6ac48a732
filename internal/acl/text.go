package acl

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is the rule as one command of Redis, quoted so that a shell and the prompt of redis-cli read it alike. Only a text
// that has both a single quote and an exclamation mark in it is for the shell alone.
func (r Rule) Command() string {
	words := append([]string{"ACL", "SETUSER", r.User}, r.Modifiers()...)
	for i, word := range words {
		words[i] = quote(word)
	}
	return strings.Join(words, " ")
}

const plainCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-@.,:/"

// quote makes one word of text. Between single quotes a shell takes everything as it is; the prompt of redis-cli knows \' as a
// quote there. Between double quotes both take a backslash from what follows it, if that is one of those below; but some shells
// put an earlier command in the place of an exclamation mark.
func quote(text string) string {
	switch {
	case text != "" && strings.Trim(text, plainCharacters) == "":
		return text
	case !strings.Contains(text, "'") && !strings.HasSuffix(text, `\`):
		return "'" + text + "'"
	case !strings.Contains(text, "!"):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(text) + `"`
	default:
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
}

// Write writes the rules as people and redis-cli read them.
func Write(w io.Writer, rules []Rule) error {
	var b strings.Builder
	if len(rules) == 0 {
		b.WriteString("# There are no mutexes, which need nothing.\n")
	} else {
		for _, line := range []string{
			"Each ACL line says what one user needs on the servers above it, for Redis 6.2 or later, and takes away whatever else " +
				"that user was allowed. Enter it at the prompt of redis-cli; or in a shell, behind redis-cli and the server's address.",
			"Passwords stay as they are. A new user has none, and cannot log in without: ACL SETUSER " + quote(rules[0].User) +
				" '>a long password'. The application's URLs name both: redis://user:password@host:port",
			"The server forgets all this when it ends, unless ACL SAVE or CONFIG REWRITE has it kept.",
		} {
			comment(&b, line)
		}
		if collide(rules) {
			comment(&b, "Of several lines for one user the last counts, should variables, sentinels or nodes of a cluster name the "+
				"same server twice: change the user's name in one of them then.")
		}
	}
	for _, r := range rules {
		b.WriteByte('\n')
		comment(&b, strings.Join(r.Servers, ", "))
		comment(&b, "for "+strings.Join(r.Mutexes, ", "))
		if r.Sentinels {
			comment(&b, "only if these sentinels ask for a user: the URLs name it as sentinel_username and sentinel_password")
			comment(&b, "SENTINEL FLUSHCONFIG has it kept")
		}
		if r.FailsOver {
			comment(&b, "on the master and on each of its replicas: any of them may be the next master")
		}
		if r.OfCluster {
			comment(&b, "on each node of the Redis Cluster")
		}
		if r.Undecided {
			comment(&b, "if a variable names another database, N: with '+select|N' at the end")
		}
		if r.User == "default" {
			comment(&b, "beware: default is everybody who names no user, you perhaps")
		}
		b.WriteString(r.Command() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// collide tells whether two rules may be for one user of one server.
func collide(rules []Rule) bool {
	users, depends := map[string]int{}, map[string]bool{}
	for _, r := range rules {
		if r.Sentinels { // which are no servers of locks, and what they may be asked is always the same
			continue
		}
		users[r.User]++
		depends[r.User] = depends[r.User] || r.FailsOver || r.OfCluster || strings.Contains(strings.Join(r.Servers, ""), "${")
	}
	for user, count := range users {
		if count > 1 && depends[user] {
			return true
		}
	}
	return false
}

// comment writes a text as lines of comment.
func comment(b *strings.Builder, text string) {
	const width = 118
	used := 0
	for word := range strings.SplitSeq(text, " ") {
		word = visible(word)
		length := utf8.RuneCountInString(word)
		switch {
		case used == 0:
			b.WriteString("# ")
		case used+1+length > width:
			b.WriteString("\n# ")
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += length
	}
	b.WriteByte('\n')
}

// visible writes what cannot be seen as an escape sequence: a comment must not seem to be something else.
func visible(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// CheckUser tells what is wrong with the name of a user.
func CheckUser(name string) error {
	switch {
	case name == "":
		return errors.New("the name of the user is empty")
	case !utf8.ValidString(name):
		return errors.New("the name of the user is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsSpace):
		return fmt.Errorf("a space in the name of the user: %q", name)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("an invisible character in the name of the user: %q", name)
	}
	return nil
}
