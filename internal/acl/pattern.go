package acl

import (
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// pattern is a glob-style pattern of Redis, with a rune for each byte that stands for itself, and one of those below for what
// stands for more.
type pattern string

const (
	// anything matches any text, also none.
	anything pattern = "\U0010FFFF"
	// blank matches a byte that is no visible character of ASCII. ACL SETUSER refuses patterns with spaces in them.
	blank pattern = "\U0010FFFE"
)

func literally(text string) pattern {
	var b strings.Builder
	for i := range len(text) {
		if text[i] <= ' ' || text[i] == 0x7f {
			b.WriteString(string(blank))
		} else {
			b.WriteRune(rune(text[i]))
		}
	}
	return pattern(b.String())
}

// String is the pattern as Redis reads it. A closing bracket without an opening one needs no backslash.
func (p pattern) String() string {
	var b strings.Builder
	for _, r := range p {
		switch c := pattern(r); {
		case c == anything:
			b.WriteByte('*')
		case c == blank:
			b.WriteString("[^!-~]")
		case strings.ContainsRune(`*?[\`, r):
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
	first, rest, more := strings.Cut(string(p), string(anything))
	text, fits := strings.CutPrefix(string(q), first)
	if !more || !fits {
		return fits && text == ""
	}
	for {
		piece, after, more := strings.Cut(rest, string(anything))
		if !more {
			return strings.HasSuffix(text, piece)
		}
		at := strings.Index(text, piece) // the first: whatever fits behind a later one fits behind this one
		if at < 0 {
			return false
		}
		text, rest = text[at+len(piece):], after
	}
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
			p += anything
		} else {
			p += literally(part.Literal)
		}
	}
	return p
}

// counterPatterns match the keys of the fencing counters. A key's counter has the key in braces before its name, for a Redis
// Cluster keeps it in the same slot then; or if the key has a part in braces already, just the key. With a parameter it may
// depend on the value which it is.
func counterPatterns(key definition.Key) []pattern {
	const name = ":fence"
	p := keyPattern(key)
	always, never := tagged(key)
	var all []pattern
	if !always {
		all = append(all, "{"+p+"}"+name)
	}
	if !never {
		all = append(all, p+name)
	}
	return all
}

// mayEndATag tells whether a key may have a closing brace but no tag. In braces of its own, it would be in the slot of what stands
// before that brace: a Redis Cluster keeps its counter under a name with a number that makes the slot the same.
func mayEndATag(key definition.Key) bool {
	if always, _ := tagged(key); always {
		return false
	}
	for _, part := range key.Parts {
		if strings.Contains(part.Literal, "}") || mayHaveBraces(part.Parameter) {
			return true
		}
	}
	return false
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
