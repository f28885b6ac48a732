package main

import (
	"os"
	"strings"
	"testing"
)

// newModule is a sandbox in which the folder `locks` lies in a module.
func newModule(t *testing.T, goMod string) *sandbox {
	t.Helper()
	s := newSandbox(t, "")
	s.write("../go.mod", "module example.com/app\n\ngo 1.26\n"+goMod)
	return s
}

// begin runs init and expects that it works.
func (s *sandbox) begin(args ...string) string {
	s.t.Helper()
	if code := s.run(append([]string{"init"}, args...)...); code != 0 || s.stderr.Len() > 0 {
		s.t.Fatalf("mutexgen init %q: exit code %d\n%s", args, code, &s.stderr)
	}
	return s.stdout.String()
}

func TestInitWritesAllThatGoGenerateNeeds(t *testing.T) {
	s := newModule(t, "")
	said := s.begin()
	for _, want := range []string{"wrote\n  mutexes.yaml\n  mutexes.schema.json\n  gen.go\n  mutexes_gen.go\n", "\n  go get -tool " + commandPath + "\n",
		"\n  go mod tidy\n", "import \"example.com/app/locks\"\n", "mutexes, err := locks.Open()", "go generate ./...", "go tool mutexgen check\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if code := s.read("gen.go"); code != "// Package locks holds the mutexes of this application, which mutexes.yaml defines.\npackage locks\n\n"+
		"//go:generate go tool mutexgen\n//go:generate go tool mutexgen schema -out mutexes.schema.json\n" {
		t.Errorf("gen.go is\n%s", code)
	}
	if !strings.HasPrefix(s.read("mutexes.yaml"), "# yaml-language-server: $schema=mutexes.schema.json\n") {
		t.Errorf("editors are not told of the schema:\n%s", s.read("mutexes.yaml"))
	}
	s.succeed("check")
	s.succeed("diff")
	s.succeed()
}

func TestInitNamesTheImportPathAlsoBehindALink(t *testing.T) {
	s := newModule(t, "")
	if err := os.Symlink(s.path(".."), s.path("../../linked")); err != nil {
		t.Skip(err)
	}
	s.dir = s.path("../../linked")
	for _, folder := range []string{"locks", "deep/new"} {
		if said := s.begin(folder); !strings.Contains(said, "import \"example.com/app/"+folder+"\"\n") {
			t.Errorf("in %s it says\n%s", folder, said)
		}
	}
}

func TestInitRefusesAFolderThatTheGoCommandWouldNotTake(t *testing.T) {
	for _, folder := range []string{"my locks", "größe", "a/b:c/d"} {
		newModule(t, "").refuse([]string{"init", "-package", "locks", folder}, "the go command accepts no package in a folder with", "hint: ")
	}
}

func TestInitRefusesAFolderThatGoGenerateLeavesOut(t *testing.T) {
	for _, folder := range []string{"testdata", "vendor/locks", "_locks", "x/.locks/y", "node_modules"} {
		newModule(t, "").refuse([]string{"init", "-package", "locks", folder}, "go generate ./... would not see it", "hint: ")
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	for _, name := range []string{"mutexes.yaml", "mutexes.schema.json", "gen.go", "mutexes_gen.go"} {
		s := newModule(t, "")
		s.write(name, "")
		s.refuse([]string{"init"}, "nothing was written: "+name+" is there already", "hint: ")
	}
	s := newModule(t, "")
	if err := os.Symlink("nowhere", s.path("gen.go")); err != nil {
		t.Fatal(err)
	}
	s.write("mutexes.yaml", "")
	s.refuse([]string{"init"}, "nothing was written: mutexes.yaml, gen.go are there already", "hint: ")
}

func TestInitLeavesNothingHalfDone(t *testing.T) {
	if os.Geteuid() != 0 {
		s := newModule(t, "")
		s.write("closed/x", "")
		if err := os.Chmod(s.path("closed"), 0o555); err != nil {
			t.Fatal(err)
		}
		s.refuse([]string{"init", "closed/locks"}, "permission denied")
	}
	b := &beginning{invocation: environment{dir: t.TempDir()}.invoke("init"), folder: "deep/locks"}
	err := b.write([]scaffold{{"a", []byte("a")}, {"b/not-there", nil}})
	if err == nil {
		t.Error("a file was created in a folder that is not there")
	}
	if entries, _ := os.ReadDir(b.dir); len(entries) > 0 {
		t.Errorf("there is still %v", entries)
	}
}

func TestInitTakesAFolder(t *testing.T) {
	s := newModule(t, "tool "+commandPath+"\n")
	said := s.begin("-package", "mutexes", "deep/my-locks")
	if !strings.Contains(said, "wrote\n  deep/my-locks/mutexes.yaml\n") || !strings.Contains(said, "import \"example.com/app/locks/deep/my-locks\"") ||
		!strings.Contains(said, "locks, err := mutexes.Open()") || strings.Contains(said, "go get -tool") {
		t.Errorf("it says\n%s", said)
	}
	if code := s.read("deep/my-locks/mutexes_gen.go"); !strings.Contains(code, "\npackage mutexes\n") {
		t.Errorf("the package is another:\n%.300s", code)
	}
	s.succeed("check")
	absolute := s.path("absolute")
	s.begin(absolute)
	s.succeed("check", absolute)
}

func TestInitJoinsThePackageThatIsThere(t *testing.T) {
	s := newModule(t, "")
	s.write("main_test.go", "package main_test\n")
	s.write("a_tool.go", "//go:build ignore\n\npackage tool\n")
	s.write("b_nowhere.go", "//go:build nowhere\n\npackage nowhere\n")
	s.write("_c.go", "package c\n")
	s.write("main.go", "// Command app does it.\npackage main\n\nfunc main() {}\n")
	if said := s.begin(); strings.Contains(said, "import ") || !strings.Contains(said, "locks, err := Open()") {
		t.Errorf("it says\n%s", said)
	}
	if code := s.read("gen.go"); !strings.HasPrefix(code, "package main\n") {
		t.Errorf("gen.go is\n%s", code)
	}
	s.succeed("check")
}

func TestInitRefusesWhereItCannotBegin(t *testing.T) {
	s := newSandbox(t, "")
	s.refuse([]string{"init"}, "this folder is not in a Go module", "hint: create one first: go mod init")
	s = newModule(t, "")
	s.write("file", "")
	s.write("type/x", "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"init", "file"}, "file is not a folder"},
		{[]string{"init", "file/sub"}, "is not a folder"},
		{[]string{"init", "type"}, "the folder type does not tell what the package should be called\n  hint: name it with -package"},
		{[]string{"init", "-package", "func"}, "cannot be the name of a Go package"},
		{[]string{"init", ""}, "the folder's name is empty"},
		{[]string{"init", "a", "b"}, "unexpected argument \"b\""},
		{[]string{"init", "-config", "x"}, "flag provided but not defined: -config"},
	} {
		s.refuse(c.args, c.want)
	}
	s.write("../go.mod", "module (\n")
	s.refuse([]string{"init"}, "go.mod:")
}

func TestWhatInitWritesIsFormatted(t *testing.T) {
	s := newModule(t, "")
	s.begin()
	s.command("sh", "-c", "test -z \"$(gofmt -l .)\"")
	if strings.Contains(s.read("mutexes.yaml"), "\t") {
		t.Error("mutexes.yaml has tabs")
	}
}
