package definition

import (
	"errors"
	"fmt"
	"go/token"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"
)

// setting is the value that the file gives a field.
type setting struct {
	field *Field
	entry entry
	// content is of the type of the field's kind; nil if the file's value is wrong, which is reported then.
	content any
}

// settings are what a mutex or the defaults say, by the name of the field.
type settings map[string]setting

// has says whether there is a field of the group, right or wrong.
func (s settings) has(group string) bool {
	for _, one := range s {
		if one.field.OneOf == group {
			return true
		}
	}
	return false
}

// settings reads the values of entries that are in the table.
func (p *parser) settings(known map[string]entry) settings {
	read := settings{}
	for i := range fields {
		f := &fields[i]
		e, ok := known[f.Name]
		if !ok {
			continue
		}
		s := setting{field: f, entry: e}
		if content, ok := p.content(f, e.value); ok {
			s.content = content
		}
		read[f.Name] = s
	}
	return read
}

// content reads a value of the field's kind; what is wrong with it is reported, once if aliases lead to it again.
func (p *parser) content(f *Field, v value) (any, bool) {
	this := refusal{v.Node, f}
	if p.refused[this] {
		return nil, false
	}
	content, ok := p.read(f, v)
	if !ok {
		p.refused[this] = true
	}
	return content, ok
}

func (p *parser) read(f *Field, v value) (any, bool) {
	switch f.Kind {
	case Servers:
		return p.servers(v)
	case Cluster:
		return p.cluster(v)
	}
	kind := kindOf(v)
	switch {
	case f.Kind == KeyTemplate && v.Kind == yaml.MappingNode:
		p.wrongKind(v, f.Name, kindNames[f.Kind], `put text that begins with { in quotes: key: "{id:int64}"`)
		return nil, false
	case f.Kind == URL && v.Kind == yaml.SequenceNode:
		p.wrongKind(v, f.Name, kindNames[f.Kind], "several nodes go into servers")
		return nil, false
	case v.Kind != yaml.ScalarNode || isNull(v) || kind != "text" && kind != "a number" && kind != "a boolean":
		p.wrongKind(v, f.Name, kindNames[f.Kind], "")
		return nil, false
	}
	switch f.Kind {
	case Name, Text, URL, KeyTemplate:
		if kind != "text" {
			p.wrongKind(v, f.Name, kindNames[f.Kind], textHint(f.Kind, v.Value))
			return nil, false
		}
	}
	switch f.Kind {
	case Text:
		return strings.TrimRightFunc(v.Value, unicode.IsSpace), true
	case Name:
		return v.Value, p.mutexName(v)
	case URL:
		return v.Value, p.url(v)
	case KeyTemplate:
		return p.key(v)
	}
	content, hint, err := scalar(f, v.Value, v.ShortTag())
	if err != nil {
		p.errorf(v.at, hint, "%s %v", f.Name, err)
		return nil, false
	}
	return content, true
}

// textHint says how to write as text what YAML takes for a number or a boolean.
func textHint(kind Kind, value string) string {
	switch kind {
	case Name:
		if name := exportedName(value); name != "" {
			return "for example " + name
		}
		return "for example NightlyReport"
	case URL:
		return "for example redis://localhost:6379"
	}
	return "put it in quotes: " + strconv.Quote(clip(Masked(value)))
}

var kindNames = map[Kind]string{
	Name: "an exported Go identifier", Text: "text", URL: "the URL of a node", KeyTemplate: "text", Duration: "a duration",
	Wait: "a duration, 0 or forever", Lifetime: "a duration or forever", Seconds: "a whole number", Count: "a whole number", Fraction: "a number",
	Switch: "true or false", OnOff: "on or off", Package: "a Go package name",
}

// scalar reads the text of a value of one of the simple kinds, within the field's bounds. The error completes a sentence
// that begins with the field's name.
func scalar(f *Field, text, tag string) (content any, hint string, err error) {
	must := func() error { return fmt.Errorf("must be %s; %s is not", kindNames[f.Kind], quoted(text)) }
	switch f.Kind {
	case Switch, OnOff:
		switch {
		case tag == "!!bool" && strings.EqualFold(text, "true"), tag == "!!str" && text == "on":
			return true, "", nil
		case tag == "!!bool" && strings.EqualFold(text, "false"), tag == "!!str" && text == "off":
			return false, "", nil
		}
		hint := "write " + kindNames[f.Kind]
		if f.Kind == Switch && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")) {
			hint += ", without quotes"
		}
		return nil, hint, must()
	case Duration, Wait, Lifetime:
		return duration(f, text, tag)
	case Seconds, Count:
		n, err := wholeNumber(text)
		if errors.Is(err, strconv.ErrRange) {
			tag = "!!int" // YAML takes it for a float
		}
		if tag == "!!float" && f.Kind == Seconds {
			return nil, "write it as a duration instead, for example expiration: 500ms", must()
		}
		if tag != "!!int" || errors.Is(err, strconv.ErrSyntax) {
			if f.Name == "max_retry" && strings.EqualFold(text, "forever") {
				return nil, "write wait: forever", must()
			}
			return nil, "write it in decimal digits, without quotes and leading zeros", must()
		}
		least, _ := strconv.ParseInt(f.Least, 10, 64)
		most, _ := strconv.ParseInt(f.Most, 10, 64)
		switch {
		case n < least && f.Name == "max_retry":
			return nil, "to try until the context ends, write wait: forever", tooLow(f, text)
		case err != nil && strings.HasPrefix(text, "-"), err == nil && n < least:
			return nil, "", tooLow(f, text)
		case err != nil, n > most:
			return nil, "", tooHigh(f, text)
		}
		if f.Kind == Seconds {
			return time.Duration(n) * time.Second, "", nil
		}
		return int(n), "", nil
	case Fraction:
		x, err := strconv.ParseFloat(text, 64)
		if tag != "!!int" && tag != "!!float" || err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			if err == nil && tag == "!!str" {
				return nil, "write it without quotes", must()
			}
			return nil, "for example " + f.Default, must()
		}
		least, _ := strconv.ParseFloat(f.Least, 64)
		below, _ := strconv.ParseFloat(f.Below, 64)
		if x < least {
			return nil, "", tooLow(f, text)
		} else if x >= below {
			return nil, "", fmt.Errorf("must be below %s; this is %s", f.Below, clip(text))
		}
		return math.Abs(x), "", nil // no negative zero
	}
	return nil, "", must()
}

func tooLow(f *Field, text string) error {
	return fmt.Errorf("must be at least %s; this is %s", f.Least, clip(text))
}

func tooHigh(f *Field, text string) error {
	return fmt.Errorf("must be at most %s; this is %s", f.Most, clip(text))
}

func clip(text string) string {
	const limit = 40
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// wholeNumber reads decimal digits. YAML's other notations are left out: 010 is eight in one version of YAML and ten in
// the next.
func wholeNumber(text string) (int64, error) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > 1 && digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(text, 10, 64)
}

func (p *parser) packageName(v value) string {
	if v.Kind != yaml.ScalarNode || isNull(v) {
		p.wrongKind(v, "package", kindNames[Package], "")
		return ""
	}
	switch {
	case token.IsKeyword(v.Value):
		p.errorf(v.at, "choose another name", "package %s is a Go keyword", quoted(v.Value))
	case v.Value == "documentation":
		p.errorf(v.at, "choose another name", "Go leaves out every file of a package documentation")
	case v.Value == "_" || !token.IsIdentifier(v.Value) || kindOf(v) != "text":
		p.errorf(v.at, "a package name has letters, digits and underscores, and no digit first",
			"package %s is not a Go package name", quoted(v.Value))
	}
	return v.Value
}
