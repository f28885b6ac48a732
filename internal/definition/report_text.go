package definition

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The marks of a terminal for each part of a finding.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// marked is text between a mark and its end, if there are colours.
func (r Report) marked(mark, text string) string {
	if !r.Colour || text == "" {
		return text
	}
	return mark + text + plain
}

// writeText prints every finding: `name:line:col: message`, the source line, a caret under the column, the related
// places, the hint. Passwords in the source are shown as ***.
func (r Report) writeText(w io.Writer, findings Findings) error {
	files := map[string]*shownFile{}
	for _, finding := range findings {
		file, ok := files[finding.File]
		if !ok {
			file = r.shown(finding.File, findings)
			files[finding.File] = file
		}
		severity, colour := "", red
		if finding.Severity == Warning {
			severity, colour = "warning:", yellow
		}
		var out strings.Builder
		out.WriteString(r.marked(bold, printable(place(finding.File, finding.Position))+":") + " ")
		if severity != "" {
			out.WriteString(r.marked(colour, severity) + " ")
		}
		out.WriteString(r.marked(bold, printable(finding.Message)) + "\n")
		if shown, caret := file.excerpt(finding.Position); shown != "" {
			fmt.Fprintf(&out, "  %s\n  %s%s\n", shown, caret, r.marked(colour, "^"))
		}
		for _, related := range finding.Related {
			fmt.Fprintf(&out, "  %s: %s\n", printable(place(related.File, related.Position)), printable(related.Label))
		}
		if finding.Hint != "" {
			fmt.Fprintf(&out, "  %s %s\n", r.marked(cyan, "hint:"), printable(finding.Hint))
		}
		if _, err := io.WriteString(w, out.String()); err != nil {
			return err
		}
	}
	return nil
}

// printable escapes what a terminal, or whatever else reads lines, might obey instead of show. The name of a file can have any
// of it.
func printable(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, width := utf8.DecodeRuneInString(text)
		if !unicode.IsPrint(r) || r == utf8.RuneError && width == 1 {
			quoted := strconv.Quote(text[:width])
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteString(text[:width])
		}
		text = text[width:]
	}
	return out.String()
}

// shownFile is a file of which lines may be shown.
type shownFile struct {
	source *source
	// masked are the secrets of lines that were shown before, by their numbers.
	masked map[int][]span
	// concealed is the first line that must not be shown.
	concealed int
}

func (r Report) shown(name string, findings Findings) *shownFile {
	content, ok := r.Sources[name]
	if !ok {
		return &shownFile{}
	}
	file := &shownFile{source: newSource(content), masked: map[int][]span{}}
	file.concealed = len(file.source.lines) + 1
	for _, finding := range findings {
		if finding.File == name && finding.concealFrom > 0 {
			file.concealed = min(file.concealed, finding.concealFrom)
		}
	}
	return file
}

// excerpt is the source line at the position and what to print before the caret; the line is empty if there is none to
// show.
func (f *shownFile) excerpt(at Position) (shown, caret string) {
	if f.source == nil {
		return "", ""
	}
	line, ok := f.source.line(at.Line)
	if !ok || at.Line >= f.concealed {
		return "", ""
	}
	masked, known := f.masked[at.Line]
	if !known {
		masked = secretSpans(line)
		f.masked[at.Line] = masked
	}
	shown, caret = excerpt(line, at.Column, masked)
	if strings.TrimSpace(shown) == "" {
		return "", ""
	}
	return shown, caret
}
