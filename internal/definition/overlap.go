package definition

import (
	"fmt"
	"slices"
	"strings"
)

// claim is what a mutex locks: a key, or all those of a template, at a location.
type claim struct {
	draft    *draft
	order    int // in the file
	location location
	key      template
	others   []*claim // earlier ones that may lock the same key
}

// othersLimit is how many other mutexes one message names.
const othersLimit = 5

// sameKeys reports mutexes that lock the same key on the same nodes, or may. Only those are compared whose keys begin
// alike, which is not half a million pairs for a thousand mutexes: of two keys that can meet, the literal text that one
// begins with is the beginning of that of the other.
func (p *parser) sameKeys(claims []*claim) {
	literals := map[string][]*claim{}  // by their text
	templates := map[string][]*claim{} // by the text before their first parameter
	var lengths []int                  // of the texts in templates
	for _, c := range claims {
		if c.key.literal {
			literals[c.key.prefix] = append(literals[c.key.prefix], c)
			continue
		}
		templates[c.key.prefix] = append(templates[c.key.prefix], c)
		lengths = append(lengths, len(c.key.prefix))
	}
	slices.Sort(lengths)
	lengths = slices.Compact(lengths)
	m := meeting{budget: meetingBudget}
	for _, c := range claims {
		if c.key.literal {
			c.among(literals[c.key.prefix], &m)
		}
		for _, length := range lengths {
			if length > len(c.key.prefix) {
				break
			}
			c.among(templates[c.key.prefix[:length]], &m)
		}
	}
	for _, c := range claims {
		p.conflict(c)
	}
}

func (p *parser) claims(drafts []*draft) []*claim {
	var claims []*claim
	for i, d := range drafts {
		if d.in.has(oneLocation) && d.sound("url", "servers", "cluster", "key") {
			claims = append(claims, &claim{draft: d, order: i, location: p.location(&d.Mutex), key: newTemplate(d.Key)})
		}
	}
	return claims
}

// among looks for others that may lock the same key; whichever of two stands later in the file takes note.
func (c *claim) among(candidates []*claim, m *meeting) {
	for _, other := range candidates {
		first, second := other, c
		if c.order < other.order {
			first, second = c, other
		}
		if len(second.others) >= othersLimit || first == second || slices.Contains(second.others, first) ||
			c.draft.Name != "" && c.draft.Name == other.draft.Name || // which is wrong already
			!c.location.meets(other.location) || !m.possible(&c.key, &other.key) {
			continue
		}
		second.others = append(second.others, first)
	}
}

// same says whether two claims are one: the same keys on the same nodes in the same groups.
func (c *claim) same(other *claim) bool {
	return c.key.shape == other.key.shape && c.location.groups == other.location.groups
}

func (c *claim) position() Position {
	if c.draft.key.Node != nil {
		return c.draft.key.at
	}
	return c.draft.Position
}

// conflict reports what a claim has in common with earlier ones.
func (p *parser) conflict(c *claim) {
	if len(c.others) == 0 {
		return
	}
	slices.SortFunc(c.others, func(a, b *claim) int { return a.order - b.order })
	first := c.others[0]
	severity := Warning
	if i := slices.IndexFunc(c.others, c.same); i >= 0 {
		first, severity = c.others[i], Error
	}
	nodes := "the same nodes"
	if first.location.groups != c.location.groups {
		nodes = "some of the same nodes"
	}
	what := fmt.Sprintf("can lock the same key on %s: %s and %s", nodes, quoted(first.draft.Key.Template),
		quoted(c.draft.Key.Template))
	if first.key.shape == c.key.shape {
		what = fmt.Sprintf("lock the same key on %s: %s", nodes, quoted(c.draft.Key.Template))
	}
	finding := Finding{Severity: severity, Position: c.position(),
		Message: fmt.Sprintf("%s and %s %s", first.draft.label(), c.draft.label(), what)}
	switch {
	case c.draft.key.Node == nil, severity == Error:
		finding.Hint = "give it a key of its own"
	case first.key.shape != c.key.shape:
		finding.Hint = "begin each key with a text of its own"
	}
	for _, other := range c.others {
		if severity == Warning || c.same(other) {
			finding.Related = append(finding.Related, Related{Position: other.position(), Label: other.draft.label()})
		}
	}
	p.report(finding)
}

// label names the mutex in a message about another.
func (d *draft) label() string {
	if d.Name == "" {
		return "a mutex without a name"
	}
	return strings.TrimSpace(d.Name)
}
