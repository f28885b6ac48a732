package definition

import "strings"

// template is a key in the form in which keys are compared.
type template struct {
	prefix  string // the literal text before the first parameter
	suffix  string // the literal text behind the last one
	literal bool   // there is no parameter, and prefix is all
	shape   string // equal for templates with the same keys but for the parameters' names
	parts   []Part
	states  []state // of the automaton; nil until it is needed
	// accepting is the one state that accepts.
	accepting int
}

func newTemplate(key Key) template {
	t := template{literal: true, parts: key.Parts}
	var shape strings.Builder
	for i, part := range key.Parts {
		if part.Parameter == nil {
			if i == 0 {
				t.prefix = part.Literal
			}
			t.suffix = part.Literal
			// Braces are escaped, so that no text looks like a parameter.
			shape.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(part.Literal))
			continue
		}
		t.literal, t.suffix = false, ""
		of := part.Parameter.Type
		if part.Parameter.Import != "" {
			of = part.Parameter.Import + "." + of
		} else if of == "int" {
			of = "int64" // the same texts
		}
		shape.WriteString("{" + of + "}")
	}
	t.shape = shape.String()
	return t
}

// state is a state of the automaton that accepts a template's keys. Every step reads a byte.
type state []step

type step struct {
	kind stepKind
	char byte // of exactly
	to   int
}

type stepKind int

const (
	exactly stepKind = iota
	digit
	anything
)

func (s step) meets(other step) bool {
	switch {
	case s.kind == anything || other.kind == anything:
		return true
	case s.kind == exactly && other.kind == exactly:
		return s.char == other.char
	case s.kind == exactly:
		return s.char >= '0' && s.char <= '9'
	case other.kind == exactly:
		return other.char >= '0' && other.char <= '9'
	}
	return true
}

// automaton has the texts of the types: int -?[0-9]+, uint64 [0-9]+, bool true|false, string any but the empty one, and
// of an imported type any.
func (t *template) automaton() []state {
	if t.states != nil {
		return t.states
	}
	states := []state{nil}
	last := 0
	add := func() int { states = append(states, nil); return len(states) - 1 }
	join := func(from int, kind stepKind, char byte, to int) {
		states[from] = append(states[from], step{kind, char, to})
	}
	text := func(text string, end int) {
		at := last
		for i := range len(text) {
			to := end
			if i < len(text)-1 {
				to = add()
			}
			join(at, exactly, text[i], to)
			at = to
		}
	}
	for _, part := range t.parts {
		if part.Parameter == nil {
			for i := range len(part.Literal) {
				next := add()
				join(last, exactly, part.Literal[i], next)
				last = next
			}
			continue
		}
		next := last
		switch of := part.Parameter; {
		case of.Import != "":
			// Also the empty text, so the state remains.
			join(last, anything, 0, last)
			continue
		case of.Type == "bool":
			next = add()
			text("true", next)
			text("false", next)
		case of.Type == "string":
			next = add()
			join(last, anything, 0, next)
			join(next, anything, 0, next)
		default:
			if of.Type != "uint64" {
				minus := add()
				join(last, exactly, '-', minus)
				next = add()
				join(minus, digit, 0, next)
			} else {
				next = add()
			}
			join(last, digit, 0, next)
			join(next, digit, 0, next)
		}
		last = next
	}
	t.states, t.accepting = states, last
	return states
}

// meetingBudget bounds the work on pairs of states for one file. A file of a thousand usual keys takes a
// thousandth of it; where it does not suffice, templates are said to meet.
const meetingBudget = 4 << 20

// meeting decides whether templates have a key in common.
type meeting struct{ budget int }

// possible never says no where there is such a key.
func (m *meeting) possible(a, b *template) bool {
	switch {
	case a.literal && b.literal:
		return a.prefix == b.prefix
	case !strings.HasPrefix(a.prefix, b.prefix) && !strings.HasPrefix(b.prefix, a.prefix),
		!strings.HasSuffix(a.suffix, b.suffix) && !strings.HasSuffix(b.suffix, a.suffix):
		return false
	}
	left, right := a.automaton(), b.automaton()
	width := len(right)
	words := (len(left)*width + 63) / 64
	if m.budget -= words; m.budget < 0 {
		return true
	}
	seen := make([]uint64, words)
	queue := []int{0}
	seen[0] = 1
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		i, j := at/width, at%width
		if i == a.accepting && j == b.accepting {
			return true
		}
		if m.budget--; m.budget < 0 {
			return true
		}
		for _, one := range left[i] {
			for _, other := range right[j] {
				to := one.to*width + other.to
				if one.meets(other) && seen[to/64]&(1<<(to%64)) == 0 {
					seen[to/64] |= 1 << (to % 64)
					queue = append(queue, to)
				}
			}
		}
	}
	return false
}
