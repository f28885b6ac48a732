package schematest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// An editor that marks what mutexgen takes teaches its user not to look. So: what the parser accepts, the schema does. (That
// the schema refuses what it can is a table, above all.)

// seeds are texts to begin with: the scenarios, and files that use every field and every way to write one.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	all := [][]byte{[]byte(everyWay)}
	files, err := filepath.Glob("../../../templates/testdata/scenarios/*/mutexes.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) < 4<<10 {
			all = append(all, text)
		}
	}
	return all
}

const everyWay = `version: !!int 1
package: überLocks_1
defaults: &d
  expiration_in_seconds: 90
  max_retry: 3
  retry_interval: +1.5s
  retry_jitter: 0
  drift_factor: 1e-3
mutexes:
- &first
  name: Ärger
  doc: 2026-01-02
  servers: ["${A}", "REDISS://:${P:-$x}@b:1/2?db=3", 'unix:///c']
  wait: -0s
  key: "a{{}}{id:int64}:{u:github.com/google/uuid.UUID}\u00e9"
  renew: True
  node_timeout: .5s
- {<<: [*d, {url: redis://b}], name: 𝐀, wait: forever, fencing: on, restart_guard: "off", fencing_memory: forever}
- <<: *first
  name: Sku2
  cluster: [[redis://a1, redis://a2, redis://a3], ["${B}"]]
  wait: 0
  max_hold: 1h0.5ms
  pool_size: 1000
  replicas: 2
  reconnection_interval: 1µs999us
`

// mutant changes a tree at a few random places, mostly to something that may be right.
type mutant struct{ *rand.Rand }

func (m mutant) change(root *yaml.Node) {
	var mappings, sequences, scalars []*yaml.Node
	var walk func(node *yaml.Node)
	walk = func(node *yaml.Node) {
		switch node.Kind {
		case yaml.MappingNode:
			mappings = append(mappings, node)
		case yaml.SequenceNode:
			sequences = append(sequences, node)
		case yaml.ScalarNode:
			scalars = append(scalars, node)
		}
		for _, inner := range node.Content {
			walk(inner)
		}
	}
	walk(root)
	switch choice := m.IntN(12); {
	case choice < 6 && len(mappings) > 0: // a field that may stand there, with a value of its kind
		at := m.IntN(len(mappings))
		place := definition.InMutex
		if at == 0 {
			place = definition.InFile
		} else if m.IntN(2) == 0 {
			place = definition.InDefaults // which are fields of a mutex, too
		}
		f := fields[m.IntN(len(fields))]
		for f.In&place == 0 || f.Kind == definition.Defaults || f.Kind == definition.Mutexes {
			f = fields[m.IntN(len(fields))]
		}
		m.put(mappings[at], f.Name, m.value(&f))
	case choice < 7 && len(mappings) > 0: // a field with any value
		f, g := fields[m.IntN(len(fields))], fields[m.IntN(len(fields))]
		m.put(mappings[m.IntN(len(mappings))], f.Name, m.value(&g))
	case choice < 8 && len(mappings) > 0: // a field less
		if mapping := mappings[m.IntN(len(mappings))]; len(mapping.Content) >= 2 {
			at := 2 * m.IntN(len(mapping.Content)/2)
			mapping.Content = append(mapping.Content[:at:at], mapping.Content[at+2:]...)
		}
	case choice < 9 && len(sequences) > 0: // an item more or less
		sequence := sequences[m.IntN(len(sequences))]
		if count := len(sequence.Content); count > 0 && m.IntN(2) == 0 {
			sequence.Content = sequence.Content[:count-1]
		} else {
			sequence.Content = append(sequence.Content, bare(m.url()))
		}
	case choice < 10 && len(scalars) > 0: // another text
		scalar := scalars[m.IntN(len(scalars))]
		*scalar = *bare(m.anything())
	case choice < 11 && len(mappings) > 1: // a merge key
		from, to := mappings[m.IntN(len(mappings))], mappings[m.IntN(len(mappings))]
		if from != to && !holds(from, to) {
			clone := *from
			clone.Anchor = ""
			to.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!merge", Value: "<<"}, &clone}, to.Content...)
		}
	case len(scalars) > 0: // quotes or none
		scalars[m.IntN(len(scalars))].Style = []yaml.Style{0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle}[m.IntN(3)]
	}
}

func holds(node, other *yaml.Node) bool {
	for _, inner := range node.Content {
		if inner == other || holds(inner, other) {
			return true
		}
	}
	return false
}

func (m mutant) put(mapping *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			mapping.Content[i+1] = value
			return
		}
	}
	mapping.Content = append(mapping.Content, bare(name), value)
}

// bare is a scalar that is written as it is: what it means is YAML's to say.
func bare(text string) *yaml.Node {
	var node yaml.Node
	if yaml.Unmarshal([]byte(text), &node) == nil && len(node.Content) == 1 && node.Content[0].Kind == yaml.ScalarNode {
		return node.Content[0]
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func (m mutant) one(texts ...string) string { return texts[m.IntN(len(texts))] }

func (m mutant) value(f *definition.Field) *yaml.Node {
	switch f.Kind {
	case definition.Servers:
		return m.servers()
	case definition.Cluster:
		all := &yaml.Node{Kind: yaml.SequenceNode}
		for range 1 + m.IntN(3) {
			all.Content = append(all.Content, m.servers())
		}
		return all
	case definition.Duration, definition.Wait, definition.Lifetime:
		return bare(m.one("0", "'0'", "forever", f.Least, f.Most, m.duration(), m.duration()))
	case definition.Seconds, definition.Count, definition.Fraction:
		return bare(m.one("0", "1", "-0", "0.5", "1e-3", "7", "0x10", "010", "!!int 5", "!!float 2", ".5", "-0.0", f.Least, f.Most))
	case definition.Switch, definition.OnOff:
		return bare(m.one("true", "FALSE", "True", "on", "'off'", "off", "yes", "!!bool tRuE"))
	case definition.URL:
		return bare(m.url())
	case definition.KeyTemplate:
		return bare(m.one("a", "{{", "'}}'", "'{id:int}'", "a{id:int64}b{no:uint64}", "x{{{id:bool}}}", "a{u:a.b/c.D}", "2026-01-02",
			"$a", "${{b}}", "é\u2028", "'~'", "on", "1:2", "a{aB:string}", "a{a_b:net/netip.Addr}"))
	case definition.Name:
		return bare(m.one("A", "B", "Ä", "𝐀𝐁", "A_1", "Åé٣", "ǅ", "On", "Func", "Lock"))
	case definition.Package:
		return bare(m.one("a", "_a", "A", "é", "a1", "on", "yes", "main"))
	}
	return bare(m.anything())
}

func (m mutant) servers() *yaml.Node {
	all := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range 1 + m.IntN(6) {
		all.Content = append(all.Content, bare(m.one(m.url(), fmt.Sprint("redis://", i))))
	}
	return all
}

func (m mutant) url() string {
	if m.IntN(4) == 0 {
		return m.one("redis", "rediss", "Redis", "${A}", "${A:-redis}") + m.one("+sentinel://", "+cluster://", "+SENTINEL://") +
			m.one("a", "a,b", "a:1,[::1]:2", "${A},b", "${A}") + m.one("", "/", "/m", "/m/1", "/0", "/${A}") +
			m.one("", "?db=0", "?sentinel_password=${A}", "?ca_file=a", "?cert_file=a&key_file=b")
	}
	return m.one("redis://", "rediss://h") + m.one("", "a", "[::1]:5", fmt.Sprint(m.IntN(99)), "$", "$$", "{}", "\u00e9") +
		m.one("", "/3", "?db=4", "${A}", "$${A}", "${_a1:-}", "${A:-b$}", "${A:-$}$", "$A{")
}

func (m mutant) duration() string {
	text := m.one("", "", "", "+", "-")
	for range 1 + m.IntN(3) {
		text += m.one("0", "00", "1", "10", "010", "5.", "0.5", ".5", "9", "999", "0.1", "24", "87600", fmt.Sprint(m.IntN(100_000))) +
			m.one("ns", "us", "µs", "μs", "ms", "ms", "s", "s", "m", "h")
	}
	return text
}

func (m mutant) anything() string {
	return m.one("", "a", "7", "~", "null", "true", "1s", "'1'", "2026-01-02", "2001-12-14t21:59:43.10-05:00", "!!str 7", "!!float 1",
		"!!binary YQ==", "!x y", "-0", "0o7", "0b1", "1_000", "08", "+1", "1e3", ".inf", "forever", "on", "=", "<<", "${A}", "\u0085",
		"\ufeff", "\ufffd", "12:30:45", "|", "A", m.duration(), m.url())
}

func TestTheSchemaRefusesNothingThatTheParserAccepts(t *testing.T) {
	m := mutant{rand.New(rand.NewPCG(11, 07))}
	var all [][]byte
	for _, text := range seeds(t) {
		if file, _ := definition.Parse("mutexes.yaml", text); file != nil {
			all = append(all, text)
		}
	}
	taken, refusedByBoth := 0, 0
	for range 2500 {
		begin := m.IntN(len(all))
		trees, err := documents(bytes.NewReader(all[begin]))
		if err != nil || len(trees) != 1 {
			continue
		}
		for range 1 + m.IntN(2) {
			m.change(trees[0])
		}
		text, err := yaml.Marshal(trees[0])
		if err != nil {
			continue
		}
		file, _ := definition.Parse("mutexes.yaml", text)
		switch why := schemaRefusal(t, text); {
		case file != nil && why != "":
			t.Fatalf("the schema refuses\n%s\n%s", text, why)
		case file != nil:
			taken++
			all[begin] = text // to go on from
		case why != "":
			refusedByBoth++
		}
	}
	if taken < 600 || refusedByBoth < 600 {
		t.Errorf("of the documents, both take %d, and both refuse %d", taken, refusedByBoth)
	}
}

// Values by themselves are many more than there are files.
func TestTheSchemaRefusesNoValueThatTheParserAccepts(t *testing.T) {
	m := mutant{rand.New(rand.NewPCG(23, 42))}
	taken := map[string]int{}
	for i := range 8000 {
		f := &fields[i%len(fields)]
		node := m.value(f)
		if node.Kind != yaml.ScalarNode || f.In == definition.InFile {
			continue
		}
		value, err := yaml.Marshal(node)
		if err != nil || bytes.Contains(value, []byte("\n ")) {
			continue
		}
		text := strings.Replace(fieldText(f, strings.TrimSpace(string(value))), "    expiration: 9ms\n", "    expiration: 10ms\n"+
			"    drift_factor: 0\n    node_timeout: 1ms\n", 1)
		if file, _ := definition.Parse("mutexes.yaml", []byte(text)); file == nil {
			continue
		}
		taken[f.Name]++
		if why := schemaRefusal(t, []byte(text)); why != "" {
			t.Fatalf("the schema refuses\n%s\n%s", text, why)
		}
	}
	for _, f := range fields {
		if f.In != definition.InFile && f.Kind != definition.Servers && f.Kind != definition.Cluster && taken[f.Name] < 20 {
			t.Errorf("%s: %d values taken", f.Name, taken[f.Name])
		}
	}
}

func FuzzTheSchemaNeverRefusesWhatTheParserAccepts(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if file, _ := definition.Parse("mutexes.yaml", text); file == nil {
			return
		}
		if why := schemaRefusal(t, text); why != "" {
			t.Errorf("the schema refuses\n%s\n%s", text, why)
		}
	})
}
