package targets

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// lines notes what the go:generate lines of a file generate with mutexgen.
func (f *finder) lines(name string, content []byte) {
	goPackage := packageOf(name, content)
	for _, d := range f.directives(name, content, goPackage) {
		if d.refused != nil {
			if strings.Contains(d.text, "mutexgen") {
				f.wrong(d.Line, content, "go generate refuses this line: "+d.refused.Error())
			}
		} else if c, ok := commandOf(d.words); ok {
			f.target(c, d.Line, goPackage, content)
		}
	}
}

// packageOf is the package that a file says it belongs to; empty if it does not.
func packageOf(name string, content []byte) string {
	parsed, err := parser.ParseFile(token.NewFileSet(), name, content, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return parsed.Name.Name
}

// wrong notes a line that would fail.
func (f *finder) wrong(line Line, content []byte, message string) {
	f.project.Wrong = append(f.project.Wrong, definition.Finding{Severity: definition.Error, File: line.File,
		Position: line.Position, Code: "line-refused", Message: message})
	f.project.Sources[line.File] = content
}

// command is a run of mutexgen.
type command struct {
	arguments []string
	// folder is where it runs, seen from the folder of the file; empty for the same.
	folder string
}

// commandOf finds mutexgen among the words: `mutexgen`, a path to it, `go tool mutexgen`, or `go run` of its package. It is
// not ok if they run something else.
func commandOf(words []string) (c command, ok bool) {
	if len(words) == 0 {
		return c, false
	}
	first, words := words[0], words[1:]
	if isMutexgen(first) {
		return command{arguments: words}, true
	}
	if programName(first) != "go" {
		return c, false
	}
	words = c.skipFlags(words)
	if len(words) == 0 || words[0] != "tool" && words[0] != "run" {
		return c, false
	}
	run := words[0] == "run"
	words = c.skipFlags(words[1:])
	if len(words) == 0 {
		return c, false
	}
	name := words[0]
	if run {
		name, _, _ = strings.Cut(name, "@")
	}
	c.arguments = words[1:]
	return c, isMutexgen(name)
}

func isMutexgen(word string) bool { return programName(word) == "mutexgen" }

func programName(word string) string {
	return strings.TrimSuffix(path.Base(filepath.ToSlash(word)), ".exe")
}

// flagsWithValue are the flags of the go command that may have their value in the next word.
var flagsWithValue = strings.Fields("C asmflags buildmode compiler covermode coverpkg exec gccgoflags gcflags installsuffix ldflags " +
	"mod modfile overlay p pgo pkgdir tags toolexec")

// skipFlags returns the words behind the go command's own flags, and heeds the one that changes the folder.
func (c *command) skipFlags(words []string) []string {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		name, value, given := strings.Cut(strings.TrimLeft(words[0], "-"), "=")
		words = words[1:]
		if !given && len(words) > 0 && slices.Contains(flagsWithValue, name) {
			value, words = words[0], words[1:]
		}
		if name == "C" {
			c.folder = value
		}
	}
	return words
}

// target notes what a line generates.
func (f *finder) target(c command, line Line, goPackage string, content []byte) {
	args, folder := c.arguments, within(filepath.Dir(line.File), c.folder)
	t := Target{Subcommand: "generate", GoPackage: goPackage, Folder: folder, Line: line}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		t.Subcommand, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(t.Subcommand, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	format := flags.String("format", "text", "")
	out := new(string)
	config := new(string)
	switch t.Subcommand {
	case "generate":
		out = flags.String("out", defaultOut, "")
		config = flags.String("config", defaultConfig, "")
		flags.StringVar(&t.Package, "package", "", "")
	case "schema":
		*out = toStandardOutput
		flags.StringVar(out, "out", *out, "")
	default:
		return // it generates nothing
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && t.Subcommand == "generate":
		err = cmp.Or(CheckPath("config", *config), CheckPath("out", *out))
	case err == nil:
		err = CheckPath("out", *out)
	}
	if _, ok := definition.FormatOf(*format); err == nil && !ok {
		err = fmt.Errorf("there is no format %q", *format)
	}
	if err != nil {
		if !utf8.ValidString(err.Error()) {
			err = errors.New("its flags are not UTF-8")
		}
		f.wrong(line, content, "mutexgen would refuse this line: "+err.Error())
		return
	}
	if *out == toStandardOutput {
		return
	}
	t.Out = within(folder, *out)
	if *config != "" {
		t.Config = within(folder, *config)
	}
	f.project.Targets = append(f.project.Targets, t)
}

// toStandardOutput is where a schema goes that no -out sends elsewhere. No path has a NUL in it.
const toStandardOutput = "\x00"

// CheckPath tells what is wrong with the value of a flag that names a file. Elsewhere - is the standard input or output.
func CheckPath(flagName, path string) error {
	switch path {
	case "":
		return fmt.Errorf("-%s needs the path of a file", flagName)
	case "-":
		return fmt.Errorf("-%s needs the path of a file; ./- is one with that name", flagName)
	}
	return nil
}

func within(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}
