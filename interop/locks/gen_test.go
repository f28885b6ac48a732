package locks

import (
	"bytes"
	"os"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/templates"
)

func TestTheGeneratedFileIsWhatMutexesYAMLSays(t *testing.T) {
	const config = "../mutexes.yaml"
	source, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	file, findings := definition.Parse(config, source)
	if len(findings) > 0 {
		var said bytes.Buffer
		definition.Report{Sources: map[string][]byte{config: source}}.Write(&said, findings)
		t.Fatal(said.String())
	}
	want, err := templates.Render(file, file.Package, "mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("mutexes_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("mutexes_gen.go is out of date: run go generate ./...")
	}
}
