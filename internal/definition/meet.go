package definition

import (
	"slices"
	"strings"
)

// template is a key in the form in which keys are compared.
type template struct {
	prefix  string // the literal text before the first parameter
	suffix  string // the literal text behind the last one
	literal bool   // there is no parameter, and prefix is all
	shape   string // equal for templates with the same keys but for the parameters' names
	parts   []Part
	// The automata are built when they are needed first.
	forwards, backwards *automaton
}

var escapedBraces = strings.NewReplacer("{", "{{", "}", "}}")

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
			shape.WriteString(escapedBraces.Replace(part.Literal))
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

// automaton accepts a template's keys: a run from the first state to the accepting one, each step reading a byte.
type automaton struct {
	states    [][]step
	accepting int
}

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

func (a *automaton) add() int {
	a.states = append(a.states, nil)
	return len(a.states) - 1
}

func (a *automaton) join(from int, kind stepKind, char byte, to int) {
	a.states[from] = append(a.states[from], step{kind, char, to})
}

// text joins two states by the bytes of a text, which is not empty.
func (a *automaton) text(from int, text string, to int) {
	for i := range len(text) - 1 {
		next := a.add()
		a.join(from, exactly, text[i], next)
		from = next
	}
	a.join(from, exactly, text[len(text)-1], to)
}

// newAutomaton takes the texts of the types to be: int -?[0-9]+, uint64 [0-9]+, bool true|false, string any but the empty
// one, and of an imported type any. Backwards it reads keys from their ends, and some that are none: an int may then have
// any number of signs.
func newAutomaton(parts []Part, backwards bool) *automaton {
	directed := func(text string) string { return text }
	if backwards {
		parts = slices.Clone(parts)
		slices.Reverse(parts)
		directed = func(text string) string {
			reversed := []byte(text)
			slices.Reverse(reversed)
			return string(reversed)
		}
	}
	a := &automaton{}
	last := a.add()
	for _, part := range parts {
		of := part.Parameter
		if of != nil && of.Import != "" {
			a.join(last, anything, 0, last) // also the empty text, so the state remains
			continue
		}
		next := a.add()
		switch {
		case of == nil:
			a.text(last, directed(part.Literal), next)
		case of.Type == "bool":
			a.text(last, directed("true"), next)
			a.text(last, directed("false"), next)
		case of.Type == "string":
			a.join(last, anything, 0, next)
			a.join(next, anything, 0, next)
		default:
			a.join(last, digit, 0, next)
			a.join(next, digit, 0, next)
			if of.Type == "uint64" {
				break
			}
			if backwards {
				a.join(next, exactly, '-', next)
				break
			}
			minus := a.add()
			a.join(last, exactly, '-', minus)
			a.join(minus, digit, 0, next)
		}
		last = next
	}
	a.accepting = last
	return a
}

// meetingBudget bounds the work on pairs of states for one file. A file of a thousand usual keys takes a thousandth of
// it; where it does not suffice, templates are said to meet.
const meetingBudget = 16 << 20

// meeting decides whether templates have a key in common.
type meeting struct {
	budget int
	seen   []uint64 // a bit for each pair of states, kept for the next question
}

// possible never says no where there is such a key.
func (m *meeting) possible(a, b *template) bool {
	switch {
	case a.literal && b.literal:
		return a.prefix == b.prefix
	case !strings.HasPrefix(a.prefix, b.prefix) && !strings.HasPrefix(b.prefix, a.prefix),
		!strings.HasSuffix(a.suffix, b.suffix) && !strings.HasSuffix(b.suffix, a.suffix):
		return false
	}
	for _, t := range []*template{a, b} {
		if t.forwards == nil {
			t.forwards, t.backwards = newAutomaton(t.parts, false), newAutomaton(t.parts, true)
		}
	}
	// Where one begins with a parameter, the ends tell them apart sooner.
	if (a.prefix == "" || b.prefix == "") && !m.common(a.backwards, b.backwards) {
		return false
	}
	return m.common(a.forwards, b.forwards)
}

// common says whether both automata accept some text: whether the pair of accepting states can be reached from that of
// the first ones.
func (m *meeting) common(left, right *automaton) bool {
	width := len(right.states)
	words := (len(left.states)*width + 63) / 64
	if m.budget -= words / 16; m.budget < 0 {
		return true
	}
	m.seen = slices.Grow(m.seen[:0], words)[:words]
	clear(m.seen)
	m.seen[0] = 1
	for queue := []int{0}; len(queue) > 0; {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		i, j := at/width, at%width
		if i == left.accepting && j == right.accepting {
			return true
		}
		if m.budget--; m.budget < 0 {
			return true
		}
		for _, one := range left.states[i] {
			for _, other := range right.states[j] {
				to := one.to*width + other.to
				if one.meets(other) && m.seen[to/64]&(1<<(to%64)) == 0 {
					m.seen[to/64] |= 1 << (to % 64)
					queue = append(queue, to)
				}
			}
		}
	}
	return false
}
