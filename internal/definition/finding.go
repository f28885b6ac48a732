package definition

import (
	"cmp"
	"slices"
)

// Severity says whether a Finding stops the generation.
type Severity int

const (
	// Error stops the generation: the definition is wrong, or not honoured by this version.
	Error Severity = iota
	// Warning never stops it: the definition is legal, and probably not what its author means.
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Finding is one thing to say about a file, mostly at one place of it.
type Finding struct {
	Severity
	// File is the path of the file, as the user named it; empty if the finding is about none.
	File string
	// Position is zero if the finding is about the file as a whole.
	Position
	// Code names the kind of finding for programs, in kebab-case; empty where nobody would tell it from others.
	Code string
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
	// File is the path of the file that it is in.
	File string
	Position
	Label string
}

// Findings are what there is to say; where Parse returns them, sorted by position.
type Findings []Finding

// HasErrors says whether one of the findings is an Error.
func (f Findings) HasErrors() bool {
	return slices.ContainsFunc(f, func(finding Finding) bool { return finding.Severity == Error })
}

// Sort orders the findings by file and position, errors first.
func (f Findings) Sort() {
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Position.compare(b.Position), cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Message, b.Message))
	})
}

func (p Position) compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}
