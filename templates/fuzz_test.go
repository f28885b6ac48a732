package templates

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// FuzzWhatParsesRenders looks for definitions that the parser accepts and that give no Go, or none that compiles.
func FuzzWhatParsesRenders(f *testing.F) {
	files, err := filepath.Glob(scenarios + "/*/mutexes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		file, findings := definition.Parse("mutexes.yaml", source)
		if findings.HasErrors() {
			return
		}
		checkFile(t, file)
	})
}

// checkFile renders the definitions twice and checks the code.
func checkFile(t *testing.T, file *definition.File) {
	t.Helper()
	packageName := file.Package
	if packageName == "" {
		packageName = "locks"
	}
	code, err := Render(file, packageName, "mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Render(file, packageName, "mutexes.yaml"); err != nil || !bytes.Equal(again, code) {
		t.Errorf("the second time it is different (%v)", err)
	}
	checkCode(t, file, code)
}

// FuzzDefinitions makes definitions of random bytes, most of which the parser accepts, other than most mutations of YAML
// text.
func FuzzDefinitions(f *testing.F) {
	for seed := range uint32(32) {
		f.Add(noise(seed))
	}
	f.Add([]byte("{}\n*/ //go:build x"))
	f.Fuzz(func(t *testing.T, random []byte) {
		source := (&dice{random}).file()
		file, findings := definition.Parse("mutexes.yaml", source)
		if findings.HasErrors() {
			return
		}
		defer func() {
			if t.Failed() {
				t.Logf("the definitions are\n%s", source)
			}
		}()
		checkFile(t, file)
	})
}

// TestMostDefinitionsMadeOfRandomBytesAreAccepted, for else FuzzDefinitions says little.
func TestMostDefinitionsMadeOfRandomBytesAreAccepted(t *testing.T) {
	const tries = 400
	accepted := 0
	said := map[string]int{}
	for seed := range uint32(tries) {
		source := (&dice{noise(seed)}).file()
		file, findings := definition.Parse("mutexes.yaml", source)
		if file != nil {
			accepted++
		}
		for _, finding := range findings {
			if finding.Severity == definition.Error {
				said[finding.Message]++
			}
		}
	}
	t.Logf("%d of %d accepted", accepted, tries)
	if accepted < tries/2 || accepted == tries {
		t.Errorf("%d of %d are accepted; errors are %v", accepted, tries, said)
	}
}

// noise is random bytes, the same for the same seed.
func noise(seed uint32) []byte {
	random := make([]byte, 256)
	state := seed*2654435761 + 1
	for i := range random {
		state = state*1664525 + 1013904223
		random[i] = byte(state >> 24)
	}
	return random
}

// dice turns bytes into choices.
type dice struct{ bytes []byte }

func (d *dice) roll(sides int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	first := int(d.bytes[0])
	d.bytes = d.bytes[1:]
	return first % sides
}

func (d *dice) pick(from ...string) string { return from[d.roll(len(from))] }

// text is the next few bytes as they are.
func (d *dice) text() string {
	n := min(d.roll(24), len(d.bytes))
	text := string(d.bytes[:n])
	d.bytes = d.bytes[n:]
	return strings.ToValidUTF8(text, "")
}

// visible is a text without what no key may contain, mostly.
func (d *dice) visible() string {
	text := d.text()
	if d.roll(16) == 0 {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

func scalarNode(text string) *yaml.Node {
	node := &yaml.Node{}
	node.SetString(text)
	return node
}

// plainNode is what YAML may take for a number or a boolean.
func plainNode(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
}

func mapping(nodes ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: nodes}
}

func (d *dice) file() []byte {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	defaults := mapping()
	d.settings(defaults, 4)
	for i := range 1 + d.roll(4) {
		list.Content = append(list.Content, d.mutex(i))
	}
	root := mapping(plainNode("version"), plainNode("1"), scalarNode("defaults"), defaults, scalarNode("mutexes"), list)
	if d.roll(4) == 0 {
		root.Content = append(root.Content, scalarNode("package"), scalarNode(d.pick("locks", "mutex", "time", "main", "strings", "schlösser", "_x")))
	}
	source, err := yaml.Marshal(root)
	if err != nil {
		return nil // a text that YAML cannot hold
	}
	return source
}

func (d *dice) mutex(i int) *yaml.Node {
	name := d.pick("A", "Lock", "Context", "Time", "String", "Error", "Key", "For", "Mutex", "Set", "Build_linux", "Ärger", "X日本",
		"M_", "Open2", "Synchronize", "NightlyReport", "Option", "Held2", "Definition", "T0")
	if d.roll(6) == 0 {
		name += d.pick("Lock", "lock", "_", "1", "test")
	}
	if i > 0 {
		name += fmt.Sprint(i)
	}
	node := mapping(scalarNode("name"), scalarNode(name), scalarNode("key"), scalarNode(d.key(i)))
	if d.roll(2) == 0 {
		doc := d.pick("", "makes sure.", "*/", "//go:build x", "+build x", "go:embed *", "#cgo", name, name+" is.", "a\n\nb\n\n\tc", "# h\n\nx", "- a\n- b\n")
		node.Content = append(node.Content, scalarNode("doc"), scalarNode(doc+d.text()))
	}
	d.settings(node, 8)
	return node
}

// settings adds up to so many fields, each once.
func (d *dice) settings(to *yaml.Node, most int) {
	servers := func(n int, prefix string) *yaml.Node {
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range n {
			node.Content = append(node.Content, scalarNode(fmt.Sprintf("redis://%s%d", prefix, i)))
		}
		return node
	}
	taken := map[string]bool{}
	add := func(group, name string, value *yaml.Node) {
		if !taken[group] {
			taken[group] = true
			to.Content = append(to.Content, scalarNode(name), value)
		}
	}
	switch d.roll(4) {
	case 0:
		add("location", "servers", servers(1+2*d.roll(3), "s"))
	case 1:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range 1 + d.roll(12) {
			node.Content = append(node.Content, servers(1+2*d.roll(2), fmt.Sprintf("c%d-", i)))
		}
		add("location", "cluster", node)
	default:
		add("location", "url", scalarNode(d.pick("redis://a", "${A}", "${A:-redis://b}", "rediss://u:${P}@h:1/2", "unix:///s\"`\\", "redis+sentinel://s1,${B}/m", "redis+sentinel://a,b:1/m/2", "redis+cluster://[::1]:7,${A:-b}", "${A:-redis://"+strings.NewReplacer("$", "", "}", "", "#", "").Replace(d.visible())+"}")))
	}
	for range d.roll(most) {
		duration := fmt.Sprintf("%d%s", 1+d.roll(200), d.pick("s", "m", "h", "00ms"))
		switch d.roll(16) {
		case 0:
			add("expiration", "expiration", plainNode(duration))
		case 1:
			add("expiration", "expiration_in_seconds", plainNode(fmt.Sprint(1+d.roll(250))))
		case 2:
			add("waiting", "wait", plainNode(d.pick("0", "forever", duration, "1ns", "2562047h47m16.854775806s")))
		case 3:
			add("waiting", "max_retry", plainNode(fmt.Sprint(d.roll(200)*d.roll(200)*d.roll(200))))
		case 4:
			add("retry_interval", "retry_interval", plainNode(fmt.Sprintf("%dms", 100+d.roll(200))))
		case 5:
			add("retry_jitter", "retry_jitter", plainNode(fmt.Sprintf("%dus", d.roll(256)*100)))
		case 6:
			add("drift_factor", "drift_factor", plainNode(d.pick("0", "0.1", "1e-300", "5e-324", "0.30000000000000004", fmt.Sprint(math.Ldexp(float64(d.roll(256)), -10)))))
		case 7:
			add("node_timeout", "node_timeout", plainNode(fmt.Sprintf("%dms", 1+d.roll(50))))
		case 8:
			add("pool_size", "pool_size", plainNode(fmt.Sprint(1+d.roll(256))))
		case 9:
			add("reconnection_interval", "reconnection_interval", plainNode(d.pick("1ms", "1500ms", "24h")))
		case 10:
			add("renew", "renew", plainNode(d.pick("true", "false")))
		case 11:
			add("max_hold", "max_hold", plainNode(d.pick("2h", "80000h")))
		case 12:
			add("fencing", "fencing", plainNode(d.pick("true", "false", "true")))
			if d.roll(2) == 0 {
				add("fencing_memory", "fencing_memory", plainNode(d.pick("forever", duration)))
			}
		case 13:
			add("restart_guard", "restart_guard", plainNode(d.pick("on", "off", "true")))
			add("replicas", "replicas", plainNode(d.pick("0", "1", "1000")))
		case 14:
			add("replicas", "replicas", plainNode("0"))
		case 15:
			if taken["fencing"] {
				add("fencing_memory", "fencing_memory", plainNode(d.pick("1s", "87600h")))
			}
		}
	}
}

// key is a key template of parameters, mostly well-formed, that begins with a text of its own.
func (d *dice) key(i int) string {
	var key strings.Builder
	fmt.Fprintf(&key, "%d:", i)
	for j := range d.roll(5) {
		name := d.pick("id", "type", "ctx", "m", "uuid", "time", "string", "accountID", "user_ids", "netip", "nil", "fn", "context", "x1", "param")
		if j > 0 {
			name += fmt.Sprint(j)
		}
		of := d.pick("string", "int", "int64", "uint64", "bool", "net/netip.Addr", "time.Month", "github.com/google/uuid.UUID",
			"github.com/gofrs/uuid/v5.UUID", "example.com/type.T", "gopkg.in/time.v3.Time", "x/context.Context", "mycompany/ids.ID",
			"math/rand/v2.Rand", "time.Duration", "example.com/go-2.x.T", "text/template.T", "html/template.T", "crypto/rand.R",
			mutexPath+".Nope", "a/b/c/mutex.M", "example.com/1.2/3.T", "V/v1.V", "example.com/uuid2.X", "go/types.Type")
		fmt.Fprintf(&key, "{%s:%s}%s", name, of, d.pick(":", "-", "/", "{{", "}}", "*/", "`", "\"", "\\", ":"+strings.NewReplacer("{", "{{", "}", "}}").Replace(d.visible())))
	}
	return key.String()
}
