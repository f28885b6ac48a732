package definition

import (
	"fmt"
	"go/token"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// keyLimit bounds a key template, in bytes.
const keyLimit = 4096

// problem is what is wrong with a text of our own syntax, a key or a URL, at a rune of it.
type problem struct {
	Severity
	offset        int
	message, hint string
}

func (p *parser) key(v value) (Key, bool) {
	key, problems := parseKey(v.Value)
	return key, p.problems(v, problems)
}

// problems reports what is wrong with the text of a scalar; ok says that none of it is an Error.
func (p *parser) problems(v value, all []problem) (ok bool) {
	ok = true
	for _, one := range all {
		at := v.at
		if !v.aliased && p.counts[one.Severity] <= findingLimit {
			at = p.source.within(v.Node, one.offset)
		}
		p.report(Finding{Severity: one.Severity, Position: at, Message: one.message, Hint: one.hint})
		ok = ok && one.Severity != Error
	}
	return ok
}

// keyReader reads a key template rune by rune.
type keyReader struct {
	text     []rune
	at       int
	literal  strings.Builder
	key      Key
	offsets  []int // of the parameters
	problems []problem
}

// parseKey reads a template such as `account:{account_id:int64}:transfer`.
func parseKey(template string) (Key, []problem) {
	r := &keyReader{key: Key{Template: template}}
	switch {
	case template == "":
		r.wrong(0, "leave the line out to lock "+defaultKey, "the key is empty")
	case len(template) > keyLimit:
		r.wrong(0, "", "the key has %d bytes; at most %d are allowed", len(template), keyLimit)
		return r.key, r.problems
	}
	r.text = []rune(template)
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '{' && r.next() == '{', c == '}' && r.next() == '}':
			r.literal.WriteRune(c)
			r.at += 2
		case c == '{':
			r.placeholder()
		case c == '}':
			r.wrong(r.at, "a literal brace is written }}", "a closing brace without an opening one")
			r.at++
		case unicode.IsControl(c):
			hint := ""
			if c == '\n' && r.at == len(r.text)-1 {
				hint = "in YAML, |- and >- are | and > without the line break at the end"
			}
			r.wrong(r.at, hint, "control character %U in the key", c)
			r.at++
		default:
			r.literal.WriteRune(c)
			r.at++
		}
	}
	r.flush()
	r.ambiguities()
	return r.key, r.problems
}

func (r *keyReader) wrong(offset int, hint, format string, args ...any) {
	r.problems = append(r.problems, problem{Error, offset, fmt.Sprintf(format, args...), hint})
}

func (r *keyReader) next() rune {
	if r.at+1 < len(r.text) {
		return r.text[r.at+1]
	}
	return -1
}

func (r *keyReader) flush() {
	if r.literal.Len() > 0 {
		r.key.Parts = append(r.key.Parts, Part{Literal: r.literal.String()})
		r.literal.Reset()
	}
}

// placeholder reads what begins with a single opening brace.
func (r *keyReader) placeholder() {
	begin := r.at
	for r.at++; r.at < len(r.text) && r.text[r.at] != '}' && r.text[r.at] != '{'; r.at++ {
	}
	content := string(r.text[begin+1 : r.at])
	if r.at == len(r.text) || r.text[r.at] == '{' {
		r.wrong(begin, "a parameter is {name:type}; a literal brace is written {{", "an opening brace without a closing one")
		return
	}
	r.at++
	if begin > 0 && r.text[begin-1] == '$' && isReference(content) {
		r.wrong(begin-1, "variables work in url, servers and cluster; the key takes parameters, such as {name:string}",
			"%s in a key: variables work in URLs only", quoted("${"+content+"}"))
		return
	}
	parameter, ok := r.parameter(begin+1, content)
	if !ok {
		return
	}
	for _, earlier := range r.key.Parameters() {
		if earlier.Name == parameter.Name {
			r.wrong(begin, "", "the key has parameter %s twice", parameter.Name)
			return
		}
		if goName(earlier.Name) == goName(parameter.Name) {
			r.wrong(begin, "", "parameters %s and %s are both %s in Go", earlier.Name, parameter.Name, goName(parameter.Name))
			return
		}
	}
	r.flush()
	if count := len(r.key.Parts); count > 0 && r.key.Parts[count-1].Parameter != nil {
		r.wrong(begin, "put text between them, such as a colon", "parameters %s and %s with no text between them",
			r.key.Parts[count-1].Parameter.Name, parameter.Name)
	}
	r.key.Parts = append(r.key.Parts, Part{Parameter: &parameter})
	r.offsets = append(r.offsets, begin)
}

// isReference tells what is meant as ${VAR} or ${VAR:-default} from a parameter behind a dollar sign.
func isReference(content string) bool {
	name, _, _ := strings.Cut(content, ":-")
	return variableName(name) && name == strings.ToUpper(name)
}

// parameter reads the inside of a placeholder, which begins at offset.
func (r *keyReader) parameter(offset int, content string) (Parameter, bool) {
	name, typeName, typed := strings.Cut(content, ":")
	typeOffset := offset + utf8.RuneCountInString(name) + 1
	switch {
	case content == "":
		r.wrong(offset-1, "a parameter is {name:type}, for example {id:int64}; literal braces are written {{ and }}",
			"an empty parameter")
		return Parameter{}, false
	case !parameterName(name):
		hint := "letters a to z, digits and underscores, a letter first; or lowerCamel"
		if suggestion := strings.Join(words(asciiWord(name)), "_"); parameterName(strings.ToLower(suggestion)) && isASCII(name) {
			hint = "for example " + strings.ToLower(suggestion)
		}
		r.wrong(offset, hint, "parameter name %s", badName(name))
		return Parameter{}, false
	case !typed:
		r.wrong(offset, "{"+name+":string}", "parameter %s has no type", name)
		return Parameter{}, false
	}
	switch typeName {
	case "string", "int", "int64", "uint64", "bool":
		return Parameter{Name: name, GoName: goName(name), Type: typeName}, true
	case "":
		r.wrong(typeOffset-1, "{"+name+":string}", "parameter %s has no type", name)
		return Parameter{}, false
	}
	slash := strings.LastIndexByte(typeName, '/')
	dot := strings.LastIndexByte(typeName, '.')
	if dot <= slash {
		hint := "string, int, int64, uint64, bool, or an imported fmt.Stringer such as github.com/google/uuid.UUID"
		if slash >= 0 {
			hint = "an imported type is written with its import path and name: github.com/google/uuid.UUID"
		} else if near := nearestType(typeName); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.wrong(typeOffset, hint, "unknown type %s of parameter %s", quoted(typeName), name)
		return Parameter{}, false
	}
	imported, identifier := typeName[:dot], typeName[dot+1:]
	if why := badImportPath(imported); why != "" {
		r.wrong(typeOffset, "an imported type is written github.com/google/uuid.UUID", "import path %s of parameter %s %s",
			quoted(imported), name, why)
		return Parameter{}, false
	}
	if !token.IsIdentifier(identifier) || !token.IsExported(identifier) {
		r.wrong(typeOffset+utf8.RuneCountInString(imported)+1, "an imported type is written github.com/google/uuid.UUID",
			"type %s of parameter %s is not an exported Go identifier", quoted(identifier), name)
		return Parameter{}, false
	}
	return Parameter{Name: name, GoName: goName(name), Type: identifier, Import: imported}, true
}

func badName(name string) string {
	if name == "" {
		return "is missing"
	}
	return quoted(name) + " is not a lower_snake or lowerCamel identifier"
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// asciiWord replaces what cannot be in a parameter's name.
func asciiWord(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, clip(name))
}

// nearestType is the type that an unknown one probably means.
func nearestType(name string) string {
	switch strings.ToLower(name) {
	case "int8", "int16", "int32", "integer", "long", "bigint":
		return "int64"
	case "uint", "uint8", "uint16", "uint32", "byte":
		return "uint64"
	case "str", "text":
		return "string"
	case "boolean":
		return "bool"
	case "uuid":
		return "github.com/google/uuid.UUID"
	}
	return Nearest(name, []string{"string", "int", "int64", "uint64", "bool"})
}

// badImportPath says what is wrong with an import path, in the spirit of golang.org/x/mod/module.CheckImportPath.
func badImportPath(imported string) string {
	if imported == "" {
		return "is empty"
	}
	if imported == "C" {
		return "is no package: it switches on cgo"
	}
	if imported == "unsafe" {
		return "has no fmt.Stringer in it"
	}
	if path.Clean(imported) != imported || strings.HasPrefix(imported, "/") {
		return "is not a clean path"
	}
	for _, r := range imported {
		if r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~+/", r) {
			return fmt.Sprintf("has the character %q in it", r)
		}
	}
	for element := range strings.SplitSeq(imported, "/") {
		if strings.HasPrefix(element, ".") || strings.HasSuffix(element, ".") || strings.HasPrefix(element, "-") {
			return "has the element " + quoted(element)
		}
	}
	return ""
}
