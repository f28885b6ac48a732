package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// span is a range of bytes.
type span struct{ from, to int }

// spanAt finds the span that holds the offset, in spans that are sorted.
func spanAt(spans []span, offset int) (span, bool) {
	i, _ := slices.BinarySearchFunc(spans, offset, func(s span, offset int) int {
		if s.to <= offset {
			return -1
		}
		return 1
	})
	if i < len(spans) && spans[i].from <= offset {
		return spans[i], true
	}
	return span{}, false
}

// secretSpans finds what may be a password in one line of text. It rather hides too much: what is hidden in vain still stands
// in the user's own file.
func secretSpans(line string) []span {
	spans := urlSecrets(line)
	if !strings.ContainsAny(line, "=$:") { // the patterns take their time
		return spans
	}
	for _, pattern := range secretPatterns {
		for _, match := range pattern.FindAllStringSubmatchIndex(line, -1) {
			if !isVariable(line[match[2]:match[3]]) {
				spans = append(spans, span{match[2], match[3]})
			}
		}
	}
	ports := portPattern.FindAllStringSubmatchIndex(line, -1)
	if begin := afterSlashes(line, 0); begin >= 0 {
		for _, match := range nextPortPattern.FindAllStringSubmatchIndex(line[begin:], -1) {
			ports = append(ports, []int{0, 0, begin + match[2], begin + match[3]})
		}
	}
	for _, match := range ports {
		if text := line[match[2]:match[3]]; !isVariable(text) && !isAddress(text) {
			spans = append(spans, span{match[2], match[3]})
		}
	}
	return united(spans)
}

// secretPatterns are passwords that do not stand between the colon and the @ of a URL, each as the group of a match.
var secretPatterns = []*regexp.Regexp{
	regexp.MustCompile(`(?i)[?&]\w*(?:pass|pwd|secret|token|auth)\w*=([^&\s"']+)`),
	regexp.MustCompile(`\$\{[^{}]*\}:([^\s"']+)@`), // behind a variable that holds the beginning of a URL
}

// nextPortPattern is the same behind a comma of a list of hosts.
var nextPortPattern = regexp.MustCompile(`,(?:\$\{[^{}]*\}|\[[^\]]*\]|[^\s"':/?@,\[\]{}])+:((?:\$\{[^{}]*\}|[^\s"'/?@,\]{}])+)`)

// portPattern is what stands where the port should be, in a URL without an @.
var portPattern = regexp.MustCompile(`://(?:\$\{[^{}]*\}|\[[^\]]*\]|[^\s"':/?@,\[\]{}])*:((?:\$\{[^{}]*\}|[^\s"'/?@,\]{}])+)`)

// urlSecrets finds in every URL what stands between the first colon after the double slash and the last @ before the next
// URL or the end of the line: a password may hold quotes, spaces, slashes and @.
func urlSecrets(line string) []span {
	var spans []span
	for begin := afterSlashes(line, 0); begin >= 0; {
		next, end := begin, len(line)
		for next = afterSlashes(line, begin); next >= 0; next = afterSlashes(line, next) {
			if start := urlStart(line, next); start > begin {
				end = start
				break
			}
		}
		segment := line[begin:end]
		colon, at := strings.IndexByte(segment, ':'), strings.LastIndexByte(segment, '@')
		if colon >= 0 && at > colon+1 && !isVariable(segment[colon+1:at]) {
			spans = append(spans, span{begin + colon + 1, begin + at})
		}
		begin = next
	}
	return spans
}

// united sorts spans, and makes one of those that overlap.
func united(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range spans {
		if last := len(out) - 1; last >= 0 && s.from <= out[last].to {
			out[last].to = max(out[last].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// urlStart is where the URL begins whose double slash ends before the offset, if what stands before it says that a new
// value begins there; else -1.
func urlStart(line string, slashes int) int {
	start := strings.LastIndexByte(line[:slashes], ':')
	for start > 0 && strings.IndexByte("+-.", line[start-1]) >= 0 || start > 0 && isWord(line[start-1]) {
		start--
	}
	if before, ok := strings.CutSuffix(line[:start], ":"); ok { // ${VAR:-redis://…
		name := len(before)
		for name > 0 && isWord(before[name-1]) {
			name--
		}
		if strings.HasSuffix(before[:name], "${") {
			start = name - 2
		}
	}
	if start > 0 && strings.IndexByte(" \t\"',[", line[start-1]) >= 0 {
		return start
	}
	return -1
}

// isVariable says whether a text is just ${VAR}, which is no secret.
func isVariable(text string) bool {
	name, ok := strings.CutPrefix(text, "${")
	name, closed := strings.CutSuffix(name, "}")
	return ok && closed && variableName(name)
}

// isAddress says whether a text is a port, with the end of a sentence maybe, or the rest of an IPv6 address that lacks its
// brackets.
func isAddress(text string) bool {
	return strings.Trim(text, "0123456789.;)") == "" || strings.Contains(text, ":") && strings.Trim(text, "0123456789abcdefABCDEF:") == ""
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// afterSlashes is the offset behind the next `://`, also as JSON escapes it, at or after from; -1 if there is none.
func afterSlashes(line string, from int) int {
	for i := from; i < len(line); i++ {
		if line[i] != ':' {
			continue
		}
		rest := strings.TrimPrefix(line[i+1:], `\`)
		if !strings.HasPrefix(rest, "/") {
			continue
		}
		rest = strings.TrimPrefix(rest[1:], `\`)
		if strings.HasPrefix(rest, "/") {
			return len(line) - len(rest) + 1
		}
	}
	return -1
}

// Masked is the text with *** for what may be a password.
func Masked(text string) string {
	var out strings.Builder
	last := 0
	for _, secret := range secretSpans(text) {
		out.WriteString(text[last:secret.from] + "***")
		last = secret.to
	}
	return out.String() + text[last:]
}

// quoted renders the user's own text in a message: in quotes, on one line, not too long, without passwords.
func quoted(text string) string {
	const limit, absurd = 60, 4096
	if len(text) > absurd {
		return fmt.Sprintf("of %d bytes", len(text))
	}
	text = Masked(text)
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return strconv.Quote(text)
}
