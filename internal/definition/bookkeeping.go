package definition

import (
	"fmt"
	"slices"
	"strings"
)

// What the engine keeps on the nodes beside the locks, by its rules: when a node's data began, for mutexes with a restart
// guard; and a counter for each key of a mutex with fencing, at {key}:fence, or at key:fence if the key has a hash tag.
const (
	birthKey     = "mutexgen:birth"
	counterAfter = ":fence"
)

// counters are the keys of the fencing counters of a mutex.
type counters struct {
	of  *claim
	key template
	// certain says that each key of the template is that of a counter, whatever the texts in it are.
	certain bool
}

// bookkeeping reports mutexes that lock, or may, what nodes keep beside the locks of others: one of the two gets no locks
// then. Where they may lock the same key besides, that is said already.
func (p *parser) bookkeeping(claims []*claim) {
	var guarded []*claim
	var counted []*counters
	for _, c := range claims {
		if c.draft.RestartGuard {
			guarded = append(guarded, c)
		}
		if c.draft.Fencing {
			counted = append(counted, c.counters()...)
		}
	}
	m := meeting{budget: meetingBudget}
	birth := newTemplate(Key{Parts: []Part{{Literal: birthKey}}})
	anyCounter := newTemplate(Key{Parts: []Part{{Parameter: &Parameter{Type: "T", Import: "any"}}, {Literal: counterAfter}}})
	for _, c := range claims {
		// Callers of who locks anything by its name are trusted not to name these.
		if c.key.prefix == "" && c.key.suffix == "" {
			continue
		}
		if len(counted) > 0 && m.possible(&c.key, &anyCounter) {
			p.locksCounters(c, m.countersAt(c, counted))
		}
		if len(guarded) > 0 && m.possible(&c.key, &birth) {
			if i := slices.IndexFunc(guarded, c.meets); i >= 0 {
				p.locksBirth(c, guarded[i])
			}
		}
	}
}

func (c *claim) meets(other *claim) bool { return c.location.meets(other.location) }

// countersAt are those of the counters that may stand at a key of c, at most as many as one message names.
func (m *meeting) countersAt(c *claim, counted []*counters) []*counters {
	var found []*counters
	for _, f := range counted {
		// Without a budget, anything is said to be possible: here that would be a false alarm.
		if m.budget--; m.budget < 0 || len(found) == othersLimit {
			break
		}
		if f.of != c && m.possible(&c.key, &f.key) && c.meets(f.of) && !m.possible(&c.key, &f.of.key) && m.budget >= 0 &&
			!slices.ContainsFunc(found, func(other *counters) bool { return other.of == f.of }) {
			found = append(found, f)
		}
	}
	return found
}

func (p *parser) locksCounters(c *claim, found []*counters) {
	if len(found) == 0 {
		return
	}
	severity, can, what := Warning, "can lock", "a key"
	first := found[0]
	if i := slices.IndexFunc(found, c.isAt); i >= 0 {
		first, severity, can = found[i], Error, "locks"
		if c.key.literal {
			what = "the key"
		}
	}
	finding := Finding{Severity: severity, Position: c.position(), Hint: "give it another key",
		Message: fmt.Sprintf("%s %s %s at which nodes keep a fencing counter of %s: %s", c.draft.label(), can, what,
			first.of.draft.label(), quoted(c.draft.Key.Template))}
	for _, f := range found {
		if severity == Warning || c.isAt(f) {
			finding.Related = append(finding.Related, Related{Position: f.of.position(), Label: f.of.draft.label()})
		}
	}
	p.report(finding)
}

// isAt says whether all keys of c are those of the counters, and on nodes that surely are the same.
func (c *claim) isAt(f *counters) bool {
	return f.certain && c.key.shape == f.key.shape && len(c.draft.Cluster) < 2 && len(f.of.draft.Cluster) < 2
}

func (p *parser) locksBirth(c, guarded *claim) {
	severity, can := Warning, "can lock"
	if c.key.literal && (len(c.draft.Cluster) < 2 || c.location.groups == guarded.location.groups) {
		severity, can = Error, "locks"
	}
	key := quoted(birthKey)
	if !c.key.literal {
		key += ": " + quoted(c.draft.Key.Template)
	}
	finding := Finding{Severity: severity, Position: c.position(), Hint: "give it another key",
		Message: fmt.Sprintf("%s %s the key at which nodes keep when their data began: %s", c.draft.label(), can, key),
		Related: []Related{{Position: guarded.draft.at("restart_guard"), Label: "restart_guard"}}}
	p.report(finding)
}

// counters are the templates of the counters' keys. Where a text may hold a hash tag, or not, there are two.
func (c *claim) counters() []*counters {
	var all []*counters
	possible, certain := hashTag(c.draft.Key.Parts)
	add := func(before, after string) {
		parts := slices.Concat([]Part{{Literal: before}}, c.draft.Key.Parts, []Part{{Literal: after}})
		all = append(all, &counters{of: c, key: newTemplate(Key{Parts: joined(parts)}), certain: certain || !possible})
	}
	if !certain {
		add("{", "}"+counterAfter)
	}
	if possible {
		add("", counterAfter)
	}
	return all
}

// joined makes one literal of neighbours.
func joined(parts []Part) []Part {
	var all []Part
	for _, part := range parts {
		last := len(all) - 1
		switch {
		case part.Parameter != nil || last < 0 || all[last].Parameter != nil:
			if part.Parameter != nil || part.Literal != "" {
				all = append(all, part)
			}
		default:
			all[last].Literal += part.Literal
		}
	}
	return all
}

// hashTag says whether the keys of a template have, or certainly have, a hash tag: some text between the first opening
// brace and the first closing one behind it. Numbers and booleans have no braces in them.
func hashTag(parts []Part) (possible, certain bool) {
	const something = "0"
	text, free := "", false
	for _, part := range parts {
		if part.Parameter == nil {
			text += part.Literal
			continue
		}
		if part.Parameter.Type == "string" || part.Parameter.Import != "" {
			free = true
			break
		}
		text += something
	}
	switch _, rest, opened := strings.Cut(text, "{"); {
	case opened && strings.Contains(rest, "}"): // what follows does not matter
		tagged := !strings.HasPrefix(rest, "}")
		return tagged, tagged
	default:
		return free, false
	}
}
