package templates

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// changes are what makes no difference to the code.
var changes = map[string]func(random *rand.Rand, document *yaml.Node){
	"written anew":            func(*rand.Rand, *yaml.Node) {},
	"fields in another order": shuffleFields,
	"without comments": func(_ *rand.Rand, document *yaml.Node) {
		each(document, func(node *yaml.Node) { node.HeadComment, node.LineComment, node.FootComment = "", "", "" })
	},
	"with other comments": func(random *rand.Rand, document *yaml.Node) {
		each(document, func(node *yaml.Node) {
			if node.Kind != yaml.DocumentNode && node.Style&yaml.FlowStyle == 0 && random.IntN(3) == 0 {
				node.HeadComment = "# url: redis://elsewhere"
			}
		})
	},
	"in flow style": func(_ *rand.Rand, document *yaml.Node) {
		each(document, func(node *yaml.Node) {
			node.HeadComment, node.LineComment, node.FootComment = "", "", ""
			if node.Kind == yaml.MappingNode || node.Kind == yaml.SequenceNode {
				node.Style |= yaml.FlowStyle
			} else if node.ShortTag() == "!!null" {
				node.Value = "null" // which the library writes as an empty text else
			}
		})
	},
	"in double quotes": func(_ *rand.Rand, document *yaml.Node) {
		each(document, func(node *yaml.Node) {
			if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str" {
				node.Style = yaml.DoubleQuotedStyle
			}
		})
	},
}

func each(node *yaml.Node, do func(node *yaml.Node)) {
	do(node)
	for _, child := range node.Content {
		each(child, do)
	}
}

// shuffleFields puts the fields of each mapping in another order.
func shuffleFields(random *rand.Rand, document *yaml.Node) {
	each(document, func(node *yaml.Node) {
		if node.Kind != yaml.MappingNode {
			return
		}
		random.Shuffle(len(node.Content)/2, func(i, j int) {
			for offset := range 2 {
				a, b := &node.Content[2*i+offset], &node.Content[2*j+offset]
				*a, *b = *b, *a
			}
		})
	})
}

// Whoever tidies up a file sees no other code.
func TestWhatMakesNoDifferenceToTheDefinitionsMakesNoneToTheCode(t *testing.T) {
	files, err := filepath.Glob(scenarios + "/*/mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{}
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := rendered(t, source)
		if want == nil {
			continue
		}
		for name, change := range changes {
			changed := changedBy(t, change, source)
			if changed == nil {
				continue
			}
			tried[name]++
			if got := rendered(t, changed); !bytes.Equal(got, want) {
				t.Errorf("%s, %s:\n%s\nthe code was\n%.3000s\nit is\n%.3000s", path, name, changed, want, got)
			}
		}
	}
	for name := range changes {
		if tried[name] < 80 {
			t.Errorf("%s: only %d files", name, tried[name])
		}
	}
}

// changedBy is the changed text, or nil if it is none any more: aliases may stand before their anchors.
func changedBy(t *testing.T, change func(random *rand.Rand, document *yaml.Node), source []byte) []byte {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		t.Fatal(err)
	}
	change(rand.New(rand.NewPCG(1, uint64(len(source)))), &document)
	changed, err := yaml.Marshal(&document)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(changed))
	if err := decoder.Decode(&yaml.Node{}); err != nil {
		if !strings.Contains(err.Error(), "unknown anchor") {
			t.Fatalf("%v\n%s", err, changed)
		}
		return nil
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		t.Fatalf("%v\n%s", err, changed)
	}
	return changed
}

// rendered is the code, nil if the definitions are wrong.
func rendered(t *testing.T, source []byte) []byte {
	t.Helper()
	file, findings := definition.Parse("mutexes.yaml", source)
	if findings.HasErrors() {
		return nil
	}
	code, err := Render(file, "locks", "mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestLineEndingsMakeNoDifference(t *testing.T) {
	files, err := filepath.Glob(scenarios + "/*/mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := rendered(t, source)
		if want == nil || bytes.ContainsAny(source, "\r\ufeff") {
			continue
		}
		for name, change := range map[string]func(text string) string{
			"CRLF":                     func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") },
			"CR":                       func(text string) string { return strings.ReplaceAll(text, "\n", "\r") },
			"BOM":                      func(text string) string { return "\ufeff" + text },
			"no line break at the end": func(text string) string { return strings.TrimRight(text, "\n") },
		} {
			if got := rendered(t, []byte(change(string(source)))); !bytes.Equal(got, want) {
				t.Errorf("%s with %s:\n%.2000s", path, name, got)
			}
		}
	}
}
