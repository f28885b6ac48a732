package definition

import (
	"fmt"
	"io"
)

// Format is how a Report is written.
type Format int

const (
	FormatText   Format = iota // for people: the source line, a caret, hints
	FormatJSON                 // for programs: one JSON object
	FormatGitHub               // annotations of a GitHub workflow
)

// FormatNames are what the formats are called, in the order of their values.
var FormatNames = []string{"text", "json", "github"}

// FormatOf is the format with that name.
func FormatOf(name string) (Format, bool) {
	for i, one := range FormatNames {
		if one == name {
			return Format(i), true
		}
	}
	return 0, false
}

// Report writes findings.
type Report struct {
	Format Format
	// Colour marks the text up for a terminal.
	Colour bool
	// Sources are the contents of files, by the names that findings give them. Of others no line is shown.
	Sources map[string][]byte
	// Path turns the name of a file into what GitHub knows it by; nil leaves it.
	Path func(name string) string
}

// Write writes the findings in their order; nothing in it is a password. An error is w's.
func (r Report) Write(w io.Writer, findings Findings) error {
	switch r.Format {
	case FormatJSON:
		return r.writeJSON(w, findings)
	case FormatGitHub:
		return r.writeGitHub(w, findings)
	}
	return r.writeText(w, findings)
}

// place is the name of a file with a position in it, as far as they are known.
func place(file string, at Position) string {
	switch {
	case file == "":
		return "mutexgen"
	case at.Line == 0:
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, at.Line, at.Column)
}
