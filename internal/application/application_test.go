// Package application tries the command and the library as an application meets them: in modules of its own, by the go
// command, through scripts in testdata/script that are each named after what they show.
package application

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// goFlags are those of the scripts. Every run has other folders: where paths don't count, what is built in one is found again
// by the next.
const goFlags = "-trimpath"

// TestApplications runs the scripts. Their commands are those of testscript (go doc github.com/rogpeppe/go-internal/testscript),
// of which `exec go` is the one that matters, and those of commands_test.go.
func TestApplications(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	fetch(t)
	compile(t)
	moduleCache, buildCache := goEnv(t, "GOMODCACHE"), goEnv(t, "GOCACHE")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for name, value := range map[string]string{
				"REPOSITORY": repository,
				"HOME":       filepath.Join(e.WorkDir, ".home"),

				// No script asks the network, or is led by how the machine's Go and git are configured.
				"GOCACHE":             buildCache,
				"GOMODCACHE":          moduleCache,
				"GOPROXY":             "file://" + filepath.ToSlash(filepath.Join(moduleCache, "cache", "download")),
				"GOSUMDB":             "off",
				"GOTOOLCHAIN":         "local",
				"GOENV":               "off",
				"GOWORK":              "",
				"GIT_CONFIG_NOSYSTEM": "1",
				"GIT_AUTHOR_NAME":     "A", "GIT_AUTHOR_EMAIL": "a@example.com",
				"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",

				"GOFLAGS": goFlags,

				// Nor does it matter that the test itself runs in CI.
				"CI": "", "GITHUB_WORKSPACE": "", "NO_COLOR": "", "TERM": "xterm",
			} {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"module": module, "exits": exits, "replace": replace, "bom": bom,
		},
		Condition: condition,
	})
}

// fetch brings everything that a script's `go mod tidy` or `go mod vendor` needs into the module cache: that is what this
// module's own needs, since it requires what an application does. It asks the network only for what is not there yet, and
// does not insist that this module is tidy, which it ceases to be when a test of the library begins to import something.
func fetch(t *testing.T) {
	t.Helper()
	output, err := exec.Command("go", "mod", "tidy", "-diff").CombinedOutput()
	if err != nil && !bytes.Contains(output, []byte("diff current/go.")) {
		t.Fatalf("go mod tidy: %v\n%s", err, output)
	}
}

// compile fills the build cache before the scripts begin, which would all compile the same at once otherwise.
func compile(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"build", "github.com/mutexgen/mutexgen/cmd/mutexgen", "github.com/mutexgen/mutexgen/mutex/mutextest"}, {"vet", "-tags", "application", "."},
	} {
		command := exec.Command("go", args...)
		command.Env = append(os.Environ(), "GOFLAGS="+goFlags)
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	output, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

// TestScriptsSayWhatTheyShow keeps the scripts readable: each opens with a sentence.
func TestScriptsSayWhatTheyShow(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := bytes.Cut(text, []byte("\n")); !bytes.HasPrefix(first, []byte("# ")) {
			t.Errorf("%s does not begin with a comment that says what it shows", name)
		}
	}
}
