package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	e := environment{lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(e.run(os.Args[1:]))
}

// Exit codes.
const (
	exitOK      = 0
	exitInvalid = 2 // invalid input or usage
)

// usage is printed on wrong usage; -h prints the whole manual.
const usage = "usage: mutexgen [generate] [-config mutexes.yaml] [-out mutexes_gen.go] [-package name]\n" +
	"       mutexgen -h prints the manual\n"

// environment is what the command sees of the machine it runs on.
type environment struct {
	// dir is the current folder, to which paths are relative; empty for that of the process.
	dir    string
	lookup func(name string) (string, bool)
	stdout io.Writer
	stderr io.Writer
}

// run is the command without the process around it: it returns the exit code. The first argument may name a subcommand;
// without one it is generate.
func (e environment) run(args []string) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return e.generate(args)
	}
	switch subcommand := args[0]; subcommand {
	case "generate":
		return e.generate(args[1:])
	default:
		fmt.Fprintf(e.stderr, "mutexgen: there is no subcommand %q\n%s", subcommand, usage)
		return exitInvalid
	}
}

// path is name seen from the current folder.
func (e environment) path(name string) string {
	if e.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(e.dir, name)
}

// fail reports err, with its hint if it has one.
func (e environment) fail(err error) int {
	fmt.Fprintf(e.stderr, "mutexgen: %v\n", err)
	return exitInvalid
}

// hinted is an error with the advice what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() + "\n  hint: " + h.hint }

func (h *hinted) Unwrap() error { return h.err }

//go:embed doc.go
var docSource string

// manual is the package comment.
func manual() string {
	var b strings.Builder
	for line := range strings.Lines(docSource) {
		text, isComment := strings.CutPrefix(line, "//")
		if !isComment {
			break
		}
		b.WriteString(strings.TrimPrefix(text, " "))
	}
	return b.String()
}
