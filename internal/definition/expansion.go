package definition

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// variable stands in an expanded URL for a reference without a default.
const variable = "\x00"

// expansion is a URL with each reference's default in its place, or a mark where it has none.
type expansion struct {
	text string
	// source is the URL as written, and origins where in it each piece of the text comes from.
	source  string
	origins []origin
}

// origin is where a piece of an expanded URL begins, and where in the source.
type origin struct{ at, from int }

// offset is the rune of the source that a byte of the text comes from.
func (e expansion) offset(at int) int {
	if at >= len(e.text) {
		return utf8.RuneCountInString(e.source)
	}
	i, found := slices.BinarySearchFunc(e.origins, at, func(o origin, at int) int { return o.at - at })
	if !found {
		i--
	}
	return utf8.RuneCountInString(e.source[:e.origins[i].from+at-e.origins[i].at])
}

// expand says instead what is wrong with the references, if anything is.
func expand(source string) (expansion, []problem) {
	var out strings.Builder
	var problems []problem
	e := expansion{source: source}
	add := func(text string, from int) {
		if text != "" {
			e.origins = append(e.origins, origin{out.Len(), from})
			out.WriteString(text)
		}
	}
	const forms = "write ${VAR} or ${VAR:-default}"
	for rest := source; ; {
		before, after, ok := strings.Cut(rest, "${")
		add(before, len(source)-len(rest))
		if !ok {
			e.text = out.String()
			return e, problems
		}
		begin := len(source) - len(after) - len("${")
		wrong := func(message, hint string) {
			problems = append(problems, problem{Error, utf8.RuneCountInString(source[:begin]), message, hint})
		}
		content, behind, ok := strings.Cut(after, "}")
		if !ok {
			wrong("${ without a closing brace", forms)
			return expansion{}, problems
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
			add(fallback, len(source)-len(behind)-len("}")-len(fallback))
		default:
			add(variable, begin)
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
