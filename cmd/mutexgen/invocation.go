package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// invocation is one run of a subcommand: its flags, and what it finds on its way.
type invocation struct {
	environment
	name  string
	flags *flag.FlagSet
	// to is where findings go: the standard output if they are what was asked for.
	to       io.Writer
	format   string
	findings definition.Findings
	sources  map[string][]byte
	parsed   map[string]*definition.File
	// atRef are names of files that are not on the disk, but in git.
	atRef map[string]bool
}

// invoke begins a run of the subcommand. Findings go to the standard error.
func (e environment) invoke(name string) *invocation {
	i := &invocation{environment: e, name: name, flags: flag.NewFlagSet(name, flag.ContinueOnError), to: e.stderr,
		sources: map[string][]byte{}, parsed: map[string]*definition.File{}}
	i.flags.SetOutput(io.Discard) // the errors are printed below, the usage is the manual's
	i.flags.StringVar(&i.format, "format", "text", "")
	return i
}

// parse reads the arguments, in which flags and others, at most `most` of them, may stand in any order. Where ok is false,
// the run is over, and exit is its exit code.
func (i *invocation) parse(args []string, most int) (others []string, exit int, ok bool) {
	for {
		err := i.flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(i.stdout, section("mutexgen "+i.name))
			return nil, exitOK, false
		}
		if err != nil {
			return nil, i.misused(err, i.nearFlag(err)), false
		}
		args = i.flags.Args()
		if len(args) == 0 {
			break
		}
		if len(others) == most {
			return nil, i.misused(fmt.Errorf("unexpected argument %q", args[0]), i.subcommandFirst(args[0])), false
		}
		others, args = append(others, args[0]), args[1:]
	}
	if _, ok := definition.FormatOf(i.format); !ok {
		return nil, i.misused(fmt.Errorf("there is no format %q", i.format),
			"-format is one of "+strings.Join(definition.FormatNames, ", ")), false
	}
	return others, exitOK, true
}

// subcommandFirst is the advice for an argument that is the name of a subcommand.
func (i *invocation) subcommandFirst(argument string) string {
	for _, s := range subcommands() {
		if s.name == argument && argument != i.name {
			return "the subcommand goes first: mutexgen " + argument
		}
	}
	return ""
}

// nearFlag is the advice for a flag that does not exist.
func (i *invocation) nearFlag(err error) string {
	_, name, unknown := strings.Cut(err.Error(), "not defined: -")
	if !unknown {
		return ""
	}
	var names []string
	i.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := definition.Nearest(name, names); near != "" {
		return "did you mean -" + near + "?"
	}
	return ""
}

// misused reports wrong usage.
func (i *invocation) misused(err error, hint string) int {
	fmt.Fprintf(i.stderr, "mutexgen %s: %v\n", i.name, err)
	if hint != "" {
		fmt.Fprintf(i.stderr, "  hint: %s\n", hint)
	}
	fmt.Fprintf(i.stderr, "%smutexgen %s -h prints the manual\n", usage(i.name), i.name)
	return exitInvalid
}

// load reads and parses the definitions, once. It returns nil if they have errors, which are among the findings then.
func (i *invocation) load(config string) *definition.File {
	if file, known := i.parsed[config]; known {
		return file
	}
	i.parsed[config] = nil
	content, err := readDefinitions(i.path(config))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		i.fail(&hinted{fmt.Errorf("there is no file %s", config), i.elsewhere(config)})
		return nil
	case err != nil:
		i.fail(fmt.Errorf("read the definitions: %w", err))
		return nil
	}
	return i.parseDefinitions(config, content)
}

// readDefinitions reads no more than suffices to tell that a file is too long: there are devices that never end.
func readDefinitions(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const more = 16 << 20
	return io.ReadAll(io.LimitReader(file, more))
}

// parseDefinitions parses definitions that did not come from the file of that name, or have been read already.
func (i *invocation) parseDefinitions(name string, content []byte) *definition.File {
	file, findings := definition.Parse(name, content)
	i.sources[name] = content
	i.findings = append(i.findings, findings...)
	i.parsed[name] = file
	return file
}

// elsewhere is the advice for definitions that are not there. Mostly they are in a folder of the module, and the command is
// run in the module's own.
func (e environment) elsewhere(config string) string {
	for _, pattern := range []string{"*/mutexes.yaml", "*/*/mutexes.yaml"} {
		found, _ := fs.Glob(os.DirFS(e.path(".")), pattern) // of folders that cannot be read it says nothing
		found = slices.DeleteFunc(found, func(name string) bool { return leftOut(name) != "" })
		if len(found) > 0 && config == "mutexes.yaml" {
			return fmt.Sprintf("there is one in %s: run mutexgen there, or name it with -config", filepath.FromSlash(path.Dir(found[0])))
		}
	}
	return "name another one with -config, or begin one with mutexgen init"
}

// fail notes an error that is about no place in a file. It returns the exit code.
func (i *invocation) fail(err error) int {
	finding := definition.Finding{Severity: definition.Error, Message: err.Error()}
	if advice := (*hinted)(nil); errors.As(err, &advice) {
		finding.Hint = advice.hint
	}
	i.findings = append(i.findings, finding)
	return exitInvalid
}

// end writes the findings and returns the exit code, which is exitInvalid if they cannot be written.
func (i *invocation) end(exit int) int {
	format, _ := definition.FormatOf(i.format)
	report := definition.Report{Format: format, Colour: i.colours(i.to), Sources: i.sources, Path: i.fromWorkspace}
	if err := report.Write(i.to, i.findings); err != nil {
		fmt.Fprintf(i.stderr, "mutexgen %s: report what was found: %v\n", i.name, err)
		return exitInvalid
	}
	return exit
}

// fromWorkspace is the name of a file as seen from the root of the repository, which is what GitHub needs to show an
// annotation beside it.
func (i *invocation) fromWorkspace(name string) string {
	root, _ := i.lookup("GITHUB_WORKSPACE")
	absolute, err := filepath.Abs(i.path(name))
	if root == "" || err != nil || i.atRef[name] {
		return name
	}
	relative, err := filepath.Rel(root, absolute)
	if err != nil || !filepath.IsLocal(relative) {
		return name
	}
	return filepath.ToSlash(relative)
}

// colours says whether what is written to w may have colours: only a terminal shows them, and not everybody likes them
// (https://no-color.org).
func (e environment) colours(w io.Writer) bool {
	if no, _ := e.lookup("NO_COLOR"); no != "" {
		return false
	}
	if kind, _ := e.lookup("TERM"); kind == "dumb" {
		return false
	}
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// hinted is an error with the advice what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }

func (h *hinted) Unwrap() error { return h.err }
