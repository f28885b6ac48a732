package application

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// module is the command `module path`: it makes the current folder a module that is set up as by `go get -tool` and
// `go mod tidy`, without the second that these take. It requires what this module requires.
func module(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: module path")
	}
	text := read(ts, ts.Getenv("REPOSITORY")+"/internal/application/go.mod")
	_, requirements, _ := strings.Cut(text, "\n")
	requirements = strings.Replace(requirements, "=> ../../", "=> "+strconv.Quote(ts.Getenv("REPOSITORY")), 1)
	write(ts, "go.mod", "module "+args[0]+"\n"+requirements)
	write(ts, "go.sum", read(ts, ts.Getenv("REPOSITORY")+"/internal/application/go.sum"))
}

// exits is the command `exits code command...`: it runs the command, as exec does, and expects the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	have := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		have = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if have != want {
		ts.Fatalf("the exit code is %d, not %d", have, want)
	}
}

// replace is the command `replace old new file...`: it replaces text that stands in every one of the files.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: replace old new file...")
	}
	for _, file := range args[2:] {
		text := read(ts, file)
		if !strings.Contains(text, args[0]) {
			ts.Fatalf("%s does not contain %q", file, args[0])
		}
		write(ts, file, strings.ReplaceAll(text, args[0], args[1]))
	}
}

// bom is the command `bom file...`: it puts a byte order mark at the beginning, as some editors do.
func bom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: bom file...")
	}
	for _, file := range args {
		write(ts, file, "\ufeff"+read(ts, file))
	}
}

func read(ts *testscript.TestScript, file string) string {
	text, err := os.ReadFile(ts.MkAbs(file))
	ts.Check(err)
	return string(text)
}

func write(ts *testscript.TestScript, file, text string) {
	ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o644))
}

// condition adds to the conditions of testscript [root], to whom nothing is read-only, and [ci].
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "ci": // where what is missing is a failure
		return os.Getenv("CI") != "", nil
	}
	return false, errors.New("there is no such condition")
}
