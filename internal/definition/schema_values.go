package definition

import (
	"encoding/json"
	"go/token"
	"maps"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"
)

// codes are those parts of a description that are to be typed as they are: variables, parameters, names with underscores.
var codes = regexp.MustCompile(`\$\{[^}]+\}|\$[A-Z]+\b|\{\{|\}\}|\{\w+:\w+\}|\b[a-z]+(_[a-z]+)+\b|\b[\w.]+/[\w./]+\.[A-Z]\w*\b`)

// Patterns are written for every dialect of regular expressions: no \d, \w, \p or lookahead. Where Go knows letters beyond
// ASCII, a pattern takes all that is beyond ASCII.
const (
	notASCIIWord = `\x00-/:-@\[-^` + "`" + `\{-\x7f` // to stand in a negated class
	visible      = `[^\x00-\x20\x7f]`
	identifier   = `[^` + notASCIIWord + `0-9][^` + notASCIIWord + `]*`
	exported     = `[^` + notASCIIWord + `0-9_a-z][^` + notASCIIWord + `]*`
	urlScheme    = `([Rr][Ee][Dd][Ii][Ss][Ss]?(\+([Ss][Ee][Nn][Tt][Ii][Nn][Ee][Ll]|[Cc][Ll][Uu][Ss][Tt][Ee][Rr]))?|[Uu][Nn][Ii][Xx])://`
	variableRef  = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^\}]*)?\}`
	parameter    = `\{[a-z][A-Za-z0-9_]*:(string|int|int64|uint64|bool|[-A-Za-z0-9._~+/]+\.` + exported + `)\}`
)

// valueSchema allows the values of a field.
func valueSchema(f *Field) object {
	switch f.Kind {
	case Version:
		return object{{"const", 1}}
	case Package:
		return slices.Concat(text(0, `^`+identifier+`$`, "a Go package name: letters, digits and underscores, and no digit first"),
			refused(object{{"enum", append(keywords(), "_")}}, "another name: this one is Go's"))
	case Defaults:
		return defaultsSchema()
	case Mutexes:
		return object{{"type", "array"}, {"minItems", 1}, {"items", ref("mutex")}}
	case Name:
		return slices.Concat(text(nameLimit, `^`+exported+`$`,
			"an exported Go identifier: letters, digits and underscores, and an upper-case letter first"),
			refused(object{{"enum", slices.Sorted(maps.Keys(reservedNames))}}, "another name: the generated file needs this one"))
	case Text:
		return object{{"type", "string"}}
	case URL:
		return object{{"type", "string"}, {"allOf", list{ref("node")}}} // what stands beside $ref is not read
	case Servers:
		return object{{"type", "array"}, {"allOf", list{ref("group")}}}
	case Cluster:
		return object{{"type", "array"}, {"minItems", 1}, {"uniqueItems", true}, {"items", ref("group")}}
	case KeyTemplate:
		return text(keyLimit, `^([^\x00-\x1f\x7f\{\}]|\{\{|\}\}|`+parameter+`)+$`,
			"text and {parameter:type}; literal braces are written {{ and }}; the types are string, int, int64, uint64, bool and "+
				"imported ones such as github.com/google/uuid.UUID")
	case Duration, Wait, Lifetime:
		return durationSchema(f)
	case Seconds, Count:
		return append(object{{"type", "integer"}}, bounds(f)...)
	case Fraction:
		return append(object{{"type", "number"}}, bounds(f)...)
	case Switch:
		return object{{"enum", list{true, false, "on", "off"}}}
	case OnOff:
		return object{{"enum", list{"on", "off", true, false}}}
	}
	return object{}
}

// text allows what the pattern matches, which what says in words.
func text(limit int, pattern, what string) object {
	all := object{{"type", "string"}, {"pattern", pattern}, {"patternErrorMessage", what}}
	if limit > 0 {
		all = append(all, member{"maxLength", limit}) // characters, where we count bytes
	}
	return all
}

func bounds(f *Field) object {
	var all object
	for _, bound := range []struct{ keyword, value string }{{"minimum", f.Least}, {"maximum", f.Most}, {"exclusiveMaximum", f.Below}} {
		if bound.value != "" {
			all = append(all, member{bound.keyword, json.Number(bound.value)})
		}
	}
	return all
}

// refused refuses the values that meet a condition, which the message itself must not meet. Not would do, but editors can't
// say then what is wrong: they show errorMessage, or that the value should be the const.
func refused(condition object, message string) object {
	return object{{"if", condition}, {"then", object{{"const", message}, {"errorMessage", message}}}}
}

func urlSchema() object {
	return slices.Concat(
		text(4096, `^(`+urlScheme+visible+`*|`+visible+`*\$\{`+visible+`*)$`,
			"a URL: redis://localhost:6379, rediss:// (with TLS), unix:///path/to/socket, redis+sentinel://host,host/master-name, "+
				"redis+cluster://host,host, or one with ${VAR} in it"),
		object{{"allOf", list{text(0, `^([^$]|\$[^\{]|`+variableRef+`)*\$?$`, "write ${VAR} or ${VAR:-default}")}}})
}

func groupSchema() object {
	var even list
	for n := 2; n < groupLimit; n += 2 {
		even = append(even, object{{"minItems", n}, {"maxItems", n}})
	}
	return slices.Concat(
		object{{"type", "array"}, {"items", ref("node")}, {"minItems", 1}, {"maxItems", groupLimit}, {"uniqueItems", true}},
		refused(object{{"type", "array"}, {"anyOf", even}}, "an odd number of nodes"))
}

func keywords() list {
	var all list
	for t := range token.Token(256) {
		if t.IsKeyword() {
			all = append(all, t.String())
		}
	}
	return all
}

// valueOf is the value that a text of the table of fields stands for.
func (f *Field) valueOf(text string) any {
	switch f.Kind {
	case Package, Name, Text, URL, KeyTemplate:
		return text
	}
	var value any
	_ = yaml.Unmarshal([]byte(text), &value) // a test reads them all
	return value
}
