package checkup

import (
	"regexp"
	"strconv"
	"strings"
)

// template is a key template, such as account:{id:int64}:transfer, in pieces.
type template []piece

// piece is literal text, or, if kind is set, a parameter.
type piece struct{ literal, kind string }

// parseTemplate reads a template. Those of definitions are valid; of others it makes what it can.
func parseTemplate(text string) template {
	var t template
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t = append(t, piece{literal: literal.String()})
			literal.Reset()
		}
	}
	for len(text) > 0 {
		c := text[0]
		end := strings.IndexByte(text, '}')
		switch {
		case strings.HasPrefix(text, "{{"), strings.HasPrefix(text, "}}"):
			literal.WriteByte(c)
			text = text[2:]
		case c == '{' && end > 0:
			flush()
			_, kind, typed := strings.Cut(text[1:end], ":")
			if !typed || kind == "" {
				kind = "string"
			}
			t = append(t, piece{kind: kind})
			text = text[end+1:]
		default:
			literal.WriteByte(c)
			text = text[1:]
		}
	}
	flush()
	return t
}

// literal tells whether there are no parameters.
func (t template) literal() bool {
	for _, p := range t {
		if p.kind != "" {
			return false
		}
	}
	return true
}

// sample is a key that the template makes.
func (t template) sample() string { return t.another(0) }

// another is the n-th of the keys that the template makes, the first being the sample.
func (t template) another(n int) string {
	var b strings.Builder
	for _, p := range t {
		switch p.kind {
		case "":
			b.WriteString(p.literal)
		case "int", "int64", "uint64":
			b.WriteString(strconv.Itoa(n + 1))
		case "bool":
			b.WriteString(strconv.FormatBool(n%2 == 0))
		default:
			b.WriteByte('x')
			if n > 0 {
				b.WriteString(strconv.Itoa(n))
			}
		}
	}
	return b.String()
}

// glob is a pattern of Redis that matches every key of the template, and others perhaps.
func (t template) glob() string {
	var b strings.Builder
	for _, p := range t {
		if p.kind != "" {
			b.WriteByte('*')
			continue
		}
		for i := range len(p.literal) {
			if strings.IndexByte(`*?[]\^-`, p.literal[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(p.literal[i])
		}
	}
	return b.String()
}

// expression matches the keys of the template, and no others.
func (t template) expression() *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, p := range t {
		switch p.kind {
		case "":
			b.WriteString(regexp.QuoteMeta(p.literal))
		case "int", "int64":
			b.WriteString(`-?[0-9]{1,20}`)
		case "uint64":
			b.WriteString(`[0-9]{1,20}`)
		case "bool":
			b.WriteString(`(?:true|false)`)
		default:
			b.WriteString(`.+`)
		}
	}
	b.WriteString(`\z`)
	expression, err := regexp.Compile(b.String())
	if err != nil { // of a text that is not UTF-8
		return regexp.MustCompile(`\A.+\z`)
	}
	return expression
}

// LiteralKey is the key of a template without parameters.
func LiteralKey(text string) (key string, literal bool) {
	t := parseTemplate(text)
	return t.sample(), t.literal()
}
