// Package application tries the command and the library as an application meets them: in modules of its own, by the go
// command, through scripts in testdata/script.
package application

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestApplications runs the scripts. Their commands are those of testscript (go doc github.com/rogpeppe/go-internal/testscript),
// of which `exec go` is the one that matters, and `module`, which writes the go.mod and go.sum of an application.
func TestApplications(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	goEnv := func(name string) string {
		output, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(output))
	}
	proxy := "file://" + filepath.ToSlash(filepath.Join(goEnv("GOMODCACHE"), "cache", "download"))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// What the machine has: no script asks the network.
			e.Setenv("REPOSITORY", repository)
			e.Setenv("GOCACHE", goEnv("GOCACHE"))
			e.Setenv("GOMODCACHE", goEnv("GOMODCACHE"))
			e.Setenv("GOPROXY", proxy)
			e.Setenv("GOSUMDB", "off")
			e.Setenv("GOFLAGS", "")
			e.Setenv("GOTOOLCHAIN", "local")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"module": module},
	})
}

// module is the command `module path`: it makes the current folder a module that requires this library from where it is.
func module(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: module path")
	}
	text := "module " + args[0] + "\n\ngo 1.26.0\n\nreplace github.com/mutexgen/mutexgen => " + ts.Getenv("REPOSITORY") + "\n"
	ts.Check(os.WriteFile(ts.MkAbs("go.mod"), []byte(text), 0o644))
}
