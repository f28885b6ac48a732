package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const two = "version: 1\nmutexes:\n  - name: Two\n    url: redis://localhost\n    key: two\n"

const generateLine = "//go:generate go tool mutexgen\n"

// twoPackages is a module that has two packages with mutexes, one of them below the other, all up to date.
func twoPackages(t *testing.T) *sandbox {
	t.Helper()
	s := newSandbox(t, one)
	s.write("gen.go", "package locks\n\n"+generateLine)
	s.write("sub/conf/m.yaml", two)
	s.write("sub/gen.go", "package sub\n\n//go:generate go tool mutexgen -config conf/m.yaml -out m_gen.go\n")
	s.succeed()
	s.in("sub").succeed("-config", "conf/m.yaml", "-out", "m_gen.go")
	return s
}

// in is the sandbox with another folder as the current one.
func (s *sandbox) in(folder string) *sandbox {
	return &sandbox{t: s.t, dir: filepath.Join(s.dir, folder), variables: s.variables}
}

// find runs the command and expects the exit code, that all of what is wanted is printed on stdout, and that nothing changes.
func (s *sandbox) find(exit int, args []string, wanted ...string) {
	s.t.Helper()
	before := s.tree()
	if code := s.run(args...); code != exit {
		s.t.Errorf("mutexgen %q: exit code %d, not %d\n%s%s", args, code, exit, &s.stdout, &s.stderr)
	}
	for _, want := range wanted {
		if !strings.Contains(s.stdout.String(), want) {
			s.t.Errorf("mutexgen %q does not say\n%s\nit says\n%s", args, want, &s.stdout)
		}
	}
	if s.stderr.Len() > 0 {
		s.t.Errorf("mutexgen %q said on stderr: %s", args, &s.stderr)
	}
	if s.tree() != before {
		s.t.Errorf("mutexgen %q changed something", args)
	}
}

func TestCheckIsSilentWhereAllIsUpToDate(t *testing.T) {
	s := twoPackages(t)
	for _, args := range [][]string{{"check"}, {"check", "."}, {"check", "./..."}, {"check", "sub"}, {"check", "sub/...", "."},
		{"check", "-config", "mutexes.yaml"}, {"check", "-config", "sub/conf/m.yaml", "-out", "sub/m_gen.go"}, {"check", "-package", "locks"}} {
		s.succeed(args...)
	}
	s.in("sub").succeed("check")
	s.in("sub").succeed("check", "../...")
	s.find(0, []string{"check", "-format", "json"}, "{\n  \"findings\": []\n}\n")
}

func TestCheckFindsWhatIsStale(t *testing.T) {
	s := twoPackages(t)
	s.write("sub/conf/m.yaml", strings.ReplaceAll(two, "Two", "Three"))
	s.find(1, []string{"check"}, "sub/m_gen.go:", "it is not what sub/conf/m.yaml says now; this is the first difference\n",
		"\n  sub/gen.go:3:1: this line generates it\n", "\n  hint: run go generate ./...\n", "^\n")
	s.find(1, []string{"check", "-format", "github"}, "::error file=sub/m_gen.go,line=", ",title=mutexgen%3A stale::it is not what")
	s.find(1, []string{"check", "-format", "json"}, `"code": "stale"`)
	s.in("sub").find(1, []string{"check", "-config", "conf/m.yaml", "-out", "m_gen.go"}, "m_gen.go:", "hint: run mutexgen with the same flags\n")
	s.succeed("check", ".")
}

func TestCheckFindsWhatIsMissing(t *testing.T) {
	s := twoPackages(t)
	s.remove("sub/m_gen.go")
	s.remove("gen.go") // then nothing names mutexes.yaml, which is generated from all the same
	s.remove("mutexes_gen.go")
	s.find(1, []string{"check"}, "sub/m_gen.go: it has not been generated\n", "mutexes_gen.go: it has not been generated\n")
}

func TestCheckFindsWhatIsOrphaned(t *testing.T) {
	s := twoPackages(t)
	s.remove("sub/gen.go")
	s.find(1, []string{"check"}, "sub/m_gen.go: nothing here generates this file any more\n", "hint: delete it, or ")
	s.find(1, []string{"check", "sub"}, "sub/m_gen.go: nothing here")
	s.succeed("check", ".")
}

func TestCheckFindsDefinitionsThatAreWrong(t *testing.T) {
	s := twoPackages(t)
	s.write("mutexes.yaml", strings.Replace(one, "url:", "urls:", 1))
	s.write("sub/conf/m.yaml", two+"    wait: 1s\n") // stale as well, but that is less
	s.find(2, []string{"check"}, "mutexes.yaml:4:5: unknown field \"urls\"", "hint: here it is called", "sub/m_gen.go:")
	s.remove("mutexes.yaml")
	s.find(2, []string{"check"}, "there is no file mutexes.yaml", "sub/m_gen.go:")
	s.write("gen.go", "package locks\n\n//go:generate mutexgen -confg x\n")
	s.find(2, []string{"check"}, "gen.go:3:1: mutexgen would refuse this line: flag provided but not defined: -confg\n  //go:generate mutexgen -confg x\n")
}

func TestCheckShowsWarningsAndIsContent(t *testing.T) {
	s := newSandbox(t, strings.Replace(one, "redis://", "redis://:hunter2@", 1))
	s.run()
	s.find(0, []string{"check"}, "mutexes.yaml:4:", "warning: ")
	if strings.Contains(s.stdout.String(), "hunter2") {
		t.Errorf("it shows a password: %s", &s.stdout)
	}
}

func TestCheckFindsAFileThatIsGeneratedTwice(t *testing.T) {
	s := twoPackages(t)
	s.write("more.go", "package locks\n\n//go:generate go tool mutexgen -config sub/conf/m.yaml -out ./mutexes_gen.go\n")
	s.find(1, []string{"check"}, "more.go:3:1: mutexes_gen.go is generated twice\n", "  gen.go:3:1: the first one\n")
}

func TestTheSameContentFromTwoLinesIsNoConflict(t *testing.T) {
	s := twoPackages(t)
	s.write("gen_windows.go", "package locks\n\n//go:generate go tool mutexgen -out ./mutexes_gen.go\n")
	s.succeed("check")
	s.write("mutexes.yaml", strings.ReplaceAll(one, "One", "Three"))
	s.find(1, []string{"check"}, "mutexes_gen.go:", "it is not what mutexes.yaml says now")
	if said := s.stdout.String(); strings.Contains(said, "twice") || strings.Count(said, "it is not what") != 1 {
		t.Errorf("it says\n%s", said)
	}
	s.write("mutexes.yaml", "version: 1\nmutexes: 5\n")
	s.find(2, []string{"check"}, "mutexes.yaml:2:10: ")
}

func TestCheckDoesNotTakeAPersonsFileForGenerated(t *testing.T) {
	s := twoPackages(t)
	s.write("mutexes_gen.go", "package locks\n")
	s.find(1, []string{"check"}, "mutexes_gen.go:1:1: it is not a file that mutexgen generated\n", "hint: name another file with -out")
}

func TestLineEndingsOfWindowsAreNoDifference(t *testing.T) {
	s := twoPackages(t)
	for _, name := range []string{"mutexes_gen.go", "mutexes.yaml", "gen.go"} {
		s.write(name, strings.ReplaceAll(s.read(name), "\n", "\r\n"))
	}
	before := s.tree()
	s.succeed("check")
	s.succeed("diff")
	s.succeed()
	if s.tree() != before {
		t.Error("generating changed line endings alone")
	}
}

func TestCheckRefusesToFindNothing(t *testing.T) {
	s := newSandbox(t, "")
	s.write("x.go", "package locks\n")
	s.find(2, []string{"check"}, "there are no definitions and no generated files in ./...", "hint: run it in the folder of the module")
	s.find(2, []string{"check", "nowhere"}, "look for what is generated: ", "no such file or directory")
	s.find(2, []string{"check", "-config", "nowhere.yaml"}, "there is no file nowhere.yaml")
}

func TestTheFirstDifferenceIsAPlaceInTheFile(t *testing.T) {
	for _, c := range []struct {
		have, want   string
		line, column int
	}{
		{"a\nb\n", "a\nc\n", 2, 1}, {"a\nbä\n", "a\nbö\n", 2, 2}, {"a\n", "a\nb\n", 2, 1}, {"", "a", 1, 1}, {"a\nb", "a\n", 2, 1},
		{"a\r\nb", "a\nc", 2, 1}, {"äö", "äü", 1, 2}, {"\xff\xfe", "\xff\xff", 1, 2}, {"a", "b", 1, 1},
	} {
		if got := firstDifference([]byte(c.have), []byte(c.want)); got.Line != c.line || got.Column != c.column {
			t.Errorf("%q and %q differ first at %v", c.have, c.want, got)
		}
	}
}

func TestAnAnnotationNamesTheFileFromTheRootOfTheRepository(t *testing.T) {
	s := twoPackages(t)
	s.write("sub/conf/m.yaml", "version: 1\nmutexes: 5\n")
	s.variables["GITHUB_WORKSPACE"] = s.dir
	s.in("sub").find(2, []string{"check", "-format", "github"}, "::error file=sub/conf/m.yaml,line=2,col=10,")
	s.variables["GITHUB_WORKSPACE"] = s.path("elsewhere")
	s.in("sub").find(2, []string{"check", "-format", "github"}, "::error file=conf/m.yaml,line=2,col=10,")
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	e := environment{lookup: func(string) (string, bool) { return "", false }}
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if e.colours(file) || e.colours(null) || e.colours(&strings.Builder{}) {
		t.Error("a file, nothing, or a buffer takes colours")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Logf("there are no terminals here: %v", err)
		return
	}
	defer terminal.Close()
	for variables, want := range map[[2]string]bool{{"", ""}: true, {"NO_COLOR", "1"}: false, {"NO_COLOR", ""}: true, {"TERM", "dumb"}: false, {"TERM", "xterm"}: true} {
		e.lookup = func(name string) (string, bool) {
			if name == variables[0] {
				return variables[1], true
			}
			return "", false
		}
		if got := e.colours(terminal); got != want {
			t.Errorf("with %s=%s a terminal takes colours: %v", variables[0], variables[1], got)
		}
	}
}

func TestAFolderWithoutANameIsRefused(t *testing.T) {
	newSandbox(t, one).refuse([]string{"check", ".", ""}, "the folder's name is empty")
}
