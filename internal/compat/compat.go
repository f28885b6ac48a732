// Package compat tells what a rolling deploy from old definitions to new ones would break, while instances of both versions
// of an application run side by side.
package compat

import (
	"cmp"
	"slices"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/ring"
)

// Version is the definitions of one version of an application, under the name that findings give their file.
type Version struct {
	Name string
	*definition.File
}

// Compare finds what breaks, or is promised no longer, while instances of both versions run. A finding is an Error where
// nothing in the files shows that both versions exclude each other: also where that depends on what variables hold, or on
// texts that the application makes. Variables are taken to have the same values for both versions. It is a Warning where
// they exclude each other, but something else that they could rely on before isn't so any more, or isn't so yet.
//
// Mutexes are told by their names; of two with different names, one is the other renamed if the old name is gone, the new
// one is new, and they lock the same keys.
func Compare(before, after Version) definition.Findings {
	c := &comparison{before: before, after: after, places: map[placePair]*placeChange{}}
	pairs, dropped := c.match()
	c.guarded = c.underGuard(before.Mutexes)
	for _, p := range pairs {
		c.name(p)
		c.key(p)
		c.place(p)
		c.lasting(p)
		c.safeguards(p)
	}
	for _, m := range dropped {
		c.dropped(m)
	}
	return c.findings()
}

// comparison gathers what there is to say.
type comparison struct {
	before, after Version
	said          []*statement
	// places remembers how one place differs from another: mostly that is the defaults', and the same for all mutexes.
	places    map[placePair]*placeChange
	rings     map[int]ring.Ring
	variables variables
	// guarded are the nodes on which old instances have a restart guard.
	guarded map[node]bool
	// added are the new version's mutexes that the old one didn't have, by the shape of their keys.
	added map[string][]*definition.Mutex
	// locking are all of the new version by the shape of their keys; templates are those with parameters.
	locking   map[string][]*definition.Mutex
	templates []*definition.Mutex
}

// pair is one mutex in both versions.
type pair struct{ before, after *definition.Mutex }

func (p pair) renamed() bool { return p.before.Name != p.after.Name }

// match pairs the mutexes, in the order of the new file.
func (c *comparison) match() (pairs []pair, dropped []*definition.Mutex) {
	old := map[string]*definition.Mutex{}
	for i := range c.before.Mutexes {
		old[c.before.Mutexes[i].Name] = &c.before.Mutexes[i]
	}
	kept := map[string]bool{}
	c.added, c.locking = map[string][]*definition.Mutex{}, map[string][]*definition.Mutex{}
	for i := range c.after.Mutexes {
		m := &c.after.Mutexes[i]
		c.locking[shape(m.Key)] = append(c.locking[shape(m.Key)], m)
		if !isLiteral(m.Key) {
			c.templates = append(c.templates, m)
		}
		if was := old[m.Name]; was != nil {
			kept[m.Name] = true
			pairs = append(pairs, pair{was, m})
			continue
		}
		c.added[shape(m.Key)] = append(c.added[shape(m.Key)], m)
	}
	for i := range c.before.Mutexes {
		m := &c.before.Mutexes[i]
		if kept[m.Name] {
			continue
		}
		if heir := c.heir(m); heir != nil {
			pairs = append(pairs, pair{m, heir})
		} else {
			dropped = append(dropped, m)
		}
	}
	return pairs, dropped
}

// heir takes from those that were added the one that a mutex whose name is gone was renamed to. That its key is the same
// suffices: if it lives elsewhere, all the more must be said.
func (c *comparison) heir(m *definition.Mutex) *definition.Mutex {
	candidates := c.added[shape(m.Key)]
	best := -1
	for i, candidate := range candidates {
		if c.placeChange(pair{m, candidate}) == nil {
			best = i
			break
		}
	}
	if best < 0 && len(candidates) == 1 {
		best = 0
	}
	if best < 0 {
		return nil
	}
	heir := candidates[best]
	c.added[shape(m.Key)] = slices.Delete(slices.Clone(candidates), best, best+1)
	return heir
}

// statement is a finding on its way: what is said in the same words of several mutexes is said once.
type statement struct {
	severity definition.Severity
	code     string
	names    []string
	text     string
	hint     string
	// at is in the new file, zero if nothing there is to blame; was is in the old one.
	at, was definition.Position
	label   string
	more    []definition.Related
}

func (c *comparison) say(s statement, name string) {
	s.names = []string{name}
	c.said = append(c.said, &s)
}

// breaks says that both versions do not exclude each other.
func (c *comparison) breaks(p pair, code, text, hint, label string, fields ...string) {
	c.about(p, definition.Error, code, text, hint, label, fields)
}

// warns says what holds no longer, or not yet.
func (c *comparison) warns(p pair, code, text, hint, label string, fields ...string) {
	c.about(p, definition.Warning, code, text, hint, label, fields)
}

func (c *comparison) about(p pair, severity definition.Severity, code, text, hint, label string, fields []string) {
	c.say(statement{severity: severity, code: code, text: text, hint: hint, at: p.after.At(fields...),
		was: p.before.At(fields...), label: label}, p.after.Name)
}

// findings are all statements, those in the same words as one.
func (c *comparison) findings() definition.Findings {
	type topic struct {
		code, text, hint, label string
		at, was                 definition.Position
	}
	first := map[topic]*statement{}
	var all []*statement
	for _, s := range c.said {
		about := topic{s.code, s.text, s.hint, s.label, s.at, s.was}
		if same := first[about]; same != nil && len(s.more) == 0 {
			same.names = append(same.names, s.names...)
			continue
		}
		first[about] = s
		all = append(all, s)
	}
	var findings definition.Findings
	for _, s := range all {
		finding := definition.Finding{Severity: s.severity, File: c.after.Name, Position: s.at, Code: s.code,
			Message: list(s.names) + ": " + s.text, Hint: s.hint}
		finding.Related = append(finding.Related, definition.Related{File: c.before.Name, Position: s.was, Label: "before: " + s.label})
		finding.Related = append(finding.Related, s.more...)
		findings = append(findings, finding)
	}
	// Not by message, so that what is said of one mutex at one place stays in its order: exclusion first.
	slices.SortStableFunc(findings, func(a, b definition.Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Severity, b.Severity))
	})
	return findings
}
