package schematest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// compiled is the schema; compiling it checks it against that of draft-07.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(definition.Schema()))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaID, document); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaID)
})

func schemaOf(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := compiled()
	if err != nil {
		t.Fatalf("%#v", err)
	}
	return schema
}

// view is how a program that validates sees merge keys.
type view struct {
	name string
	// merges says what becomes of a mapping with a merge key: own are its fields, brought those that the key brings.
	merges func(merged any, own, brought map[string]any) map[string]any
}

var views = []view{
	{"merge keys as fields", func(merged any, own, _ map[string]any) map[string]any {
		own["<<"] = merged
		return own
	}},
	// The YAML language server resolves them, and the names of the fields are to it those that stand there.
	{"merge keys as an editor sees them", func(merged any, own, brought map[string]any) map[string]any {
		together := maps.Clone(brought)
		maps.Copy(together, own)
		together["<<"] = merged
		return together
	}},
	// Who resolves them as we do: a field gives way to one of its group.
	{"merge keys resolved", func(_ any, own, brought map[string]any) map[string]any {
		for name := range brought {
			f := fieldOf(name, definition.InMutex)
			if f == nil || f.OneOf == "" || !hasGroup(own, f.OneOf) {
				continue
			}
			if _, ok := own[name]; !ok {
				delete(brought, name)
			}
		}
		maps.Copy(brought, own)
		return brought
	}},
}

func hasGroup(mapping map[string]any, group string) bool {
	for name := range mapping {
		if f := fieldOf(name, definition.InMutex); f != nil && f.OneOf == group {
			return true
		}
	}
	return false
}

// seen is a document as a view has it. It is not ok if the text is no single document, or one that only grows in size when
// its aliases are resolved.
func (v view) seen(text []byte) (document any, ok bool) {
	all, err := documents(bytes.NewReader(bytes.TrimPrefix(text, []byte(byteOrderMark))))
	if err != nil || len(all) != 1 || len(all[0].Content) != 1 {
		return nil, false
	}
	budget := 20_000
	return v.node(all[0].Content[0], &budget)
}

func (v view) node(node *yaml.Node, budget *int) (any, bool) {
	if *budget--; *budget < 0 {
		return nil, false
	}
	switch node.Kind {
	case yaml.AliasNode:
		return v.node(node.Alias, budget)
	case yaml.SequenceNode:
		items := make([]any, len(node.Content))
		for i := range items {
			item, ok := v.node(node.Content[i], budget)
			if !ok {
				return nil, false
			}
			items[i] = item
		}
		return items, true
	case yaml.MappingNode:
		return v.mapping(node, budget)
	}
	return scalarValue(node), true
}

func (v view) mapping(node *yaml.Node, budget *int) (any, bool) {
	own := map[string]any{}
	brought := map[string]any{}
	var merged any
	var merges []any
	hasMerge := false
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		if name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		value, ok := v.node(node.Content[i+1], budget)
		if !ok || name.Kind != yaml.ScalarNode {
			return nil, false
		}
		if name.ShortTag() != "!!merge" {
			own[name.Value] = value
			continue
		}
		merged, hasMerge = value, true
		parts, ok := value.([]any)
		if !ok {
			parts = []any{value}
		}
		merges = append(merges, parts...)
	}
	for _, part := range slices.Backward(merges) { // the first one counts, also of several keys
		if from, ok := part.(map[string]any); ok {
			maps.Copy(brought, from)
		}
	}
	if hasMerge {
		return v.merges(merged, own, brought), true
	}
	return own, true
}

func scalarValue(node *yaml.Node) any {
	switch node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int", "!!float":
		number, err := strconv.ParseFloat(node.Value, 64)
		if err != nil {
			var decoded any
			_ = node.Decode(&decoded)
			switch decoded := decoded.(type) {
			case int:
				number = float64(decoded)
			case float64:
				number = decoded
			default:
				return node.Value
			}
		}
		if math.IsInf(number, 0) || math.IsNaN(number) {
			return node.Value
		}
		return number
	}
	return node.Value
}

// refusal says why a view of the text does not suit the schema; empty if all do.
func schemaRefusal(t testing.TB, text []byte) string {
	t.Helper()
	for _, v := range views {
		document, ok := v.seen(text)
		if !ok {
			continue
		}
		if err := schemaOf(t).Validate(document); err != nil {
			shown, _ := json.Marshal(document)
			return v.name + ": " + err.Error() + "\n" + string(shown)
		}
	}
	return ""
}
