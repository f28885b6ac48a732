package compat

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

var update = flag.Bool("update", false, "write what the scenarios give as what they are expected to give")

// TestScenarios compares the old.yaml and the new.yaml of each folder in testdata. findings.txt is what a user reads. To
// accept what the scenarios give now: go test ./internal/compat -run Scenarios -update
func TestScenarios(t *testing.T) {
	folders, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 50 {
		t.Fatalf("there are %d scenarios only", len(folders))
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			at := filepath.Join("testdata", folder.Name())
			source := readFile(t, filepath.Join(at, "new.yaml"))
			before := version(t, "main:mutexes.yaml", readFile(t, filepath.Join(at, "old.yaml")))
			after := version(t, "mutexes.yaml", source)
			var out strings.Builder
			report := definition.Report{Sources: map[string][]byte{"mutexes.yaml": []byte(source)}}
			if err := report.Write(&out, Compare(before, after)); err != nil {
				t.Fatal(err)
			}
			harmless := strings.HasPrefix(folder.Name(), "harmless-") || folder.Name() == "nothing-changed"
			if (out.Len() == 0) != harmless {
				t.Errorf("its name does not say what it gives:\n%s", out.String())
			}
			expected := filepath.Join(at, "findings.txt")
			if *update {
				if err := os.WriteFile(expected, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := readFile(t, expected); out.String() != want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), want)
			}
		})
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// version parses definitions, in which there must be no error.
func version(t testing.TB, name, source string) Version {
	t.Helper()
	file, findings := definition.Parse(name, []byte(source))
	if file == nil {
		t.Fatalf("%s: %+v", source, findings)
	}
	return Version{name, file}
}
