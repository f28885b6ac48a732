package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/targets"
	"github.com/mutexgen/mutexgen/templates"
)

// check is the subcommand that compares what is generated with the definitions, and writes nothing.
func (e environment) check(args []string) int {
	i := e.invoke("check")
	i.to = i.stdout
	p, exit, ok := i.project(args)
	if !ok {
		return exit
	}
	type output struct {
		targets.Target
		content []byte
	}
	wrote := map[string]output{}
	for _, t := range p.Targets {
		want, ok := i.render(t)
		first, again := wrote[i.identity(t.Out)]
		if !again {
			wrote[i.identity(t.Out)] = output{t, want}
		}
		if !ok {
			exit = exitInvalid
			continue
		}
		if again { // with the same content, as in files for different systems, it does not matter
			if first.content != nil && !bytes.Equal(first.content, want) {
				i.findings = append(i.findings, twice(first.Target, t))
				exit = max(exit, exitFound)
			}
			continue
		}
		finding, err := i.compare(t, want)
		if err != nil {
			exit = i.fail(err)
		} else if finding != nil {
			i.findings = append(i.findings, *finding)
			exit = max(exit, exitFound)
		}
	}
	for _, name := range p.Generated {
		if _, ok := wrote[i.identity(name)]; !ok {
			i.findings = append(i.findings, definition.Finding{Severity: definition.Error, File: name, Code: "orphaned",
				Message: "nothing here generates this file any more",
				Hint: "delete it, or write the go:generate line that generates it; " +
					"if a Makefile does, check it with that command's flags: mutexgen check -config … -out …"})
			exit = max(exit, exitFound)
		}
	}
	i.findings.Sort()
	return i.end(exit)
}

// project reads the flags and arguments that check and diff have in common, and finds what they are about: the file that
// the flags name, else all of the folders that the arguments name, else all from the current folder down.
func (i *invocation) project(args []string) (p *targets.Project, exit int, ok bool) {
	config := i.flags.String("config", "", "")
	out := i.flags.String("out", "", "")
	packageName := i.flags.String("package", "", "")
	folders, exit, ok := i.parse(args, 1000)
	if !ok {
		return nil, exit, false
	}
	if slices.Contains(folders, "") { // as of a variable that is not set
		return nil, i.misused(errors.New("the folder's name is empty"), ""), false
	}
	if *config != "" || *out != "" || *packageName != "" {
		if len(folders) > 0 {
			return nil, i.misused(fmt.Errorf("unexpected argument %q", folders[0]),
				"-config, -out and -package name one file; folders name all that is in them"), false
		}
		if *config == "" {
			*config = "mutexes.yaml"
		}
		if *out == "" {
			*out = "mutexes_gen.go"
		}
		return &targets.Project{Targets: []targets.Target{i.targetOf(*config, *out, *packageName)}}, exitOK, true
	}
	if len(folders) == 0 {
		folders = []string{"./..."}
	}
	p, err := targets.Find(i.path("."), folders, templates.Header, i.lookup)
	switch {
	case err != nil:
		i.fail(fmt.Errorf("look for what is generated: %w", err))
	case len(p.Targets) == 0 && len(p.Generated) == 0 && len(p.Wrong) == 0:
		i.fail(&hinted{fmt.Errorf("there are no definitions and no generated files in %s", strings.Join(folders, ", ")),
			"run it in the folder of the module, or begin with mutexgen init"})
	default:
		for name, content := range p.Sources {
			i.sources[name] = content
		}
		i.findings = append(i.findings, p.Wrong...)
		if len(p.Wrong) > 0 {
			exit = exitInvalid
		}
		return p, exit, true
	}
	return nil, i.end(exitInvalid), false
}

// identity is the same for two names of one file.
func (e environment) identity(name string) string {
	absolute, err := filepath.Abs(e.path(name))
	if err != nil {
		return name
	}
	if real, err := filepath.EvalSymlinks(absolute); err == nil {
		return real
	}
	return absolute
}

// twice says that two targets write one file.
func twice(first, second targets.Target) definition.Finding {
	finding := definition.Finding{Severity: definition.Error, File: second.Line.File, Position: second.Line.Position,
		Code: "generated-twice", Message: fmt.Sprintf("%s is generated twice", second.Out),
		Hint: "give one of them another file with -out"}
	if second.Line.File == "" {
		finding.File = second.Config
	}
	if first.Line.File != "" {
		finding.Related = []definition.Related{{File: first.Line.File, Position: first.Line.Position, Label: "the first one"}}
	} else {
		finding.Related = []definition.Related{{File: first.Config, Label: "the first one"}}
	}
	return finding
}

// compare says what is wrong with the target's file, or nil if it holds what it should.
func (i *invocation) compare(t targets.Target, want []byte) (*definition.Finding, error) {
	finding := &definition.Finding{Severity: definition.Error, File: t.Out, Hint: "run " + remedy(t)}
	if t.Line.File != "" {
		finding.Related = []definition.Related{{File: t.Line.File, Position: t.Line.Position, Label: "this line generates it"}}
	}
	have, err := os.ReadFile(i.path(t.Out))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		finding.Code, finding.Message = "missing", "it has not been generated"
		return finding, nil
	case err != nil:
		return nil, fmt.Errorf("read what was generated: %w", err)
	case same(have, want):
		return nil, nil
	}
	finding.Code, finding.Message = "stale", "it is not what "+t.Config+" says now; this is the first difference"
	if t.Subcommand == "schema" {
		finding.Message = "it is not the schema of this version; this is the first difference"
	}
	if !ours(t)(have) {
		finding.Code, finding.Message = "not-generated", "it is not a file that mutexgen generated"
		finding.Hint = "name another file with -out, or move this one away"
	}
	finding.Position = firstDifference(have, want)
	i.sources[t.Out] = have
	return finding, nil
}

// ours says whether what is in the target's file is what mutexgen may overwrite.
func ours(t targets.Target) func(content []byte) bool {
	if t.Subcommand == "schema" {
		return definition.IsSchema
	}
	return isGoFileOfOurs
}

// remedy is the command that brings the target's file up to date.
func remedy(t targets.Target) string {
	switch {
	case t.Line.File != "":
		return "go generate ./..."
	case t.Folder != ".":
		return "mutexgen in " + t.Folder
	}
	return "mutexgen with the same flags"
}

// same compares generated text. Git may have turned the ends of lines into those of Windows.
func same(have, want []byte) bool { return bytes.Equal(unixLines(have), unixLines(want)) }

func unixLines(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }

// firstDifference is the position in have from which it differs.
func firstDifference(have, want []byte) definition.Position {
	have, want = unixLines(have), unixLines(want)
	at := 0
	for at < len(have) && at < len(want) && have[at] == want[at] {
		at++
	}
	for at > 0 && at < len(have) && !utf8.RuneStart(have[at]) {
		at--
	}
	line := bytes.LastIndexByte(have[:at], '\n') + 1
	return definition.Position{Line: bytes.Count(have[:at], []byte("\n")) + 1, Column: utf8.RuneCount(have[line:at]) + 1}
}
