package definition

import (
	"fmt"
	"go/token"
	"strings"
	"unicode"
)

// mutexName checks that a name can be a Go type and a field of Mutexes.
func (p *parser) mutexName(v value) bool {
	name := v.Value
	hint := "an exported Go identifier has letters, digits and underscores, and begins with an upper-case letter"
	if suggestion := exportedName(name); suggestion != "" {
		hint = "for example " + suggestion
	}
	switch first := []rune(name + " ")[0]; {
	case name == "":
		p.errorf(v.at, "for example name: NightlyReport", "the name is empty")
	case len(name) > nameLimit:
		p.errorf(v.at, "", "the name has %d bytes; at most %d are allowed", len(name), nameLimit)
	case token.IsIdentifier(name) && !token.IsExported(name) && unicode.IsLetter(first) && unicode.ToUpper(first) == first:
		p.errorf(v.at, "Go exports only what begins with an upper-case letter: "+hint, "name %s is not exported in Go",
			quoted(name))
	case token.IsKeyword(name):
		p.errorf(v.at, hint, "name %s is a Go keyword", quoted(name))
	case !token.IsIdentifier(name):
		p.errorf(v.at, hint, "name %s is not a Go identifier", quoted(name))
	case !token.IsExported(name):
		p.errorf(v.at, hint, "name %s is not exported in Go", quoted(name))
	default:
		what, ok := reservedNames[name]
		if ok {
			p.errorf(v.at, "choose another name", "name %s collides with %s of the generated file", name, what)
		}
		return !ok
	}
	return false
}

// nameLimit bounds a mutex's name, in bytes.
const nameLimit = 200

// reservedNames are what the generated file declares whatever the definitions are.
var reservedNames = map[string]string{
	"Mutexes": "the type Mutexes",
	"Open":    "the function Open",
	"Close":   "the method Mutexes.Close",
	"All":     "the method Mutexes.All",
	"Held":    "the method Mutexes.Held",
}

// exportedName makes an exported identifier of any text; "" if there is nothing to make it of.
func exportedName(text string) string {
	var out strings.Builder
	begins := true
	for _, r := range clip(text) {
		switch {
		case r == '…':
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			begins = true
		case begins:
			out.WriteRune(unicode.ToUpper(r))
			begins = false
		default:
			out.WriteRune(r)
		}
	}
	name := out.String()
	if name != "" && !token.IsExported(name) {
		name = "X" + name
	}
	if !token.IsIdentifier(name) || reservedNames[name] != "" {
		return ""
	}
	return name
}

// names checks the mutexes' names against each other.
func (p *parser) names(drafts []*draft) {
	byName := map[string]*draft{}
	byVariable := map[string]*draft{}
	for _, d := range drafts {
		if d.Name == "" {
			continue
		}
		if first, ok := byName[d.Name]; ok {
			p.report(Finding{Position: d.Position, Message: fmt.Sprintf("a second mutex with the name %s", quoted(d.Name)),
				Related: []Related{{Position: first.Position, Label: "the first one"}}})
			continue
		}
		byName[d.Name] = d
		if d.URL == "" {
			continue
		}
		variable := d.URLVariable()
		if first, ok := byVariable[variable]; ok {
			p.report(Finding{Severity: Warning, Position: d.Position,
				Message: fmt.Sprintf("%s overrides the url of both %s and %s", variable, first.Name, d.Name),
				Hint:    "names that differ in more than case and underscores have variables of their own",
				Related: []Related{{Position: first.Position, Label: first.Name}}})
			continue
		}
		byVariable[variable] = d
	}
	for _, d := range drafts {
		base, ok := strings.CutSuffix(d.Name, "Lock")
		if other := byName[base]; ok && other != nil {
			p.report(Finding{Position: d.Position,
				Message: fmt.Sprintf("name %s collides with the type of the locks of %s", d.Name, base),
				Hint:    "choose another name", Related: []Related{{Position: other.Position, Label: base}}})
		}
	}
}

// screamingSnake is the NAME in MUTEX_<NAME>_URL, which overrides a url when the application opens the mutexes. The
// runtime has the same rule: an underscore goes before an upper-case letter that follows a lower-case one or a digit,
// and before one that follows an upper-case letter and precedes a lower-case one; then all letters become upper case.
// NightlyReport is NIGHTLY_REPORT, HTTPServer is HTTP_SERVER, Sku2Stock is SKU2_STOCK.
func screamingSnake(name string) string {
	runes := []rune(name)
	var out strings.Builder
	for i, r := range runes {
		if wordBegins(runes, i) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToUpper(r))
	}
	return out.String()
}
