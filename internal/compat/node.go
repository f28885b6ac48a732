package compat

import (
	"math/bits"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// node is what tells one node from another. What variables hold stands in it as numbers, one for each variable.
type node struct{ server, database string }

// variables numbers the variables of both versions. A number can stand anywhere in a URL, in a port as well.
type variables struct {
	numbers map[string]int
	names   []string
}

const firstNumber = 731_046_000

var numbered = regexp.MustCompile(`731\d{6}`)

func (v *variables) number(name string) string {
	if v.numbers == nil {
		v.numbers = map[string]int{}
	}
	n, ok := v.numbers[name]
	if !ok {
		n = len(v.names)
		v.numbers[name] = n
		v.names = append(v.names, name)
	}
	return strconv.Itoa(firstNumber + n)
}

// named has ${NAME} where text has numbers.
func (v *variables) named(text string) string {
	return numbered.ReplaceAllStringFunc(text, func(number string) string {
		n, _ := strconv.Atoi(number)
		if n -= firstNumber; n < 0 || n >= len(v.names) {
			return number
		}
		return "${" + v.names[n] + "}"
	})
}

// piece is literal text of a URL, or a reference to a variable.
type piece struct {
	literal  string
	name     string
	fallback string
	optional bool // there is a fallback
}

func pieces(text string) []piece {
	var all []piece
	for {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			all = append(all, piece{literal: before})
		}
		if !found {
			return all
		}
		reference, after, _ := strings.Cut(rest, "}")
		name, fallback, optional := strings.Cut(reference, ":-")
		all = append(all, piece{name: name, fallback: fallback, optional: optional})
		text = after
	}
}

// resolve is the node that a URL names where the variables in unset are not set, and all others are. What it says of a
// database that only a variable knows is not that of any other URL.
func (v *variables) resolve(text string, unset map[string]bool) node {
	generic, whole := v.generic(text, unset)
	named := definition.NodeOf(generic)
	n := node{named.Server, named.Database}
	u, err := url.Parse(generic)
	if err != nil {
		return n
	}
	given := strings.Trim(u.Path, "/") != "" && u.Scheme != "unix"
	if all := u.Query()["db"]; len(all) > 0 && all[len(all)-1] != "" { // which go-redis prefers to the path
		n.database, given = all[len(all)-1], true
	}
	if number, err := strconv.Atoi(n.database); err == nil {
		n.database = strconv.Itoa(number)
	}
	if whole != "" && !given {
		n.database = "that of " + whole
	}
	return n
}

// generic is the URL with numbers for variables; whole is that of a variable with which it begins, so that it may hold all
// of a URL.
func (v *variables) generic(text string, unset map[string]bool) (generic, whole string) {
	var b strings.Builder
	all := pieces(text)
	for i, p := range all {
		switch {
		case p.name == "":
			b.WriteString(p.literal)
		case unset[p.name]:
			b.WriteString(p.fallback)
		case b.Len() > 0:
			b.WriteString(v.number(p.name))
		case i+1 < len(all) && strings.HasPrefix(all[i+1].literal, "://"):
			b.WriteString("redis") // the scheme matters to no node's identity
		default:
			whole = v.number(p.name)
			b.WriteString("redis://" + whole)
		}
	}
	return b.String(), whole
}

// couldBe says whether two nodes that differ can be the same, given the right values of variables.
func (n node) couldBe(other node) bool {
	differ := func(a, b string) bool {
		return a != b && slices.Equal(numbered.FindAllString(a, -1), numbered.FindAllString(b, -1))
	}
	if n.server == other.server && numbered.MatchString(n.server) { // the same URL, but for the database that is added to it
		return n.database == other.database
	}
	return !differ(n.server, other.server) && !differ(n.database, other.database)
}

// show is a URL as a message may have it, without what belongs to a user.
func (v *variables) show(text string, unset map[string]bool) string {
	shown := v.shown(text, unset)
	if runes := []rune(shown); len(runes) > 60 {
		shown = string(runes[:60]) + "…"
	}
	return shown
}

func (v *variables) shown(text string, unset map[string]bool) string {
	generic, whole := v.generic(text, unset)
	if _, err := url.Parse(generic); err != nil {
		return "a URL"
	}
	if whole == "" {
		n := v.resolve(text, unset)
		if n.database != "0" {
			n.server += "/" + n.database
		}
		return v.named(n.server)
	}
	rest := strings.TrimPrefix(generic, "redis://"+whole)
	if strings.Contains(rest, "@") || strings.Contains(rest, "?") {
		rest = "…"
	}
	return v.named(whole + rest)
}

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
		for _, p := range pieces(text) {
			if p.optional && !required[p.name] && !slices.Contains(optional, p.name) {
				optional = append(optional, p.name)
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
	return &groupChange{database: g.database && other.database, unset: union(g.unset, other.unset),
		came: union(g.came, other.came), went: union(g.went, other.went)}
}

// caseChange is how the nodes differ where the variables in unset are not set, and all others are.
func (v *variables) caseChange(before, after []string, unset map[string]bool) *groupChange {
	went, came := map[node]string{}, map[node]string{}
	var servers [2][]string
	for i, texts := range [][]string{before, after} {
		for _, text := range texts {
			n := v.resolve(text, unset)
			servers[i] = append(servers[i], n.server)
			[]map[node]string{went, came}[i][n] = text
		}
		slices.Sort(servers[i])
	}
	for n := range went {
		if _, both := came[n]; both {
			delete(went, n)
			delete(came, n)
		}
	}
	if len(went) == 0 && len(came) == 0 {
		return nil
	}
	change := &groupChange{database: slices.Equal(servers[0], servers[1]), certain: len(went) != len(came)}
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
