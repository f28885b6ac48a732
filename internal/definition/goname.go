package definition

import (
	"go/token"
	"go/types"
	"slices"
	"strings"
	"unicode"
)

// parameterName says whether a name is lower_snake or lowerCamel, in ASCII.
func parameterName(name string) bool {
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	upper := false
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c >= 'A' && c <= 'Z':
			upper = true
		case c == '_' && i+1 < len(name) && name[i+1] != '_':
		default:
			return false
		}
	}
	return !upper || !strings.Contains(name, "_")
}

// initialisms are the words that Go writes in one case; the list is staticcheck's.
var initialisms = strings.Fields("ACL API ASCII CPU CSS DNS EOF GUID HTML HTTP HTTPS ID IP JSON QPS RAM RPC SLA SMTP SQL " +
	"SSH TCP TLS TTL UDP UI GID UID UUID URI URL UTF8 VM XML XMPP XSRF XSS SIP RTP AMQP DB TS")

// goName turns a parameter's name into a Go identifier, which may still be one that generated code has another use for:
// account_id becomes accountID, userIds becomes userIDs.
func goName(name string) string {
	var out strings.Builder
	for i, word := range words(name) {
		upper := strings.ToUpper(word)
		switch {
		case i == 0:
			out.WriteString(strings.ToLower(word))
		case slices.Contains(initialisms, upper):
			out.WriteString(upper)
		case strings.HasSuffix(upper, "S") && slices.Contains(initialisms, upper[:len(upper)-1]):
			out.WriteString(upper[:len(upper)-1] + "s")
		default:
			out.WriteString(upper[:1] + strings.ToLower(word[1:]))
		}
	}
	return out.String()
}

// words splits a lower_snake or lowerCamel name. The plural s of an initialism stays with it: userIDs is user, IDs.
func words(name string) []string {
	var all []string
	for part := range strings.SplitSeq(name, "_") {
		begin := 0
		for i := 1; i < len(part); i++ {
			plural := part[i] >= 'A' && part[i] <= 'Z' && i+1 < len(part) && part[i+1] == 's' &&
				(i+2 == len(part) || part[i+2] >= 'A' && part[i+2] <= 'Z')
			if wordBegins([]rune(part), i) && !(plural && unicode.IsUpper(rune(part[i-1]))) {
				all = append(all, part[begin:i])
				begin = i
			}
		}
		if begin < len(part) {
			all = append(all, part[begin:])
		}
	}
	return all
}

// wordBegins says whether a word begins at i: an upper-case letter behind a lower-case one or a digit, or one behind an
// upper-case letter and before a lower-case one.
func wordBegins(name []rune, i int) bool {
	if i == 0 || !unicode.IsUpper(name[i]) {
		return false
	}
	before := name[i-1]
	return unicode.IsLower(before) || unicode.IsDigit(before) ||
		unicode.IsUpper(before) && i+1 < len(name) && unicode.IsLower(name[i+1])
}

// nameParameters gives every key parameter of the file its final Go name: none that hides something that the generated
// method or the generated file needs.
func nameParameters(drafts []*draft) {
	taken := map[string]bool{}
	for _, name := range strings.Fields("ctx fn lock err m options expiration context time fmt mutex") {
		taken[name] = true
	}
	for _, d := range drafts {
		for _, parameter := range d.Key.Parameters() {
			for _, name := range packageNames(parameter.Import) {
				taken[name] = true
			}
		}
	}
	for _, d := range drafts {
		used := map[string]bool{}
		for _, part := range d.Key.Parts {
			if part.Parameter == nil {
				continue
			}
			name := goName(part.Parameter.Name)
			for taken[name] || used[name] || token.IsKeyword(name) || types.Universe.Lookup(name) != nil {
				name += "Param"
			}
			used[name] = true
			part.Parameter.GoName = name
		}
	}
}

// packageNames are the names by which a package may go in the generated file: an import path doesn't say its package's
// name, so these are all that are usual.
func packageNames(imported string) []string {
	if imported == "" {
		return nil
	}
	elements := strings.Split(imported, "/")
	last := elements[len(elements)-1]
	candidates := []string{last}
	if rest := strings.TrimPrefix(last, "v"); len(elements) > 1 && rest != last && strings.Trim(rest, "0123456789") == "" {
		candidates = append(candidates, elements[len(elements)-2])
	}
	var names []string
	for _, candidate := range candidates {
		bare, _, _ := strings.Cut(candidate, ".")
		bare = strings.TrimSuffix(strings.TrimPrefix(bare, "go-"), "-go")
		names = append(names, asIdentifier(candidate), asIdentifier(bare), bare)
		pieces := strings.FieldsFunc(candidate, func(r rune) bool { return r == '-' || r == '.' || r == '_' })
		names = append(names, pieces...)
	}
	return names
}

// asIdentifier keeps the lower-case letters and digits, which is also how jennifer names a package.
func asIdentifier(name string) string {
	kept := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	return strings.TrimLeft(kept, "0123456789")
}
