package templates

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

var update = flag.Bool("update", false, "write what the scenarios give as what they are expected to give")

// A scenario is a folder with a mutexes.yaml and what is expected of it: in findings.txt what is said of it, and unless
// that is an error, in expected.go the code. Where the code needs packages that this module does not have, it is in
// uncompiled.go, and checked only with packages made up for it. To accept what the scenarios give now:
//
//	go test ./templates -run Scenario -update
const scenarios = "testdata/scenarios"

func TestScenarios(t *testing.T) {
	folders, err := os.ReadDir(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 300 {
		t.Fatalf("there are %d scenarios only", len(folders))
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			at := filepath.Join(scenarios, folder.Name())
			source, err := os.ReadFile(filepath.Join(at, "mutexes.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			file, findings := definition.Parse("mutexes.yaml", source)
			var said bytes.Buffer
			report := definition.Report{Sources: map[string][]byte{"mutexes.yaml": source}}
			if err := report.Write(&said, findings); err != nil {
				t.Fatal(err)
			}
			expect(t, filepath.Join(at, "findings.txt"), said.Bytes())

			var code []byte
			if !findings.HasErrors() {
				packageName := file.Package
				if packageName == "" {
					packageName = "locks"
				}
				if code, err = Render(file, packageName, "mutexes.yaml"); err != nil {
					t.Fatal(err)
				}
				checkCode(t, file, code)
			}
			name := "expected.go"
			if _, err := os.Stat(filepath.Join(at, "uncompiled.go")); err == nil {
				name = "uncompiled.go"
			}
			expect(t, filepath.Join(at, name), code)
		})
	}
}

// expect compares got with the file's content; there is no file where nothing is expected.
func expect(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		var err error
		if len(got) > 0 {
			err = os.WriteFile(path, got, 0o644)
		} else if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s should be\n%s\nit is\n%s", path, want, got)
	}
}

// TestTheExpectedCodeCompiles vets the code of all scenarios at once. Each folder is a package of this module, which the
// go command visits only when it is named, since it lies under testdata.
func TestTheExpectedCodeCompiles(t *testing.T) {
	files, err := filepath.Glob(scenarios + "/*/expected.go")
	if err != nil || len(files) < 120 {
		t.Fatalf("there are %d files of code only (%v)", len(files), err)
	}
	arguments := []string{"vet"}
	for _, file := range files {
		arguments = append(arguments, "./"+filepath.ToSlash(filepath.Dir(file)))
	}
	if output, err := exec.Command("go", arguments...).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, output)
	}
}
