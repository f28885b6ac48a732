package compat

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/ring"
)

// placePair is what a placeChange depends on.
type placePair struct{ before, after, keys string }

// placeChange is how the servers of a key differ.
type placeChange struct {
	code, text string
	// unless is what has to be true for it to be harmless; empty if nothing can make it so.
	unless string
	with   string // as remedy takes it
	label  string
}

var placeFields = []string{"url", "servers", "cluster"}

// place reports a mutex whose keys live elsewhere than before.
func (c *comparison) place(p pair) {
	if change := c.placeChange(p); change != nil {
		hint := remedy(p, change.with)
		if change.unless != "" {
			hint = "if " + change.unless + ", nothing breaks; else " + hint
		}
		c.breaks(p, change.code, change.text, hint, change.label, placeFields...)
		return
	}
	if (p.before.URL != "") == (p.after.URL != "") {
		return
	}
	variable, text := p.after.URLVariable(), "%s overrides the url from now on: where it is set, new instances use other servers than old ones"
	if p.before.URL != "" {
		variable, text = p.before.URLVariable(), "%s is not read any more, for it overrides only a url: where it is set, old instances use other servers than new ones"
	}
	c.warns(p, "override-changed", fmt.Sprintf(text, variable), "see that it is set nowhere", c.everything(p.before.Groups()),
		placeFields...)
}

// placeChange is nil if the keys of the old mutex are where the same keys of the new one are.
func (c *comparison) placeChange(p pair) *placeChange {
	before, after := p.before.Groups(), p.after.Groups()
	id := placePair{before: listed(before), after: listed(after)}
	if id.before == id.after || len(before) == 0 || len(after) == 0 { // without servers, in no file that could be parsed
		return nil
	}
	keys := finite(p.before.Key)
	if len(before) > 1 || len(after) > 1 {
		id.keys = strings.Join(keys, "\x00")
	}
	change, known := c.places[id]
	if !known {
		change = c.newPlaceChange(before, after, keys)
		c.places[id] = change
	}
	return change
}

func listed(groups [][]string) string {
	var b strings.Builder
	for _, group := range groups {
		b.WriteString(strings.Join(group, " ") + "\n")
	}
	return b.String()
}

func (c *comparison) newPlaceChange(before, after [][]string, keys []string) *placeChange {
	required := map[string]bool{}
	for _, group := range slices.Concat(before, after) {
		for _, text := range group {
			for _, p := range definition.Pieces(text) {
				if p.Reference && !p.Optional {
					required[p.Name] = true // else one of the two versions cannot open its mutexes
				}
			}
		}
	}
	parts := c.parts(len(before), len(after), keys)
	var changes []*groupChange
	moved := 0.0
	for _, m := range slices.SortedFunc(maps.Keys(parts), func(a, b move) int { return (a.from-b.from)*len(after) + a.to - b.to }) {
		if change := c.variables.groupChange(before[m.from], after[m.to], required); change != nil {
			changes = append(changes, change)
			moved += parts[m]
		}
	}
	if len(changes) == 0 {
		return nil
	}
	change := &placeChange{label: c.everything(before)}
	affected := "old and new instances do not exclude each other"
	switch {
	case len(keys) == 1 || moved > 0.999:
	case len(keys) > 1:
		affected = "for some keys " + affected
	default:
		affected = fmt.Sprintf("for about %d%% of the keys %s", min(max(int(math.Round(moved*100)), 1), 99), affected)
	}
	switch {
	case len(before) != len(after):
		change.code, change.with = "groups-changed", "with the new groups"
		change.text = fmt.Sprintf("%s of servers instead of %d, by which the key picks one: %s", count(len(after), "group", "groups"),
			len(before), affected)
	case len(before) > 1 && c.sameGroups(before, after):
		change.code, change.with = "group-order-changed", "with the new order"
		change.text = "the groups of servers stand in another order: " + affected
	default:
		change.tell(changes, affected)
	}
	return change
}

// tell describes how groups differ that stand at the same place.
func (change *placeChange) tell(changes []*groupChange, affected string) {
	all := groupChange{database: true}
	unclear := false
	for _, one := range changes {
		all.came, all.went, all.unset = union(all.came, one.came), union(all.went, one.went), union(all.unset, one.unset)
		all.certain = all.certain || one.certain
		all.database = all.database && one.database
		all.overlaps = all.overlaps || one.overlaps
		all.failover = all.failover || one.failover
		unclear = unclear || !one.certain && len(one.unset) == 0
	}
	what := all.instead()
	change.code, change.with = "nodes-changed", "on the new servers"
	if all.database {
		change.code, change.with = "database-changed", "in the new database"
	} else if all.overlaps {
		affected = "two majorities need not have a server in common, so " + affected
	}
	switch {
	case all.certain:
		change.text = what + ": " + affected
	case unclear:
		change.code = "nodes-unclear"
		change.text = what + ": old and new instances exclude each other only if that is the same"
		change.unless = "that is the same wherever this runs"
		if all.failover {
			change.unless += ", and no failover comes while both versions do"
		}
	default:
		change.code = "default-changed"
		change.text = what + " where " + joined(all.unset, "or") + " is not set: " + affected + " there"
		are := " is"
		if len(all.unset) > 1 {
			are = " are"
		}
		change.unless = list(all.unset) + are + " set wherever this runs"
	}
}

// sameGroups says whether the groups are the same but for their order.
func (c *comparison) sameGroups(before, after [][]string) bool {
	written := func(groups [][]string) []string {
		var all []string
		for _, group := range groups {
			var nodes []string
			for _, text := range group {
				n := c.variables.resolve(text, nil)
				nodes = append(nodes, n.server+"/"+n.database)
			}
			slices.Sort(nodes)
			all = append(all, strings.Join(nodes, " "))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(written(before), written(after))
}

// parts are the parts of the keys that are in each group before and after; keys are all of them, or nil if they are too
// many. The ring places a key by the number of groups alone.
func (c *comparison) parts(before, after int, keys []string) map[move]float64 {
	if before == 1 && after == 1 {
		return map[move]float64{{}: 1}
	}
	from, to := c.ring(before), c.ring(after)
	if keys == nil {
		return moves(from, to)
	}
	parts := map[move]float64{}
	for _, key := range keys {
		parts[move{from.Group(key), to.Group(key)}] += 1 / float64(len(keys))
	}
	return parts
}

func (c *comparison) ring(groups int) ring.Ring {
	r, ok := c.rings[groups]
	if !ok {
		r = ring.New(groups)
		if c.rings == nil {
			c.rings = map[int]ring.Ring{}
		}
		c.rings[groups] = r
	}
	return r
}

// finite are all keys of a template, or nil if they are too many.
func finite(key definition.Key) []string {
	const most = 6
	keys := []string{""}
	parameters := key.Parameters()
	if len(parameters) > most {
		return nil
	}
	for _, part := range key.Parts {
		texts := []string{part.Literal}
		if of := part.Parameter; of != nil {
			if typeName(*of) != "bool" {
				return nil
			}
			texts = []string{"false", "true"}
		}
		var longer []string
		for _, key := range keys {
			for _, text := range texts {
				longer = append(longer, key+text)
			}
		}
		keys = longer
	}
	return keys
}

// everything names the servers of all groups.
func (c *comparison) everything(groups [][]string) string {
	var all []string
	for _, group := range groups {
		var shown []string
		for _, text := range group {
			one, unset := c.variables.show(text, nil), map[string]bool{}
			for _, p := range definition.Pieces(text) {
				unset[p.Name] = p.Optional
			}
			if other := c.variables.show(text, unset); other != one {
				one += " (else " + other + ")"
			}
			shown = append(shown, one)
		}
		if len(groups) == 1 {
			return list(shown)
		}
		all = append(all, "["+list(shown)+"]")
	}
	return list(all)
}
