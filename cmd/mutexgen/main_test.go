package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// shared is a folder for what several tests need.
var shared string

func TestMain(m *testing.M) {
	var err error
	if shared, err = os.MkdirTemp("", "mutexgen-test"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(exit int) {
		os.RemoveAll(shared)
		os.Exit(exit)
	}))
}

// sandbox is a folder to run the command in.
type sandbox struct {
	t              *testing.T
	dir            string
	variables      map[string]string
	stdout, stderr bytes.Buffer
}

const one = "version: 1\nmutexes:\n  - name: One\n    url: redis://localhost\n    key: one\n"

// newSandbox has a folder called `locks` as the current one, with the definitions in it unless they are empty.
func newSandbox(t *testing.T, definitions string) *sandbox {
	t.Helper()
	s := &sandbox{t: t, dir: filepath.Join(t.TempDir(), "locks"), variables: map[string]string{}}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if definitions != "" {
		s.write("mutexes.yaml", definitions)
	}
	return s
}

func (s *sandbox) run(args ...string) int {
	s.t.Helper()
	s.stdout.Reset()
	s.stderr.Reset()
	lookup := func(name string) (string, bool) {
		value, ok := s.variables[name]
		return value, ok
	}
	return environment{dir: s.dir, lookup: lookup, stdout: &s.stdout, stderr: &s.stderr}.run(args)
}

// succeed runs the command and expects that it has nothing to say.
func (s *sandbox) succeed(args ...string) {
	s.t.Helper()
	if code := s.run(args...); code != 0 || s.stdout.Len()+s.stderr.Len() > 0 {
		s.t.Fatalf("mutexgen %q: exit code %d\n%s%s", args, code, &s.stdout, &s.stderr)
	}
}

// refuse runs the command and expects that it exits with 2, says what is wanted, and changes nothing.
func (s *sandbox) refuse(args []string, wanted ...string) {
	s.t.Helper()
	before := s.tree()
	if code := s.run(args...); code != 2 {
		s.t.Errorf("mutexgen %q: exit code %d, not 2\n%s", args, code, &s.stderr)
	}
	for _, want := range wanted {
		if !strings.Contains(s.stderr.String(), want) {
			s.t.Errorf("mutexgen %q does not say %q:\n%s", args, want, &s.stderr)
		}
	}
	if after := s.tree(); after != before {
		s.t.Errorf("mutexgen %q changed the folder from\n%s\nto\n%s", args, before, after)
	}
	if s.stdout.Len() > 0 {
		s.t.Errorf("mutexgen %q printed an error on stdout: %s", args, &s.stdout)
	}
}

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sandbox) write(name, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) read(name string) string {
	s.t.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}

func (s *sandbox) remove(name string) {
	s.t.Helper()
	if err := os.Remove(s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

// command runs another command in the current folder.
func (s *sandbox) command(name string, args ...string) {
	s.t.Helper()
	command := exec.Command(name, args...)
	command.Dir = s.dir
	if output, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, args, err, output)
	}
}

// tree is everything in and around the current folder, with contents.
func (s *sandbox) tree() string {
	s.t.Helper()
	var tree strings.Builder
	err := filepath.Walk(filepath.Dir(s.dir), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		tree.WriteString(path + " " + info.Mode().String())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			tree.WriteString(" " + string(content))
		}
		tree.WriteString("\n")
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return tree.String()
}

func TestTheManualsYAMLWorks(t *testing.T) {
	s := newSandbox(t, "")
	if s.run("-h"); !strings.Contains(s.stdout.String(), "\tversion: 1\n") {
		t.Fatalf("the manual has no YAML:\n%s", &s.stdout)
	}
	_, yaml, _ := strings.Cut(s.stdout.String(), "\tversion: 1\n")
	yaml, _, _ = strings.Cut(yaml, "\n\n")
	s.write("mutexes.yaml", "version: 1\n"+strings.ReplaceAll(strings.ReplaceAll(yaml, "\n\t", "\n"), "\tmutexes", "mutexes")+"\n")
	s.succeed()
}

func TestTheVersionIsThatOfTheModule(t *testing.T) {
	for _, name := range []string{"-version", "--version", "version"} {
		s := newSandbox(t, "")
		if code := s.run(name); code != 0 || !strings.HasPrefix(s.stdout.String(), "mutexgen ") || s.stderr.Len() > 0 {
			t.Errorf("mutexgen %s: exit code %d, %s%s", name, code, &s.stdout, &s.stderr)
		}
	}
	output, err := exec.Command("go", "run", ".", "-version").Output()
	if version := strings.Fields(string(output)); err != nil || len(version) != 3 || version[2] != runtime.Version() {
		t.Errorf("the built command says %s (%v)", output, err)
	}
}

func TestWrongUsageIsRefused(t *testing.T) {
	s := newSandbox(t, one)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"frobnicate"}, `there is no subcommand "frobnicate"`},
		{[]string{"chekc"}, "there is no subcommand \"chekc\"\n  hint: did you mean check?\n"},
		{[]string{"help", "chekc"}, "hint: did you mean check?\n"},
		{[]string{"check", "-confg", "x"}, "flag provided but not defined: -confg\n  hint: did you mean -config?\n"},
		{[]string{"check", "-format", "xml"}, "there is no format \"xml\"\n  hint: -format is one of text, json, github\n"},
		{[]string{"check", "-config", "mutexes.yaml", "sub"}, "unexpected argument \"sub\""},
		{[]string{"mutexes.yaml"}, `there is no subcommand "mutexes.yaml"`},
		{[]string{""}, `there is no subcommand ""`},
		{[]string{"-frobnicate"}, "flag provided but not defined: -frobnicate"},
		{[]string{"-config"}, "flag needs an argument: -config"},
		{[]string{"-config", ""}, "-config needs the path of a file"},
		{[]string{"-out="}, "-out needs the path of a file"},
		{[]string{"-package", "x", "mutexes.yaml"}, `unexpected argument "mutexes.yaml"`},
		{[]string{"generate", "more"}, `unexpected argument "more"`},
		{[]string{"-config", "mutexes.yaml", "generate"}, `unexpected argument "generate"`},
		{[]string{"-config", "mutexes.yaml", "check"}, "unexpected argument \"check\"\n  hint: the subcommand goes first: mutexgen check\n"},
	} {
		s.refuse(c.args, c.want, "usage:", " -h prints the manual\n")
	}
}
