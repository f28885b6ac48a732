package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// app is a module of its own that uses the library and the command as an application does.
type app struct {
	t   *testing.T
	dir string
	env []string
}

// newApp copies testdata/app, whose Go files have the suffix .txt there so that they are no part of this module. It
// requires what this module requires, in the same versions, so that all of it is in the module cache.
func newApp(t *testing.T, env ...string) *app {
	t.Helper()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, dir: t.TempDir(), env: append(os.Environ(), env...)}
	a.env = append(a.env, "GOFLAGS=-mod=mod", "GOWORK=off")

	module := a.file(filepath.Join(repository, "go.mod"))
	_, requirements, _ := strings.Cut(module, "\nrequire ")
	a.write("go.mod", "module example.com/app\n\ngo 1.26.0\n\n"+
		"require github.com/mutexgen/mutexgen v0.0.0\n\n"+
		"replace github.com/mutexgen/mutexgen => "+repository+"\n\n"+
		"tool github.com/mutexgen/mutexgen/cmd/mutexgen\n\nrequire "+requirements)
	a.write("go.sum", a.file(filepath.Join(repository, "go.sum")))

	err = filepath.WalkDir("testdata/app", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel("testdata/app", strings.TrimSuffix(path, ".txt"))
		a.write(name, a.file(path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *app) file(path string) string {
	a.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(content)
}

func (a *app) write(name, content string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// run runs the go command in the application's folder.
func (a *app) run(arguments ...string) (string, error) {
	command := exec.Command("go", arguments...)
	command.Dir, command.Env = a.dir, a.env
	output, err := command.CombinedOutput()
	return string(output), err
}

func TestAnApplicationGeneratesCompilesAndLocks(t *testing.T) {
	var env []string
	nodes := map[string]*miniredis.Miniredis{"NODE_A": miniredis.RunT(t), "NODE_B": miniredis.RunT(t), "NODE_C": miniredis.RunT(t)}
	for name, node := range nodes {
		env = append(env, name+"=redis://"+node.Addr())
	}
	a := newApp(t, env...)
	if output, err := a.run("generate", "./..."); err != nil || output != "" {
		t.Fatalf("go generate: %v\n%s", err, output)
	}
	if code := a.file(filepath.Join(a.dir, "locks", "mutexes_gen.go")); strings.Contains(code, nodes["NODE_A"].Addr()) {
		t.Error("a variable was resolved when the code was generated")
	}
	output, err := a.run("run", ".")
	if want := a.file("testdata/app/expected.txt"); err != nil || output != want {
		t.Errorf("go run: %v\n%s\nexpected:\n%s", err, output, want)
	}
	for name, node := range nodes {
		for _, key := range node.Keys() {
			if key != "{fenced}:fence" && key != "mutexgen:birth" { // which shall stay
				t.Errorf("%s still has the key %q", name, key)
			}
		}
	}
	if output, err := a.run("build", "-tags", "mistake", "."); err == nil || !strings.Contains(output, "cannot use lock") {
		t.Errorf("another mutex's lock is accepted: %v\n%s", err, output)
	}
}
