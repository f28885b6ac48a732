package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestDiffShowsWhatGeneratingWouldChange(t *testing.T) {
	s := twoPackages(t)
	s.succeed("diff")
	s.write("sub/conf/m.yaml", strings.ReplaceAll(two, "Two", "Three"))
	s.find(1, []string{"diff"}, "--- a/sub/m_gen.go\n+++ b/sub/m_gen.go\n@@ ", "\n-type Two struct", "\n+type Three struct")
	if strings.Contains(s.stdout.String(), "mutexes_gen.go") {
		t.Errorf("it shows a file that would not change:\n%s", &s.stdout)
	}
	s.remove("mutexes_gen.go")
	s.find(1, []string{"diff", "."}, "--- /dev/null\n+++ b/mutexes_gen.go\n@@ -0,0 +1,", "\n+package locks\n")
}

// TestADiffCanBeApplied, by git and by patch if it is there, whatever the file is called and how its lines end.
func TestADiffCanBeApplied(t *testing.T) {
	old := func(s *sandbox) string {
		s.succeed("-config", "sub/conf/m.yaml")
		code := s.read("mutexes_gen.go")
		s.remove("mutexes_gen.go")
		return code
	}
	for name, is := range map[string]func(code string) string{
		"plain.go":          func(code string) string { return code },
		"windows.go":        func(code string) string { return strings.ReplaceAll(code, "\n", "\r\n") },
		"mixed.go":          func(code string) string { return strings.Replace(code, "\n", "\r\n", 9) },
		"unended.go":        func(code string) string { return strings.TrimSuffix(code, "\n") },
		"with space.go":     func(code string) string { return code },
		"tab\tand\n\"\\.go": func(code string) string { return code },
		"größe.go":          func(code string) string { return code },
		"missing.go":        nil,
	} {
		for _, tool := range []string{"git apply changes.patch", "patch -p1 -i changes.patch"} {
			t.Run(tool[:5]+name, func(t *testing.T) {
				words := strings.Fields(tool)
				if _, err := exec.LookPath(words[0]); err != nil {
					t.Skip("there is no ", words[0])
				}
				s := twoPackages(t)
				if is != nil {
					s.write(name, is(old(s)))
				}
				s.write("sub/conf/m.yaml", strings.ReplaceAll(two, "Two", "Three"))
				flags := []string{"-config", "sub/conf/m.yaml", "-out", name}
				if code := s.run(append([]string{"diff"}, flags...)...); code != 1 {
					t.Fatalf("exit code %d: %s", code, &s.stderr)
				}
				s.write("changes.patch", s.stdout.String())
				s.command(words[0], words[1:]...)
				s.succeed(append([]string{"check"}, flags...)...)
			})
		}
	}
}

func TestADiffNamesAFileBelowTheCurrentFolderFromThere(t *testing.T) {
	s := newSandbox(t, one)
	s.find(1, []string{"diff", "-config", s.path("mutexes.yaml"), "-out", s.path("x/y.go")}, "+++ b/x/y.go\n")
}

func TestNoDiffIsShownOfAFileThatIsNotGenerated(t *testing.T) {
	s := newSandbox(t, one)
	s.write("mutexes_gen.go", "package locks\n")
	s.refuse([]string{"diff"}, "mutexes_gen.go is not a file that mutexgen generated")
}

func TestDiffKeepsFindingsApart(t *testing.T) {
	s := twoPackages(t)
	s.write("mutexes.yaml", strings.Replace(one, "url:", "urls:", 1))
	s.remove("sub/m_gen.go")
	if code := s.run("diff"); code != 2 || !strings.Contains(s.stderr.String(), "mutexes.yaml:4:5: ") ||
		!strings.HasPrefix(s.stdout.String(), "--- ") {
		t.Errorf("exit code %d\nstdout: %.100s\nstderr: %s", code, &s.stdout, &s.stderr)
	}
}
