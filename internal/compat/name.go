package compat

import (
	"fmt"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// name reports a new name. Locks know nothing of names, but what is outside of the definitions may.
func (c *comparison) name(p pair) {
	if !p.renamed() {
		return
	}
	hint := "give its new name to the options of Open that name it: WithURL, WithServers, WithCluster"
	was, is := p.before.URLVariable(), p.after.URLVariable()
	if p.before.URL != "" && p.after.URL != "" && was != is {
		hint = fmt.Sprintf("wherever %s is set, set %s to the same, or old and new instances do not exclude each other; and %s", was, is, hint)
	}
	c.warns(p, "renamed", "this seems to be "+p.before.Name+" under a new name: the key is the same", hint, p.before.Name)
}

// dropped reports a mutex that the new version doesn't have.
func (c *comparison) dropped(m *definition.Mutex) {
	s := statement{severity: definition.Warning, code: "dropped", was: m.Position, label: m.Name,
		text: "it is dropped: new instances do not lock " + quoted(m.Key.Template),
		hint: "if new instances still do what it protected, " + drain + "; if it has a new name, it needs the same key and servers " +
			"under that name"}
	if s.more, _ = c.lockers(m); len(s.more) > 0 {
		s.text = "it is dropped"
	}
	c.say(s, m.Name)
}

// lockers are mutexes of the new version that lock the keys of an old one, whatever they are called, or can lock its only
// key. The first one is an heir if it locks just what the old one did.
func (c *comparison) lockers(m *definition.Mutex) (all []definition.Related, heir *definition.Mutex) {
	const most = 3
	add := func(other *definition.Mutex, can string) {
		if other.Name == m.Name || len(all) == most {
			return
		}
		where := ""
		if c.placeChange(pair{m, other}) != nil {
			where = " on other servers"
		} else if len(all) == 0 && can == "locks" {
			heir = other
		}
		all = append(all, definition.Related{File: c.after.Name, Position: other.At("key"),
			Label: fmt.Sprintf("%s %s %s%s", other.Name, can, quoted(m.Key.Template), where)})
	}
	for _, other := range c.locking[shape(m.Key)] {
		add(other, "locks")
	}
	if !isLiteral(m.Key) {
		return all, heir
	}
	for _, other := range c.templates {
		if len(all) < most && makes(other.Key, literal(m.Key)) {
			add(other, "can lock")
		}
	}
	return all, heir
}
