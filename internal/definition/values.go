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
			if f.NotYet != nil && asks(content) {
				p.report(Finding{Severity: f.NotYet.Severity, Position: e.value.at, Message: f.NotYet.Message,
					Hint: f.NotYet.Hint})
			}
		}
		read[f.Name] = s
	}
	return read
}

// asks says whether a value asks for something: true, or more than nothing.
func asks(content any) bool {
	switch content := content.(type) {
	case bool:
		return content
	case int:
		return content > 0
	}
	return true
}

// content reads a value of the field's kind; what is wrong with it is reported.
func (p *parser) content(f *Field, v value) (any, bool) {
	switch f.Kind {
	case Servers:
		return p.servers(v)
	case Cluster:
		return p.cluster(v)
	}
	if v.Kind != yaml.ScalarNode || isNull(v) {
		p.wrongKind(v, f.Name, kindNames[f.Kind])
		if f.Kind == KeyTemplate && v.Kind == yaml.MappingNode {
			p.findings[len(p.findings)-1].Hint = `put text that begins with { in quotes: key: "{id:int64}"`
		}
		return nil, false
	}
	switch f.Kind {
	case Name, Text, URL, KeyTemplate:
		if kind := kindOf(v); kind != "text" {
			p.errorf(v.at, "put it in quotes: "+strconv.Quote(clip(masked(v.Value))), "%s must be %s; this is %s", f.Name,
				kindNames[f.Kind], kind)
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

var kindNames = map[Kind]string{
	Name: "an exported Go identifier", Text: "text", URL: "the URL of a node", KeyTemplate: "text", Duration: "a duration",
	Wait: "a duration, 0 or forever", Seconds: "a whole number", Count: "a whole number", Fraction: "a number",
	Switch: "true or false", Package: "a Go package name",
}

// scalar reads the text of a value of one of the simple kinds, within the field's bounds. The error completes a sentence
// that begins with the field's name.
func scalar(f *Field, text, tag string) (content any, hint string, err error) {
	must := func() error { return fmt.Errorf("must be %s; %s is not", kindNames[f.Kind], quoted(text)) }
	switch f.Kind {
	case Switch:
		switch {
		case tag == "!!bool":
			return strings.EqualFold(text, "true"), "", nil
		case text == "on" || text == "off":
			return text == "on", "", nil
		}
		return nil, "write true or false", must()
	case Duration, Wait:
		return duration(f, text, tag)
	case Seconds, Count:
		if tag == "!!float" && f.Kind == Seconds {
			return nil, "write it as a duration instead, for example expiration: 500ms", must()
		}
		n, err := wholeNumber(text)
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

const unitsHint = "the units are ms, s, m and h"

func duration(f *Field, text, tag string) (content any, hint string, err error) {
	if f.Kind == Wait && tag == "!!str" && text == "forever" {
		return Forever, "", nil
	}
	if tag == "!!int" || tag == "!!float" || strings.Trim(text, "+-.0123456789") == "" && text != "" && text != "0" {
		if f.Kind == Wait && strings.HasPrefix(text, "-") {
			return nil, "to wait until the context ends, write forever", tooLow(f, text)
		}
		if text == "0" && f.Least == "0s" {
			return time.Duration(0), "", nil
		}
		unit := "s"
		if strings.HasSuffix(f.Default, "ms") || f.Name == "node_timeout" {
			unit = "ms"
		}
		return nil, fmt.Sprintf("%s%s? %s", clip(text), unit, unitsHint), fmt.Errorf("has no unit: %s", clip(text))
	}
	d, err := time.ParseDuration(text)
	least, _ := time.ParseDuration(f.Least)
	most := Forever - 1
	if f.Most != "" {
		most, _ = time.ParseDuration(f.Most)
	}
	switch {
	case err != nil && strings.Trim(text, "+-.0123456789nuµμmsh") == "" && digitsAndUnits(text):
		if strings.HasPrefix(text, "-") {
			return nil, "", tooLow(f, text)
		}
		return nil, "", fmt.Errorf("is longer than any duration can be: %s", clip(text))
	case err != nil:
		hint := "write it as 10m, 200ms or 1h30m; " + unitsHint
		switch lower := strings.ToLower(text); {
		case f.Kind == Wait && nearest(text, []string{"forever"}) != "", f.Kind == Wait && strings.HasPrefix(lower, "inf"):
			hint = "did you mean forever?"
		case strings.HasSuffix(lower, "d") && strings.Trim(lower[:len(lower)-1], "0123456789") == "" && len(lower) > 1:
			hint = "write days in hours: 24h; " + unitsHint
		}
		return nil, hint, fmt.Errorf("must be %s; %s is not", kindNames[f.Kind], quoted(text))
	case d < 0 && f.Kind == Wait:
		return nil, "to wait until the context ends, write forever", tooLow(f, text)
	case d < least:
		return nil, "", tooLow(f, text)
	case d > most:
		return nil, "", tooHigh(f, text)
	case f.OneOf == oneExpiration && d%time.Millisecond != 0:
		return nil, "Redis counts an expiration in milliseconds", fmt.Errorf("must be whole milliseconds; this is %s", clip(text))
	}
	return d, "", nil
}

// digitsAndUnits says whether a text that time.ParseDuration refuses is only too large for it.
func digitsAndUnits(text string) bool {
	rest := strings.TrimLeft(text, "+-")
	for rest != "" {
		after := strings.TrimLeft(rest, "0123456789")
		if after == rest {
			return false
		}
		if fraction, ok := strings.CutPrefix(after, "."); ok {
			after = strings.TrimLeft(fraction, "0123456789")
		}
		number := after
		for _, unit := range []string{"ns", "us", "µs", "μs", "ms", "s", "m", "h"} {
			if trimmed, ok := strings.CutPrefix(after, unit); ok {
				after = trimmed
				break
			}
		}
		if after == number {
			return false
		}
		rest = after
	}
	return text != ""
}

func (p *parser) packageName(v value) string {
	if v.Kind != yaml.ScalarNode || isNull(v) {
		p.wrongKind(v, "package", kindNames[Package])
		return ""
	}
	switch {
	case token.IsKeyword(v.Value):
		p.errorf(v.at, "", "package %s is a Go keyword", quoted(v.Value))
	case v.Value == "_" || !token.IsIdentifier(v.Value) || kindOf(v) != "text":
		p.errorf(v.at, "a package name has letters, digits and underscores, and no digit first", "package %s is not a Go package name",
			quoted(v.Value))
	}
	return v.Value
}
