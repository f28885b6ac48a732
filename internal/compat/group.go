package compat

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// groupChange is how one group of servers differs from another.
type groupChange struct {
	// certain says that they differ whatever variables hold; otherwise unset are variables without which they differ, and
	// are the same with them; or if there are none, it depends on what variables hold.
	certain bool
	unset   []string
	// database says that the servers are the same.
	database   bool
	came, went []string // servers, or databases
	// overlaps says that there are servers in both groups.
	overlaps bool
	// failover says that a server in one group may be the master of sentinels in the other, for as long as it is.
	failover bool
}

// groupChange is nil if the groups are the same nodes. Their order does not matter: votes are counted. It does not matter
// either how many nodes they have in common, if not all: of an odd number of nodes and another odd number, majorities
// without a common node can always be found, unless they are the same nodes.
func (v *variables) groupChange(before, after []string, required map[string]bool) *groupChange {
	went, came := without(before, after), without(after, before)
	if len(went) == 0 && len(came) == 0 {
		return nil
	}
	var optional []string
	for _, text := range slices.Concat(went, came) {
		for _, p := range definition.Pieces(text) {
			if p.Optional && !required[p.Name] && !slices.Contains(optional, p.Name) {
				optional = append(optional, p.Name)
			}
		}
	}
	const most = 5
	beyond := len(optional) > most
	optional = optional[:min(len(optional), most)]
	var change *groupChange
	possible := false
	for mask := range 1 << len(optional) {
		unset := map[string]bool{}
		for i, name := range optional {
			unset[name] = mask&(1<<i) != 0
		}
		one := v.caseChange(went, came, unset)
		possible = possible || one == nil || !one.certain
		switch {
		case one == nil:
		case change == nil || len(change.unset) > 0 && bits.OnesCount(uint(mask)) == 1:
			for _, name := range optional {
				if unset[name] {
					one.unset = append(one.unset, name)
				}
			}
			change = change.and(one)
		default:
			change.database = change.database && one.database
		}
	}
	if change == nil && beyond {
		change = &groupChange{came: v.showAll(came), went: v.showAll(went)}
		possible = true
	}
	if change != nil {
		change.certain = !possible
		change.overlaps = len(went) < len(before)
		if change.certain {
			change.unset = nil
		}
	}
	return change
}

// and is what both changes say.
func (g *groupChange) and(other *groupChange) *groupChange {
	if g == nil {
		return other
	}
	return &groupChange{database: g.database && other.database, failover: g.failover || other.failover, unset: union(g.unset, other.unset),
		came: union(g.came, other.came), went: union(g.went, other.went)}
}

// caseChange is how the nodes differ where the variables in unset are not set, and all others are.
func (v *variables) caseChange(before, after []string, unset map[string]bool) *groupChange {
	went, came := map[node]string{}, map[node]string{}
	var all [2][]node
	for i, texts := range [][]string{before, after} {
		for _, text := range texts {
			n := v.resolve(text, unset)
			all[i] = append(all[i], n)
			[]map[node]string{went, came}[i][n] = text
		}
		slices.SortFunc(all[i], func(a, b node) int { return strings.Compare(a.server, b.server) })
	}
	for _, n := range all[0] {
		for _, other := range all[1] {
			if n.is(other) {
				delete(went, n)
				delete(came, other)
			}
		}
	}
	if len(went) == 0 && len(came) == 0 {
		return nil
	}
	change := &groupChange{failover: hasKind(went, sentinelMaster) != hasKind(came, sentinelMaster), database: slices.EqualFunc(all[0], all[1], node.isOn), certain: len(went) != len(came)}
	stranger := func(n node, others map[node]string) bool {
		for other := range others {
			if n.couldBe(other) {
				return false
			}
		}
		return true
	}
	for _, text := range before {
		if n := v.resolve(text, unset); went[n] != "" {
			change.certain = change.certain || stranger(n, came)
			change.went = append(change.went, v.show(text, unset))
		}
	}
	for _, text := range after {
		if n := v.resolve(text, unset); came[n] != "" {
			change.certain = change.certain || stranger(n, went)
			change.came = append(change.came, v.show(text, unset))
		}
	}
	if change.database {
		change.went, change.came = v.databases(before, unset), v.databases(after, unset)
	}
	return change
}

func hasKind(nodes map[node]string, kind kind) bool {
	for n := range nodes {
		if n.kind == kind {
			return true
		}
	}
	return false
}

func (v *variables) databases(texts []string, unset map[string]bool) []string {
	var all []string
	for _, text := range texts {
		database := v.named(v.resolve(text, unset).database)
		if !slices.Contains(all, database) {
			all = append(all, database)
		}
	}
	return all
}

func (v *variables) showAll(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, v.show(text, nil))
	}
	return all
}

// without are the texts that are not among the others.
func without(texts, others []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return slices.Contains(others, text) })
}

// instead says what came for what went.
func (g *groupChange) instead() string {
	what := "server"
	if g.database {
		what = "database"
	}
	plural := func(texts []string) string {
		if len(texts) == 1 {
			return what + " " + texts[0]
		}
		return what + "s " + list(texts)
	}
	switch {
	case len(g.went) == 0:
		return plural(g.came) + " as well"
	case len(g.came) == 0:
		return "without " + plural(g.went)
	}
	return plural(g.came) + " instead of " + list(g.went)
}
