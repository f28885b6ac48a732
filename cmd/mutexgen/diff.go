package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// diff is the subcommand that prints what generating would change.
func (e environment) diff(args []string) int {
	i := e.invoke("diff")
	p, exit, ok := i.project(args)
	if !ok {
		return exit
	}
	for _, t := range p.Targets {
		want, ok := i.render(t)
		if !ok {
			exit = exitInvalid
			continue
		}
		have, err := os.ReadFile(i.path(t.Out))
		missing := errors.Is(err, fs.ErrNotExist)
		if err != nil && !missing {
			exit = i.fail(fmt.Errorf("read what was generated: %w", err))
			continue
		}
		if !missing && !ours(t)(have) { // what generating would not touch, no patch shall
			exit = i.fail(notOurs(t.Out))
			continue
		}
		changes := i.changes(t.Out, have, want, missing)
		if len(changes) == 0 {
			continue
		}
		exit = max(exit, exitFound)
		if _, err := io.WriteString(e.stdout, i.coloured(changes)); err != nil {
			exit = i.fail(fmt.Errorf("write the differences: %w", err))
		}
	}
	return i.end(exit)
}

// changes is the unified diff of a file; empty if nothing but the ends of its lines would change. It keeps those, so that it
// fits the file.
func (i *invocation) changes(name string, have, want []byte, missing bool) string {
	if !missing && same(have, want) {
		return ""
	}
	if bytes.Count(have, []byte("\r\n")) > bytes.Count(have, []byte("\n"))/2 {
		want = bytes.ReplaceAll(unixLines(want), []byte("\n"), []byte("\r\n"))
	}
	name = i.seenFromHere(name)
	from, to := patchName("a/"+name), patchName("b/"+name)
	if missing {
		from = os.DevNull
	}
	return udiff.Unified(from, to, string(have), string(want))
}

// seenFromHere is the name of a file with slashes, relative to the current folder if it is in there.
func (e environment) seenFromHere(name string) string {
	here, err := filepath.Abs(e.path("."))
	if err != nil || !filepath.IsAbs(name) {
		return filepath.ToSlash(name)
	}
	if relative, err := filepath.Rel(here, name); err == nil && filepath.IsLocal(relative) {
		name = relative
	}
	return filepath.ToSlash(name)
}

// patchName is the name of a file as git and patch read it: in quotes, as C has them, if they would misunderstand it, and
// with a tab at its end if it has spaces.
func patchName(name string) string {
	quoted := false
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			quoted = true
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			quoted = true
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	switch {
	case quoted:
		return `"` + b.String() + `"`
	case strings.Contains(name, " "):
		return name + "\t"
	}
	return name
}

// coloured marks up a diff for a terminal.
func (i *invocation) coloured(changes string) string {
	if !i.colours(i.stdout) {
		return changes
	}
	const bold, red, green, cyan, plain = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
	var out strings.Builder
	for line := range strings.Lines(changes) {
		mark := ""
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			mark = bold
		case strings.HasPrefix(line, "@@"):
			mark = cyan
		case strings.HasPrefix(line, "-"):
			mark = red
		case strings.HasPrefix(line, "+"):
			mark = green
		}
		text, ended := strings.CutSuffix(line, "\n")
		if mark != "" {
			text = mark + text + plain
		}
		if out.WriteString(text); ended {
			out.WriteByte('\n')
		}
	}
	return out.String()
}
