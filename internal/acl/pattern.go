package acl

import (
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// pattern is a glob-style pattern of Redis: bytes, and what stands for more than one.
type pattern []rune

const (
	// anything matches any text, also none.
	anything rune = -1 - iota
	// blank matches a byte that is no visible character of ASCII. ACL SETUSER refuses patterns with spaces in them.
	blank
)

func literally(text string) pattern {
	p := make(pattern, len(text))
	for i := range len(text) {
		p[i] = rune(text[i])
		if text[i] <= ' ' || text[i] == 0x7f {
			p[i] = blank
		}
	}
	return p
}

// String is the pattern as Redis reads it. A closing bracket without an opening one needs no backslash.
func (p pattern) String() string {
	var b strings.Builder
	for _, r := range p {
		switch r {
		case anything:
			b.WriteByte('*')
		case blank:
			b.WriteString("[^!-~]")
		case '*', '?', '[', '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// covers tells whether p matches whatever q does. The text that q's anything stands for may be one that p knows nothing of,
// so only p's own anything matches it.
func (p pattern) covers(q pattern) bool {
	i, j := 0, 0
	star, resume := -1, 0 // where to go on if what follows p's last anything does not fit: anything takes in one more of q
	for j < len(q) {
		switch {
		case i < len(p) && p[i] == anything:
			star, resume = i, j
			i++
		case i < len(p) && p[i] == q[j]:
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anything {
		i++
	}
	return i == len(p)
}

// patterns are some of which none covers another, in the order in which they came.
type patterns []pattern

func (ps *patterns) add(p pattern) {
	if slices.ContainsFunc(*ps, func(q pattern) bool { return q.covers(p) }) {
		return
	}
	*ps = append(slices.DeleteFunc(*ps, p.covers), p)
}

// modifiers are the patterns as ACL SETUSER takes them.
func (ps patterns) modifiers(kind byte) []string {
	modifiers := make([]string, len(ps))
	for i, p := range ps {
		modifiers[i] = string(kind) + p.String()
	}
	return modifiers
}

// keyPattern matches the keys that a template makes.
func keyPattern(key definition.Key) pattern {
	var p pattern
	for _, part := range key.Parts {
		if part.Parameter != nil {
			p = append(p, anything)
		} else {
			p = append(p, literally(part.Literal)...)
		}
	}
	return p
}

// counterPatterns match the keys of the fencing counters. A key's counter has the key in braces before its name, for a Redis
// Cluster keeps it in the same slot then; or if the key has a part in braces already, just the key. With a parameter it may
// depend on the value which it is.
func counterPatterns(key definition.Key) []pattern {
	p, name := keyPattern(key), literally(":fence")
	always, never := tagged(key)
	var all []pattern
	if !always {
		all = append(all, slices.Concat(literally("{"), p, literally("}"), name))
	}
	if !never {
		all = append(all, slices.Concat(p, name))
	}
	return all
}

// tagged tells whether the keys that a template makes all have a tag, or none has one: text in braces behind the first opening
// brace. As in Redis Cluster, if there is none between it and the next closing brace, then there is none at all.
func tagged(key definition.Key) (always, never bool) {
	var before strings.Builder // what the key begins with, up to the first parameter that may have braces in it
	closing := false           // whether a literal part behind that has a closing brace
	i := 0
	for ; i < len(key.Parts) && !mayHaveBraces(key.Parts[i].Parameter); i++ {
		if key.Parts[i].Parameter != nil {
			before.WriteByte('0')
		}
		before.WriteString(key.Parts[i].Literal)
	}
	open := i < len(key.Parts)
	for ; i < len(key.Parts); i++ {
		closing = closing || strings.Contains(key.Parts[i].Literal, "}")
	}
	_, rest, found := strings.Cut(before.String(), "{")
	end := strings.IndexByte(rest, '}')
	switch {
	case !found:
		return false, !open
	case end >= 0:
		return end > 0, end == 0
	default:
		return closing && rest != "", !open
	}
}

// mayHaveBraces tells whether the text of a parameter may have braces in it. What an imported type's has is not known.
func mayHaveBraces(p *definition.Parameter) bool {
	return p != nil && (p.Type == "string" || p.Import != "")
}
