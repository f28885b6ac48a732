package main

import (
	_ "embed"
	"fmt"
	"strings"
)

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

// section is what the manual says under the heading, with it; empty if there is none.
func section(heading string) string {
	_, text, found := strings.Cut(manual(), "\n# "+heading+"\n")
	if !found {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n# ")
	return heading + "\n" + strings.TrimRight(text, "\n") + "\n"
}

// usage is how the subcommand is called: the first indented block of its section.
func usage(subcommand string) string {
	return "usage: " + strings.ReplaceAll(firstBlock(section("mutexgen "+subcommand)), "\n", "\n       ") + "\n"
}

// overview is the list of subcommands.
func overview() string {
	return "usage:\n  " + strings.ReplaceAll(firstBlock(manual()), "\n", "\n  ") + "\nmutexgen -h prints the manual\n"
}

// firstBlock is the first block of a text that is indented, without its indentation.
func firstBlock(text string) string {
	_, text, _ = strings.Cut(text, "\n\t")
	text, _, _ = strings.Cut(text, "\n\n")
	return strings.ReplaceAll(text, "\n\t", "\n")
}

// help prints the manual of the subcommand that args names, or all of it.
func (e environment) help(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(e.stdout, manual())
		return exitOK
	}
	return e.run([]string{args[0], "-h"})
}
