package compat

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// TestBreaksAreThoseThatCanHappen holds Compare against the truth: whether there is an environment and a thing to protect for
// which an old instance and a new one could both have a majority. It is found by trying all of them.
func TestBreaksAreThoseThatCanHappen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	breaks, fine := 0, 0
	for compared := 0; compared < 700; {
		before, after := randomPair(random)
		if refused(before) || refused(after) {
			continue
		}
		compared++
		b, f := holdToTruth(t, before, after)
		breaks, fine = breaks+b, fine+f
	}
	if breaks < 150 || fine < 150 {
		t.Errorf("%d breaks and %d others are too few to tell", breaks, fine)
	}
}

var someKeys = []string{"k", "other", "k:{p:int64}", "k:{p:int}", "k:{p:uint64}", "k:{p:string}", "k:{r:string}", "k:{p:bool}", "{p:bool}",
	"k:{p:int64}:{q:int64}", "k:{q:int64}:{p:int64}", "k:{r:int64}:{q:int64}", "k:{p:int64}:{r:int64}", "{p:bool}/{q:bool}",
	"{q:bool}/{p:bool}", "k:{p:string}:x", "k:{p:example.com/ids.ID}", "k:{{p}}", "k:{{p:int64}}"}

// TestBreaksOfKeysAreThoseThatCanHappen does so for each key and each other one.
func TestBreaksOfKeysAreThoseThatCanHappen(t *testing.T) {
	fine := 0
	for _, before := range someKeys {
		for _, after := range someKeys {
			const source = "version: 1\nmutexes: [{name: M0, url: redis://a, key: %q}]\n"
			_, f := holdToTruth(t, fmt.Sprintf(source, before), fmt.Sprintf(source, after))
			fine += f
		}
	}
	if fine <= len(someKeys) {
		t.Errorf("only %d are fine", fine)
	}
}

func refused(source string) bool {
	_, findings := definition.Parse("", []byte(source))
	return findings.HasErrors()
}

// holdToTruth compares two files, and counts mutexes that break and others.
func holdToTruth(t *testing.T, before, after string) (breaks, fine int) {
	t.Helper()
	old, now := version(t, "old.yaml", before), version(t, "new.yaml", after)
	got := map[string]bool{}
	for _, finding := range Compare(old, now) {
		if finding.Severity == definition.Error {
			names, _, _ := strings.Cut(finding.Message, ": ")
			for _, name := range strings.Split(names, " and ") {
				got[name] = true
			}
		}
	}
	for i := range now.Mutexes {
		m := &now.Mutexes[i]
		at := slices.IndexFunc(old.Mutexes, func(other definition.Mutex) bool { return other.Name == m.Name })
		if at < 0 {
			continue
		}
		why := canBreak(&old.Mutexes[at], m, false)
		if why != "" && !got[m.Name] {
			t.Fatalf("%s: nothing is reported; in truth: %s\nold:\n%s\nnew:\n%s", m.Name, why, before, after)
		}
		// That Open refuses a mutex in which variables name a server twice is not reckoned with.
		if got[m.Name] && why == "" && !hasVariableTwice(before+after) && canBreak(&old.Mutexes[at], m, true) == "" {
			t.Fatalf("%s: reported, and cannot happen\nold:\n%s\nnew:\n%s", m.Name, before, after)
		}
		if why != "" {
			breaks++
		} else {
			fine++
		}
	}
	return breaks, fine
}

func hasVariableTwice(source string) bool {
	for line := range strings.Lines(source) {
		for _, name := range []string{"${A", "${B", "${C"} {
			if strings.Count(line, name) > 1 {
				return true
			}
		}
	}
	return false
}

// randomPair is a file and a small change of it.
func randomPair(random *rand.Rand) (before, after string) {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	key := func() string { return one(someKeys...) }
	url := func() string {
		return one("redis://h0", "redis://h1", "redis://h2", "redis://h3", "redis://h0/1", "redis://h1/1", "redis://h2?db=1",
			"redis://H0:6379/0", "rediss://u@h1", "${A}", "${B}", "${A}/1", "${A:-redis://h0}", "${A:-redis://h1}", "${A:-redis://h0/1}",
			"${B:-redis://h2}", "redis://${C}", "redis://${C}/1", "redis://${C:-h1}")
	}
	group := func() []string {
		var all []string
		for range 1 + 2*random.IntN(3) {
			all = append(all, url())
		}
		return all
	}
	type mutex struct {
		key    string
		groups [][]string
	}
	many := func() (groups [][]string) {
		for range 1 + random.IntN(3) {
			groups = append(groups, group())
		}
		return groups
	}
	write := func(mutexes []mutex) string {
		out := "version: 1\nmutexes:\n"
		for i, m := range mutexes {
			var lists []string
			for _, group := range m.groups {
				lists = append(lists, `["`+strings.Join(group, `", "`)+`"]`)
			}
			place := "cluster: [" + strings.Join(lists, ", ") + "]"
			if len(m.groups) == 1 {
				place = "servers: " + lists[0]
				if len(m.groups[0]) == 1 && len(m.key)%2 == 0 {
					place = `url: "` + m.groups[0][0] + `"`
				}
			}
			out += fmt.Sprintf("  - name: M%d\n    key: %q\n    %s\n", i, m.key, place)
		}
		return out
	}
	var mutexes []mutex
	for range 1 + random.IntN(2) {
		mutexes = append(mutexes, mutex{key(), many()})
	}
	before = write(mutexes)
	for i := range mutexes {
		m := &mutexes[i]
		groups := make([][]string, len(m.groups))
		for j := range groups {
			groups[j] = slices.Clone(m.groups[j])
		}
		m.groups = groups
		some := groups[random.IntN(len(groups))]
		switch random.IntN(9) {
		case 0:
			m.key = key()
		case 1, 2, 3:
			some[random.IntN(len(some))] = url()
		case 4:
			m.groups = many()
		case 5:
			random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		case 6:
			random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		case 7:
			m.groups = append(groups, group())
		}
	}
	return before, write(mutexes)
}

// canBreak tells of an environment and a thing for which both versions can have a majority at once; "" if there is none.
func canBreak(before, after *definition.Mutex, repeated bool) string {
	type places struct{ from, to int }
	seen := map[places]bool{}
	for n := range 100 {
		keys := [2]string{}
		for i, m := range []*definition.Mutex{before, after} {
			keys[i] = render(m.Key, argumentsOf(n, before, after, i == 1))
		}
		if keys[0] != keys[1] {
			return fmt.Sprintf("keys %q and %q", keys[0], keys[1])
		}
		at := places{groupOf(len(before.Groups()), keys[0]), groupOf(len(after.Groups()), keys[1])}
		if seen[at] {
			continue
		}
		seen[at] = true
		for _, environment := range environments {
			if !concerns(environment, before, after) {
				continue
			}
			was, fine := opened(before, environment, repeated)
			is, alsoFine := opened(after, environment, repeated)
			if fine && alsoFine && disjointMajorities(was[at.from], is[at.to]) {
				return fmt.Sprintf("%q with %v: %v and %v", keys[0], environment, was[at.from], is[at.to])
			}
		}
	}
	return ""
}

// argumentsOf are the values that name the nth thing. A parameter that was renamed has that of the one in its place.
func argumentsOf(n int, before, after *definition.Mutex, isAfter bool) map[string]int {
	values := map[string]int{}
	was, is := before.Key.Parameters(), after.Key.Parameters()
	for i, parameter := range was {
		values[parameter.Name] = n >> i
	}
	if !isAfter {
		return values
	}
	for i, parameter := range is {
		if _, ok := values[parameter.Name]; !ok && i < len(was) {
			values[parameter.Name] = values[was[i].Name]
		}
	}
	return values
}

// render makes a key. What the application makes texts of, it makes otherwise than we do.
func render(key definition.Key, values map[string]int) string {
	var b strings.Builder
	for _, part := range key.Parts {
		switch p := part.Parameter; {
		case p == nil:
			b.WriteString(part.Literal)
		case p.Import != "":
			fmt.Fprintf(&b, "id%d", values[p.Name])
		case p.Type == "bool":
			b.WriteString(strconv.FormatBool(values[p.Name]%2 == 1))
		case p.Type == "string":
			fmt.Fprintf(&b, "s%d", values[p.Name])
		default:
			b.WriteString(strconv.Itoa(values[p.Name]))
		}
	}
	return b.String()
}

// groupOf finds the group of a key in the plainest way.
func groupOf(groups int, key string) int {
	own, best, distance := hashOf(key), 0, uint64(math.MaxUint64)
	for group := range groups {
		for _, at := range pointsOf[group] {
			if d := at - own - 1; d <= distance { // on equal points the higher group
				best, distance = group, d
			}
		}
	}
	return best
}

var pointsOf = func() (all [4][512]uint64) {
	for group := range all {
		for i := range all[group] {
			all[group][i] = hashOf(strconv.Itoa(group) + strconv.Itoa(i))
		}
	}
	return all
}()

func hashOf(text string) uint64 {
	sum := md5.Sum([]byte(text))
	return binary.LittleEndian.Uint64(sum[8:])
}

// environments are all values of the three variables.
var environments = func() (all []map[string]string) {
	urls := []string{"", "redis://h0", "redis://h1", "redis://h3", "redis://h4", "redis://h6", "redis://h0/1", "redis://h4/1"}
	for _, a := range urls {
		for _, b := range urls {
			for _, c := range []string{"", "h0", "h4", "h5"} {
				all = append(all, map[string]string{"A": a, "B": b, "C": c})
			}
		}
	}
	return all
}()

// concerns says whether all variables that are set occur: to set others changes nothing.
func concerns(environment map[string]string, mutexes ...*definition.Mutex) bool {
	for name, value := range environment {
		occurs := slices.ContainsFunc(mutexes, func(m *definition.Mutex) bool {
			return strings.Contains(fmt.Sprint(m.Groups()), "${"+name)
		})
		if value != "" && !occurs {
			return false
		}
	}
	return true
}

// opened are the nodes of a mutex in each group, as go-redis and the rules of Open have it; not if it cannot be opened, unless
// that is because of servers that are repeated.
func opened(m *definition.Mutex, environment map[string]string, repeated bool) (all [][]string, ok bool) {
	servers := map[string]bool{}
	for _, group := range m.Groups() {
		var nodes []string
		for _, text := range group {
			for name, value := range environment {
				if value != "" {
					text = strings.ReplaceAll(text, "${"+name+"}", value)
				}
				if before, rest, found := strings.Cut(text, "${"+name+":-"); found {
					fallback, after, _ := strings.Cut(rest, "}")
					if value == "" {
						value = fallback
					}
					text = before + value + after
				}
			}
			options, err := redis.ParseURL(text)
			if err != nil || strings.Contains(text, "$") || servers[strings.ToLower(options.Addr)] && !repeated {
				return nil, false
			}
			servers[strings.ToLower(options.Addr)] = true
			nodes = append(nodes, fmt.Sprintf("%s/%d", strings.ToLower(options.Addr), options.DB))
		}
		all = append(all, nodes)
	}
	return all, true
}

func disjointMajorities(before, after []string) bool {
	index := map[string]int{}
	bits := func(nodes []string) (all int) {
		for _, node := range nodes {
			if _, ok := index[node]; !ok {
				index[node] = len(index)
			}
			all |= 1 << index[node]
		}
		return all
	}
	was, is := bits(before), bits(after)
	ones := func(set int) int { return strings.Count(strconv.FormatInt(int64(set), 2), "1") }
	for one := was; one > 0; one = (one - 1) & was {
		if ones(one) != len(before)/2+1 {
			continue
		}
		for other := is; other > 0; other = (other - 1) & is {
			if ones(other) == len(after)/2+1 && one&other == 0 {
				return true
			}
		}
	}
	return false
}

// TestMajoritiesMeetOnlyOnTheSameNodes is why groupChange counts no nodes: of all groups of an odd number of nodes, only
// those of the same nodes exclude each other.
func TestMajoritiesMeetOnlyOnTheSameNodes(t *testing.T) {
	universe := []string{"a", "b", "c", "d", "e", "f"}
	var odd [][]string
	for set := range 1 << len(universe) {
		var group []string
		for i, node := range universe {
			if set&(1<<i) != 0 {
				group = append(group, node)
			}
		}
		if len(group)%2 == 1 {
			odd = append(odd, group)
		}
	}
	for _, before := range odd {
		for _, after := range odd {
			if same := slices.Equal(before, after); disjointMajorities(before, after) == same {
				t.Errorf("%v and %v: majorities can be disjoint: %v", before, after, !same)
			}
		}
	}
	if len(odd) != 32 {
		t.Errorf("%d groups", len(odd))
	}
}
