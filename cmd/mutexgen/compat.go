package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/compat"
	"github.com/mutexgen/mutexgen/internal/definition"
)

// compat is the subcommand that tells what a rolling deploy from older definitions would break.
func (e environment) compat(args []string) int {
	i := e.invoke("compat")
	i.to = i.stdout
	against := i.flags.String("against", "", "")
	config := i.flags.String("config", "mutexes.yaml", "")
	others, exit, ok := i.parse(args, 1)
	switch {
	case !ok:
		return exit
	case len(others) > 0 && *against == "":
		return i.misused(fmt.Errorf("unexpected argument %q", others[0]), "did you mean -against "+others[0]+"?")
	case len(others) > 0:
		return i.misused(fmt.Errorf("unexpected argument %q", others[0]), "")
	case *against == "":
		return i.misused(errors.New("-against is missing"), "name a git ref, such as main, or a file with the older definitions")
	}
	after := i.load(*config)
	if after == nil {
		return i.end(exitInvalid)
	}
	i.conceal(*config)
	old, err := i.older(*against, *config)
	switch {
	case err != nil:
		i.findings = nil
		return i.end(i.fail(err))
	case old == nil:
		i.findings = definition.Findings{{Severity: definition.Warning, File: *config, Code: "nothing-before",
			Message: fmt.Sprintf("%s does not have this file: there is nothing to compare it with", *against),
			Hint:    "if its definitions were elsewhere, name them: -against " + *against + ":path/mutexes.yaml"}}
		return i.end(exitOK)
	}
	i.findings = nil // the warnings are for check
	i.atRef = map[string]bool{old.name: old.atRef}
	before := i.parseDefinitions(old.name, old.content)
	i.conceal(old.name)
	if before == nil {
		i.findings = slices.DeleteFunc(i.findings, func(f definition.Finding) bool { return f.Severity != definition.Error })
		i.fail(&hinted{errors.New("the definitions of before are invalid: there is nothing to compare with"),
			"name others with -against; what runs now was generated from definitions that were valid"})
		return i.end(exitInvalid)
	}
	i.findings = compat.Compare(compat.Version{Name: old.name, File: before}, compat.Version{Name: *config, File: after})
	if i.findings.HasErrors() {
		return i.end(exitFound)
	}
	return i.end(exitOK)
}

// conceal sees that no line is shown of a file in which there are passwords: the warning by which a report knows those that
// are hard to see is not among compat's findings.
func (i *invocation) conceal(name string) {
	if slices.ContainsFunc(i.findings, func(f definition.Finding) bool {
		return f.File == name && f.Code == "password"
	}) {
		delete(i.sources, name)
	}
}

// older is what to compare with, a file or one at a git ref; nil if the ref has no such file.
func (i *invocation) older(against, config string) (*olderFile, error) {
	info, err := os.Stat(i.path(against))
	isFile, isFolder := err == nil && !info.IsDir(), err == nil && info.IsDir()
	switch {
	case !isPath(against):
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", against)
	case isFolder:
		return nil, &hinted{fmt.Errorf("%s is a folder", against), "name the file in it"}
	default:
		return i.olderAt(against)
	}
	// If the config is a link, git knows the file that it leads to.
	real, err := filepath.EvalSymlinks(i.path(config))
	if err != nil {
		return nil, err
	}
	r := repository{folder: filepath.Dir(real)}
	problem := r.open()
	commit, rev, path := "", against, ""
	if problem == nil {
		commit, rev, path = r.commit(against)
	}
	switch {
	case isFile && commit != "":
		return nil, &hinted{fmt.Errorf("%s is a file, and a git ref as well", against),
			fmt.Sprintf("write ./%s for the file, or the ref in full: refs/heads/%s", against, against)}
	case isFile:
		return i.olderAt(against)
	case problem != nil:
		return nil, problem
	case commit == "":
		return nil, r.unknown(rev, isFolder)
	}
	return r.file(commit, rev, path, filepath.Base(real))
}

func (i *invocation) olderAt(name string) (*olderFile, error) {
	content, err := readDefinitions(i.path(name))
	if err != nil {
		return nil, fmt.Errorf("read the definitions of before: %w", err)
	}
	return &olderFile{name: name, content: content}, nil
}

// olderFile is a file with older definitions.
type olderFile struct {
	name    string
	content []byte
	atRef   bool // in git, not on the disk
}

// isPath says whether a name is surely not that of a git ref.
func isPath(name string) bool {
	slashed := filepath.ToSlash(name)
	return filepath.IsAbs(name) || strings.HasPrefix(slashed, "./") || strings.HasPrefix(slashed, "../") || slashed == "." || slashed == ".."
}
