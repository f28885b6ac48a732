package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestSchemaPrintsTheSchema(t *testing.T) {
	s := newSandbox(t, "")
	before := s.tree()
	if code := s.run("schema"); code != 0 || s.stderr.Len() > 0 || !bytes.Equal(s.stdout.Bytes(), definition.Schema()) {
		t.Errorf("exit code %d\n%s%.200s", code, &s.stderr, &s.stdout)
	}
	if after := s.tree(); after != before {
		t.Errorf("the folder became\n%s", after)
	}
}

func TestSchemaWritesAFile(t *testing.T) {
	for name, content := range map[string]string{
		"none":         "",
		"an older one": `{"$id": "https://github.com/mutexgen/mutexgen/mutexes.schema.json", "title": "from long ago"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "")
			if content != "" {
				s.write("editor/mutexes.schema.json", content)
			} else if err := os.Mkdir(s.path("editor"), 0o755); err != nil {
				t.Fatal(err)
			}
			s.succeed("schema", "-out", "editor/mutexes.schema.json")
			if got := s.read("editor/mutexes.schema.json"); got != string(definition.Schema()) {
				t.Errorf("the file holds\n%.200s", got)
			}
		})
	}
}

func TestASchemaThatIsUpToDateIsNotTouched(t *testing.T) {
	for name, content := range map[string]string{
		"as written":             string(definition.Schema()),
		"with ends of Windows's": strings.ReplaceAll(string(definition.Schema()), "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "")
			s.write("mutexes.schema.json", content)
			long := time.Now().Add(-time.Hour).Truncate(time.Second)
			if err := os.Chtimes(s.path("mutexes.schema.json"), long, long); err != nil {
				t.Fatal(err)
			}
			s.succeed("schema", "-out=mutexes.schema.json")
			info, err := os.Stat(s.path("mutexes.schema.json"))
			if err != nil || !info.ModTime().Equal(long) || s.read("mutexes.schema.json") != content {
				t.Errorf("it was written (%v)", err)
			}
		})
	}
}

func TestAFileThatIsNoSchemaOfOursIsNeverOverwritten(t *testing.T) {
	for name, content := range map[string]string{
		"another's":   `{"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/mutexes.schema.json"}`,
		"half of one": string(definition.Schema()[:500]),
		"empty":       "",
		"a person's":  "version: 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "")
			s.write("mutexes.schema.json", content)
			s.refuse([]string{"schema", "-out", "mutexes.schema.json"}, "mutexes.schema.json is not a file that mutexgen generated",
				"hint: name another file with -out")
		})
	}
}

func TestASchemaDoesNotReplaceGeneratedCode(t *testing.T) {
	s := newSandbox(t, one)
	s.succeed()
	s.refuse([]string{"schema", "-out", "mutexes_gen.go"}, "not a file that mutexgen generated")
}

func TestSchemaRefusesWrongUsage(t *testing.T) {
	s := newSandbox(t, "")
	s.refuse([]string{"schema", "mutexes.schema.json"}, `unexpected argument "mutexes.schema.json"`, "usage: mutexgen schema")
	s.refuse([]string{"schema", "-out", ""}, "-out needs the path of a file", "usage: mutexgen schema")
	s.refuse([]string{"schema", "-out"}, "flag needs an argument")
	s.refuse([]string{"schema", "-config", "mutexes.yaml"}, "flag provided but not defined")
	s.refuse([]string{"schema", "-out", "."}, "is not a file that could be written")
	s.refuse([]string{"schema", "-out", "missing/folder/x.json"}, "missing")
}

func TestSchemaSaysWhenItCannotBePrinted(t *testing.T) {
	var said bytes.Buffer
	e := environment{lookup: func(string) (string, bool) { return "", false }, stdout: fullDisk{}, stderr: &said}
	if code := e.run([]string{"schema"}); code != exitInvalid || !strings.Contains(said.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, &said)
	}
}
