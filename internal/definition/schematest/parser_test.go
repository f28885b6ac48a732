package schematest

import (
	"errors"
	"io"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// What the schema says of itself.
const (
	schemaID  = "https://github.com/mutexgen/mutexgen/mutexes.schema.json"
	reference = "https://github.com/mutexgen/mutexgen/blob/main/docs/configuration.md#"
)

const (
	oneLocation   = "location"
	byteOrderMark = "\uFEFF"
)

var fields = definition.Fields()

// fieldOf finds a field by name among those that may stand in place.
func fieldOf(name string, place definition.Place) *definition.Field {
	for i := range fields {
		if fields[i].Name == name && fields[i].In&place != 0 {
			return &fields[i]
		}
	}
	return nil
}

// accepted expects that the parser has nothing to say.
func accepted(t *testing.T, text string) {
	t.Helper()
	if file, findings := definition.Parse("mutexes.yaml", []byte(text)); file == nil || len(findings) > 0 {
		t.Fatalf("not accepted without findings:\n%s\n%v", text, findings)
	}
}

// documents reads all YAML documents. The library panics on some inputs.
func documents(in io.Reader) (all []*yaml.Node, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = errors.New("this text cannot be read")
		}
	}()
	for decoder := yaml.NewDecoder(in); ; {
		document := new(yaml.Node)
		if err := decoder.Decode(document); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, document)
	}
}
