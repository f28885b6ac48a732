package targets

import (
	"errors"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// lines reads the go:generate lines of a file as go generate does: it finds them at the beginning of a line, also where the
// Go source has a comment or a string around them.
func (f *finder) lines(name string, content []byte) {
	goPackage := ""
	if parsed, err := parser.ParseFile(token.NewFileSet(), name, content, parser.PackageClauseOnly); err == nil {
		goPackage = parsed.Name.Name
	}
	aliases := map[string][]string{}
	number := 0
	for text := range strings.Lines(string(content)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		rest, ok := strings.CutPrefix(text, "//go:generate")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		line := Line{name, definition.Position{Line: number, Column: 1}}
		words := f.expanded(split(rest), line, goPackage)
		if len(words) > 2 && words[0] == "-command" {
			aliases[words[1]] = words[2:]
			continue
		}
		if len(words) > 0 && aliases[words[0]] != nil {
			words = append(aliases[words[0]][:len(aliases[words[0]]):len(aliases[words[0]])], words[1:]...)
		}
		if at := command(words); at >= 0 {
			f.target(words[at+1:], line, goPackage, content)
		}
	}
}

// split splits a line into words as go generate does: at blanks, with "…" as in Go.
func split(text string) []string {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return words
		}
		if text[0] == '"' {
			if quoted, err := strconv.QuotedPrefix(text); err == nil {
				word, _ := strconv.Unquote(quoted)
				words, text = append(words, word), text[len(quoted):]
				continue
			}
		}
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			end = len(text)
		}
		words, text = append(words, text[:end]), text[end:]
	}
}

// expanded replaces $NAME and ${NAME} in the words.
func (f *finder) expanded(words []string, line Line, goPackage string) []string {
	known := map[string]string{"GOFILE": filepath.Base(line.File), "GOLINE": strconv.Itoa(line.Line), "GOPACKAGE": goPackage,
		"DOLLAR": "$"}
	for i, word := range words {
		words[i] = os.Expand(word, func(name string) string {
			if value, ok := known[name]; ok {
				return value
			}
			value, _ := f.environment(name)
			return value
		})
	}
	return words
}

// command finds mutexgen among the words: `mutexgen`, a path to it, `go tool mutexgen`, or `go run` of its package. It
// returns -1 if the line runs something else.
func command(words []string) int {
	for i, word := range words {
		word, _, _ = strings.Cut(strings.TrimSuffix(filepath.ToSlash(word), ".exe"), "@")
		switch {
		case path.Base(word) == "mutexgen":
			return i
		case i == 0 && path.Base(word) != "go", i == 1 && word != "tool" && word != "run", i > 1 && !strings.HasPrefix(word, "-"):
			return -1
		}
	}
	return -1
}

// target notes what a line generates, from the arguments that mutexgen gets.
func (f *finder) target(args []string, line Line, goPackage string, content []byte) {
	folder := filepath.Dir(line.File)
	t := Target{Subcommand: "generate", GoPackage: goPackage, Folder: folder, Line: line}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		t.Subcommand, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(t.Subcommand, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.String("format", "", "")
	out := flags.String("out", "", "")
	config := new(string)
	switch t.Subcommand {
	case "generate":
		*out = defaultOut
		config = flags.String("config", defaultConfig, "")
		flags.StringVar(&t.Package, "package", "", "")
	case "schema":
	default:
		return // it generates nothing
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && t.Subcommand == "generate" && (*config == "" || *out == ""):
		err = errors.New("-config and -out need the path of a file")
	}
	if err != nil {
		if !utf8.ValidString(err.Error()) {
			err = errors.New("its flags are not UTF-8")
		}
		f.project.Wrong = append(f.project.Wrong, definition.Finding{Severity: definition.Error, File: line.File,
			Position: line.Position, Code: "line-refused", Message: "mutexgen would refuse this line: " + err.Error()})
		f.project.Sources[line.File] = content
		return
	}
	if *out == "" {
		return // a schema that goes to the standard output
	}
	t.Out = within(folder, *out)
	if *config != "" {
		t.Config = within(folder, *config)
	}
	f.project.Targets = append(f.project.Targets, t)
}

func within(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}
