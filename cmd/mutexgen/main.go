package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func main() {
	redis.SetLogger(silent{}) // what befalls connections is in the findings
	e := environment{lookup: os.LookupEnv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(e.run(os.Args[1:]))
}

// Exit codes.
const (
	exitOK      = 0
	exitFound   = 1 // something is out of date, differs, breaks, or is unhealthy
	exitInvalid = 2 // invalid input or usage
)

// subcommand is what the command can do; its manual is a section of the package comment.
type subcommand struct {
	name string
	run  func(e environment, args []string) int
}

// subcommands returns them in the order of the manual. The first is meant where none is named.
func subcommands() []subcommand {
	return []subcommand{
		{"generate", environment.generate},
		{"check", environment.check},
		{"diff", environment.diff},
		{"init", environment.init},
		{"schema", environment.schema},
		{"compat", environment.compat},
		{"acl", environment.acl},
		{"doctor", environment.doctor},
		{"status", environment.status},
	}
}

// environment is what the command sees of the machine it runs on.
type environment struct {
	// dir is the current folder, to which paths are relative; empty for that of the process.
	dir    string
	lookup func(name string) (string, bool)
	stdout io.Writer
	stderr io.Writer
	// ctx ends what would go on until the process is interrupted; nil for that.
	ctx context.Context
}

// run is the command without the process around it: it returns the exit code.
func (e environment) run(args []string) int {
	all := subcommands()
	if len(args) == 0 {
		return all[0].run(e, args)
	}
	var names []string
	for _, s := range all {
		if s.name == args[0] {
			return s.run(e, args[1:])
		}
		names = append(names, s.name)
	}
	switch name := args[0]; {
	case name == "help":
		return e.help(args[1:])
	case name == "-h", name == "-help", name == "--help":
		fmt.Fprint(e.stdout, manual())
		return exitOK
	case len(args) == 1 && strings.TrimLeft(name, "-") == "version":
		fmt.Fprintln(e.stdout, version())
		return exitOK
	case strings.HasPrefix(name, "-"):
		return all[0].run(e, args)
	default:
		fmt.Fprintf(e.stderr, "mutexgen: there is no subcommand %q\n", name)
		if near := definition.Nearest(name, names); near != "" {
			fmt.Fprintf(e.stderr, "  hint: did you mean %s?\n", near)
		}
		fmt.Fprint(e.stderr, overview())
		return exitInvalid
	}
}

// version names the command, the version of its module, and that of Go.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "mutexgen (unknown version)"
	}
	return fmt.Sprintf("mutexgen %s %s", info.Main.Version, info.GoVersion)
}

// path is name seen from the current folder.
func (e environment) path(name string) string {
	if e.dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(e.dir, name)
}
