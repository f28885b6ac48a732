package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compat runs the subcommand, and expects the exit code, that all of what is wanted is printed on stdout, and that no file changes.
func (s *sandbox) compat(exit int, args []string, wanted ...string) {
	s.t.Helper()
	before := s.tree()
	s.stdout.Reset()
	s.stderr.Reset()
	lookup := func(name string) (string, bool) {
		value, ok := s.variables[name]
		return value, ok
	}
	e := environment{dir: s.dir, lookup: lookup, stdout: &s.stdout, stderr: &s.stderr}
	if code := e.compat(args); code != exit {
		s.t.Errorf("mutexgen compat %q: exit code %d, not %d\n%s%s", args, code, exit, &s.stdout, &s.stderr)
	}
	for _, want := range wanted {
		if !strings.Contains(s.stdout.String(), want) {
			s.t.Errorf("mutexgen compat %q does not say\n%s\nit says\n%s", args, want, &s.stdout)
		}
	}
	if len(wanted) == 0 && s.stdout.Len() > 0 {
		s.t.Errorf("mutexgen compat %q says\n%s", args, &s.stdout)
	}
	if s.stderr.Len() > 0 {
		s.t.Errorf("mutexgen compat %q said on stderr: %s", args, &s.stderr)
	}
	if s.tree() != before {
		s.t.Errorf("mutexgen compat %q changed something", args)
	}
}

// inGit is a sandbox in the folder `locks` of a git repository, with its definitions committed.
func inGit(t *testing.T, definitions string) *sandbox {
	t.Helper()
	for name, value := range map[string]string{"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com"} {
		t.Setenv(name, value)
	}
	s := newSandbox(t, definitions)
	s.git("-c", "init.defaultBranch=main", "init", "-q", "..")
	s.commit()
	return s
}

func (s *sandbox) git(args ...string) {
	s.t.Helper()
	command := exec.Command("git", args...)
	command.Dir = s.dir
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

func (s *sandbox) commit() {
	s.t.Helper()
	s.git("add", "-A", ":/")
	s.git("commit", "-q", "--allow-empty", "-m", "one")
}

const keyChanged = "version: 1\nmutexes:\n  - name: One\n    url: redis://localhost\n    key: other\n"

func TestCompatIsSilentWhereNothingChanged(t *testing.T) {
	s := inGit(t, one)
	s.write("mutexes.yaml", "# a comment\n"+one)
	s.write("old.yaml", one)
	for _, against := range []string{"main", "HEAD", "main:locks/mutexes.yaml", "main:./mutexes.yaml", "refs/heads/main", "old.yaml",
		"./old.yaml", s.path("old.yaml")} {
		s.compat(0, []string{"-against", against})
	}
	s.compat(0, []string{"-against", "main", "-format", "json"}, "{\n  \"findings\": []\n}\n")
}

func TestCompatExitsWithOneOnABreak(t *testing.T) {
	s := inGit(t, one)
	s.write("mutexes.yaml", keyChanged)
	s.compat(1, []string{"-against", "main"}, "mutexes.yaml:5:10: One: the key is \"other\" now: ",
		"\n      key: other\n           ^\n  main:locks/mutexes.yaml:5:10: before: key \"one\"\n  hint: ")
	s.write("old.yaml", one)
	s.compat(1, []string{"-against", "old.yaml"}, "\n  old.yaml:5:10: before: key \"one\"\n")
	s.compat(1, []string{"-against=main", "-format", "github"}, "::error file=mutexes.yaml,line=5,col=10,title=mutexgen%3A key-changed::One: ")
	s.compat(1, []string{"-against", "main", "-format", "json"}, `"code": "key-changed"`)
	var out struct {
		Findings []struct {
			Related []struct{ File string }
		}
	}
	if err := json.Unmarshal(s.stdout.Bytes(), &out); err != nil || out.Findings[0].Related[0].File != "main:locks/mutexes.yaml" {
		t.Errorf("%v: %s", err, &s.stdout)
	}
}

func TestCompatExitsWithZeroOnWarnings(t *testing.T) {
	s := inGit(t, one+"    expiration: 1h\n")
	s.write("mutexes.yaml", one+"    expiration: 1m\n")
	s.compat(0, []string{"-against", "main"}, "mutexes.yaml:6:17: warning: One: a lock expires after 1m instead of 1h\n")
	s.write("mutexes.yaml", two)
	s.compat(0, []string{"-against", "main"}, "mutexes.yaml: warning: One: it is dropped: ", "\n  main:locks/mutexes.yaml:3:11: before: One\n")
}

// TestCompatDoesNotRepeatWhatCheckSays also looks for a password in a line that no report may show.
func TestCompatDoesNotRepeatWhatCheckSays(t *testing.T) {
	secret := "version: 1\nmutexes:\n  - {name: One, key: one, url: \"redis://u:hun\\x74er2@a\"}\n"
	s := inGit(t, secret)
	s.compat(0, []string{"-against", "main"})
	s.write("mutexes.yaml", strings.Replace(secret, "key: one", "key: other", 1))
	for _, format := range []string{"text", "json", "github"} {
		s.compat(1, []string{"-against", "main", "-format", format}, "One: the key is ")
		if said := s.stdout.String(); strings.Contains(said, "er2") || strings.Contains(said, "password") {
			t.Errorf("it says\n%s", said)
		}
	}
	s.write("old.yaml", strings.Replace(secret, "key: one", "key: ''", 1))
	s.compat(2, []string{"-against", "old.yaml"}, "old.yaml:3:23: the key is empty\n")
	if said := s.stdout.String(); strings.Contains(said, "er2") {
		t.Errorf("it says\n%s", said)
	}
}

func TestCompatRefusesInvalidDefinitions(t *testing.T) {
	s := inGit(t, strings.Replace(one, "url:", "urls:", 1))
	s.compat(2, []string{"-against", "main"}, "mutexes.yaml:4:5: unknown field")
	if strings.Contains(s.stdout.String(), "main") {
		t.Errorf("the older ones are looked at:\n%s", &s.stdout)
	}
	s.write("mutexes.yaml", one)
	s.compat(2, []string{"-against", "main"}, "main:locks/mutexes.yaml:4:5: unknown field", "\n      urls: redis://localhost\n",
		"mutexgen: the definitions of before are invalid: ")
	s.remove("mutexes.yaml")
	s.compat(2, []string{"-against", "main"}, "mutexgen: there is no file mutexes.yaml\n")
}

func TestCompatFindsTheFileFromAnyFolder(t *testing.T) {
	s := inGit(t, one)
	s.write("mutexes.yaml", keyChanged)
	s.write("sub/deep/x", "")
	s.in("..").compat(1, []string{"-against", "main", "-config", "locks/mutexes.yaml"},
		"locks/mutexes.yaml:5:10: One: ", "main:locks/mutexes.yaml:5:10: before")
	s.in("sub/deep").compat(1, []string{"-against", "main", "-config", "../../mutexes.yaml"}, "main:locks/mutexes.yaml:5:10: before")
	s.compat(1, []string{"-against", "main", "-config", s.path("mutexes.yaml")}, "main:locks/mutexes.yaml:5:10: before")
	outside := newSandbox(t, "")
	outside.compat(1, []string{"-against", "main", "-config", s.path("mutexes.yaml")}, "main:locks/mutexes.yaml:5:10: before")
	if err := os.Symlink(s.path("mutexes.yaml"), outside.path("link.yaml")); err != nil {
		t.Skip(err)
	}
	outside.compat(1, []string{"-against", "main", "-config", "link.yaml"}, "link.yaml:5:10: One: ", "main:locks/mutexes.yaml:5:10: before")

	s.git("worktree", "add", "-q", "../tree")
	s.in("../tree/locks").compat(0, []string{"-against", "main"})
	s.in("../tree/locks").write("mutexes.yaml", keyChanged)
	s.in("../tree/locks").compat(1, []string{"-against", "main"}, "main:locks/mutexes.yaml:5:10: before")
}

func TestCompatKnowsEveryKindOfRef(t *testing.T) {
	s := inGit(t, one)
	s.git("tag", "-a", "-m", "x", "v1")
	s.git("tag", "light")
	s.git("branch", "feature/x")
	s.write("mutexes.yaml", keyChanged)
	s.commit()
	for _, ref := range []string{"v1", "light", "feature/x", "HEAD~1", "HEAD^", "main~", "main@{1}", "v1:locks/mutexes.yaml"} {
		s.compat(1, []string{"-against", ref}, "5:10: before: key \"one\"")
	}
	s.git("clone", "-q", "..", "../clone")
	clone := s.in("../clone/locks")
	clone.git("checkout", "-q", "-b", "mine")
	clone.git("branch", "-q", "-D", "main")
	clone.compat(0, []string{"-against", "origin/main"})
	clone.compat(2, []string{"-against", "main"}, "mutexgen: \"main\" is neither a file nor a git ref\n  hint: did you mean origin/main?\n")
}

func TestCompatFollowsAFileThatMoved(t *testing.T) {
	s := inGit(t, one)
	s.write("../new/mutexes.yaml", keyChanged)
	moved := s.in("../new")
	moved.compat(0, []string{"-against", "main"}, "mutexes.yaml: warning: main does not have this file: there is nothing to compare it with\n")
	s.remove("mutexes.yaml")
	moved.compat(2, []string{"-against", "main"},
		"mutexgen: there is no file new/mutexes.yaml at main, but locks/mutexes.yaml, which is gone now\n",
		"hint: if it was moved, compare with that: -against main:locks/mutexes.yaml\n")
	for _, against := range []string{"main:locks/mutexes.yaml", "main:../locks/mutexes.yaml"} {
		moved.compat(1, []string{"-against", against}, "  main:locks/mutexes.yaml:5:10: before: key \"one\"\n")
	}
	moved.compat(2, []string{"-against", "main:mutexes.yaml"}, "mutexgen: there is no file mutexes.yaml at main\n  hint: did you mean main:locks/mutexes.yaml?\n")
	moved.compat(2, []string{"-against", "main:nowhere.yaml"}, "mutexgen: there is no file nowhere.yaml at main\n  hint: a path is ")
	moved.compat(2, []string{"-against", "main:locks"}, "mutexgen: read main:locks: git: ")
}

func TestCompatSaysWhatIsWrongWithARef(t *testing.T) {
	s := inGit(t, one)
	for _, ref := range []string{"nowhere", "nowhere:mutexes.yaml", "old.yaml", ":mutexes.yaml", "main:", "--all", "--output=x", "-h", "main --", "\x01", "ma*n", "@{99}"} {
		s.compat(2, []string{"-against=" + ref}, "is neither a file nor a git ref\n")
	}
	s.compat(2, []string{"-against", "./old.yaml"}, "mutexgen: there is no file ./old.yaml\n")
	s.compat(2, []string{"-against", ".."}, "mutexgen: .. is a folder\n")
	s.write("sub/x", "")
	s.compat(2, []string{"-against", "sub"}, "mutexgen: \"sub\" is a folder, and no git ref\n")

	s.write("main", one)
	s.compat(2, []string{"-against", "main"}, "mutexgen: main is a file, and a git ref as well\n  hint: write ./main for the file, ")
	s.compat(0, []string{"-against", "./main"})
	s.compat(0, []string{"-against", "refs/heads/main"})
	s.remove("main")
	s.write("main/mutexes.yaml", one) // a folder is no file with definitions
	s.compat(0, []string{"-against", "main"})

	s.commit()
	s.commit()
	s.git("clone", "-q", "--depth", "1", "file://"+filepath.Dir(s.dir), "../shallow")
	s.in("../shallow/locks").compat(2, []string{"-against", "HEAD~1"}, "hint: the clone is shallow ", "fetch-depth: 0")
	s.in("../shallow/locks").compat(0, []string{"-against", "HEAD"})
}

func TestCompatWithoutARepository(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(os.TempDir()))
	s := newSandbox(t, one)
	s.write("old.yaml", one)
	s.write("main", keyChanged)
	s.compat(2, []string{"-against", "HEAD"}, "mutexgen: the definitions are in no git repository, ", "hint: name a file: ")
	s.compat(0, []string{"-against", "old.yaml"})
	s.compat(1, []string{"-against", "main"}, "  main:5:10: before: key \"other\"\n")
}

func TestCompatWithoutGit(t *testing.T) {
	s := inGit(t, one)
	s.write("old.yaml", one)
	t.Setenv("PATH", t.TempDir())
	s.compat(2, []string{"-against", "main"}, "mutexgen: git is not installed, which a ref needs\n  hint: ")
	s.compat(0, []string{"-against", "old.yaml"})
}

// TestCompatWorksInAHook sets what git sets for those.
func TestCompatWorksInAHook(t *testing.T) {
	s := inGit(t, one)
	s.write("mutexes.yaml", keyChanged)
	t.Setenv("GIT_DIR", ".git")
	t.Setenv("GIT_INDEX_FILE", ".git/index")
	t.Setenv("GIT_PREFIX", "locks/")
	s.compat(1, []string{"-against", "main"}, "main:locks/mutexes.yaml:5:10: before")
}

func TestCompatNeedsToKnowAgainstWhat(t *testing.T) {
	s := newSandbox(t, one)
	lookup := func(string) (string, bool) { return "", false }
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "mutexgen compat: -against is missing\n  hint: name a git ref, "},
		{[]string{"-against", ""}, "mutexgen compat: -against is missing\n"},
		{[]string{"main"}, "mutexgen compat: unexpected argument \"main\"\n  hint: did you mean -against main?\n"},
		{[]string{"-against", "main", "x"}, "mutexgen compat: unexpected argument \"x\"\n"},
		{[]string{"-agianst", "main"}, "hint: did you mean -against?\n"},
		{[]string{"-against", "main", "-format", "xml"}, "there is no format \"xml\"\n"},
	} {
		s.stdout.Reset()
		s.stderr.Reset()
		e := environment{dir: s.dir, lookup: lookup, stdout: &s.stdout, stderr: &s.stderr}
		if code := e.compat(c.args); code != 2 || !strings.Contains(s.stderr.String(), c.want) || s.stdout.Len() > 0 {
			t.Errorf("mutexgen compat %q: exit code %d\n%s%s", c.args, code, &s.stdout, &s.stderr)
		}
	}
}

func TestAnAnnotationLeavesTheNameOfAFileInGitAlone(t *testing.T) {
	s := inGit(t, one)
	s.write("mutexes.yaml", strings.Replace(one, "key: one", "key: two", 1))
	s.write("old.yaml", one)
	s.variables["GITHUB_WORKSPACE"] = filepath.Dir(s.dir)
	s.compat(1, []string{"-against", "main", "-format", "github"}, "::error file=locks/mutexes.yaml,line=5,", "%0Amain:locks/mutexes.yaml:5:10: before")
	s.compat(1, []string{"-against", "main:locks/mutexes.yaml", "-format", "github"}, "%0Amain:locks/mutexes.yaml:5:10: before")
	s.compat(1, []string{"-against", "./old.yaml", "-format", "github"}, "::error file=locks/mutexes.yaml,line=5,", "%0Alocks/old.yaml:5:10: before")
}

func TestARefThatIsNoneIsShownAsItWasNamed(t *testing.T) {
	s := inGit(t, one)
	for _, name := range []string{":mutexes.yaml", ":", "main:", "nowhere"} {
		s.compat(2, []string{"-against", name}, fmt.Sprintf("%q is neither a file nor a git ref", name))
	}
}
