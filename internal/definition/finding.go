package definition

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Severity says whether a Finding stops the generation.
type Severity int

const (
	// Error stops the generation: the definition is wrong, or not honoured by this version.
	Error Severity = iota
	// Warning never stops it: the definition is legal, and probably not what its author means.
	Warning
)

// Finding is one thing to say about the file, at one place.
type Finding struct {
	Severity
	Position
	// Message is one line, without position and without the hint. It never holds a password.
	Message string
	// Hint says what to do; empty if we don't know.
	Hint string
	// Related are the other places that the message is about.
	Related []Related

	// concealFrom is the first line that holds a secret which secretSpans cannot find, written with escapes or over
	// several lines; zero if there is none. From there on no source line is shown, under any finding.
	concealFrom int
}

// Related is another place that a Finding is about.
type Related struct {
	Position
	Label string
}

// Findings are sorted by position.
type Findings []Finding

// HasErrors says whether one of the findings is an Error.
func (f Findings) HasErrors() bool {
	return slices.ContainsFunc(f, func(finding Finding) bool { return finding.Severity == Error })
}

// Write prints every finding: `name:line:col: message`, the source line, a caret under the column, the related places,
// the hint. Passwords in the source are shown as ***. Name and source are those that Parse had. An error is w's.
func (f Findings) Write(w io.Writer, name string, source []byte) error {
	if len(f) == 0 {
		return nil
	}
	text := newSource(source)
	masked := text.secretsByLine()
	concealed := len(text.lines) + 1
	for _, finding := range f {
		if finding.concealFrom > 0 {
			concealed = min(concealed, finding.concealFrom)
		}
	}
	var out strings.Builder
	for _, finding := range f {
		out.Reset()
		severity := ""
		if finding.Severity == Warning {
			severity = "warning: "
		}
		fmt.Fprintf(&out, "%s:%d:%d: %s%s\n", name, finding.Line, finding.Column, severity, finding.Message)
		if line, ok := text.line(finding.Line); ok && finding.Line < concealed {
			shown, caret := excerpt(line, finding.Column, masked[finding.Line-1])
			if strings.TrimSpace(shown) != "" {
				fmt.Fprintf(&out, "  %s\n  %s^\n", shown, caret)
			}
		}
		for _, related := range finding.Related {
			fmt.Fprintf(&out, "  %s:%d:%d: %s\n", name, related.Line, related.Column, related.Label)
		}
		if finding.Hint != "" {
			fmt.Fprintf(&out, "  hint: %s\n", finding.Hint)
		}
		if _, err := io.WriteString(w, out.String()); err != nil {
			return err
		}
	}
	return nil
}

// The part of a long line that is shown around the column, in runes.
const (
	excerptBefore = 100
	excerptAfter  = 60
)

// excerpt renders a source line for a terminal, and what to print before the caret. Tabs stay tabs in both, so that the
// caret stands right whatever their width. What a terminal might obey instead of show becomes U+FFFD.
func excerpt(line string, column int, secrets []span) (shown, caret string) {
	var text, indent strings.Builder
	first := max(1, column-excerptBefore)
	if first > 1 {
		text.WriteString("…")
		indent.WriteString(" ")
	}
	target := offsetOf(line, column)
	number, begin := first, offsetOf(line, first)
	for offset, r := range line[begin:] {
		if number > column+excerptAfter {
			text.WriteString("…")
			break
		}
		piece, pad := string(r), strings.Repeat(" ", cells(r))
		switch secret, hidden := spanAt(secrets, begin+offset); {
		case hidden && begin+offset > secret.from:
			piece, pad = "", ""
		case hidden:
			piece, pad = "***", ""
			if target >= secret.to { // else the caret stands at its beginning
				pad = "   "
			}
		case r == '\t':
			pad = "\t"
		case !unicode.IsPrint(r):
			piece, pad = "\uFFFD", " "
		}
		text.WriteString(piece)
		if number < column {
			indent.WriteString(pad)
		}
		number++
	}
	return strings.TrimRightFunc(text.String(), unicode.IsSpace), indent.String()
}

// offsetOf is the byte at which a column begins.
func offsetOf(line string, column int) int {
	for offset := range line {
		if column--; column < 1 {
			return offset
		}
	}
	return len(line)
}

// cells is how many columns of a terminal a printable rune takes.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115F, r >= 0x2E80 && r <= 0x303E, r >= 0x3041 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3,
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F, r >= 0xFF00 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6,
		r >= 0x1F300 && r <= 0x1F64F, r >= 0x1F680 && r <= 0x1F6FF, r >= 0x1F900 && r <= 0x1F9FF,
		r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}

func (f Findings) sort() {
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(a.Position.compare(b.Position), cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Message, b.Message))
	})
}

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}
