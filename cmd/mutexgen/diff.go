package main

import (
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
		from, to := "a/"+filepath.ToSlash(t.Out), "b/"+filepath.ToSlash(t.Out)
		have, err := os.ReadFile(i.path(t.Out))
		if errors.Is(err, fs.ErrNotExist) {
			from, err = os.DevNull, nil
		}
		if err != nil {
			exit = i.fail(fmt.Errorf("read what was generated: %w", err))
			continue
		}
		changes := udiff.Unified(from, to, string(unixLines(have)), string(unixLines(want)))
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
