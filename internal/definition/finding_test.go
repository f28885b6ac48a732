package definition

import (
	"errors"
	"strings"
	"testing"
)

// report writes text with one source.
func report(name, source string) Report {
	return Report{Sources: map[string][]byte{name: []byte(source)}}
}

func TestTheCaretStandsUnderTheColumn(t *testing.T) {
	long := strings.Repeat("x", 150)
	for _, test := range []struct {
		line   string
		column int
		want   string
	}{
		{"abc", 1, "  abc\n  ^\n"},
		{"abc", 3, "  abc\n    ^\n"},
		{"abc", 4, "  abc\n     ^\n"},
		{"\ta\tb", 4, "  \ta\tb\n  \t \t^\n"},
		{"äöü: b", 6, "  äöü: b\n       ^\n"},
		{"日本: b", 5, "  日本: b\n        ^\n"},
		{"e\u0301: b", 5, "  e\u0301: b\n     ^\n"},
		{"a\x1b[31mb", 7, "  a\uFFFD[31mb\n        ^\n"},
		{"u: redis://:geheim@h x", 22, "  u: redis://:***@h x\n                    ^\n"},
		{"u: redis://:geheim@h x", 15, "  u: redis://:***@h x\n              ^\n"},
		{"u: redis://:geheim@h x", 12, "  u: redis://:***@h x\n             ^\n"},
		{long + "y" + long, 151, "  …" + strings.Repeat("x", 100) + "y" + strings.Repeat("x", 60) + "…\n  " + strings.Repeat(" ", 101) + "^\n"},
		{"", 1, ""},
		{"   ", 2, ""},
	} {
		var out strings.Builder
		findings := Findings{{File: "f", Position: Position{1, test.column}, Message: "m"}}
		if err := report("f", test.line).Write(&out, findings); err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(out.String(), "\n")
		if got != test.want {
			t.Errorf("%q, column %d: got\n%swant\n%s", test.line, test.column, got, test.want)
		}
	}
}

func TestWriteShowsEachPartOfAFinding(t *testing.T) {
	findings := Findings{
		{Severity: Warning, File: "dir/m.yaml", Position: Position{2, 1}, Message: "odd",
			Related: []Related{{"dir/m.yaml", Position{1, 1}, "here"}, {"other.yaml", Position{3, 2}, "there"}, {"third.yaml", Position{}, "all of it"}}},
		{File: "dir/m.yaml", Position: Position{3, 2}, Message: "wrong", Hint: "do right"},
		{File: "whole.go", Message: "missing"},
		{Message: "broken pipe"},
	}
	var out strings.Builder
	if err := report("dir/m.yaml", "a\r\nb\r\ncd").Write(&out, findings); err != nil {
		t.Fatal(err)
	}
	want := "dir/m.yaml:2:1: warning: odd\n  b\n  ^\n  dir/m.yaml:1:1: here\n  other.yaml:3:2: there\n  third.yaml: all of it\n" +
		"dir/m.yaml:3:2: wrong\n  cd\n   ^\n  hint: do right\nwhole.go: missing\nmutexgen: broken pipe\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	if !findings.HasErrors() || findings[:1].HasErrors() || Findings(nil).HasErrors() {
		t.Error("HasErrors counts errors, not warnings")
	}
}

func TestWriteOutlivesPositionsThatAreNotInTheSource(t *testing.T) {
	findings := Findings{{File: "f", Position: Position{9, 9}, Message: "m"}, {File: "f", Position: Position{-1, -1}, Message: "n"},
		{File: "f", Position: Position{1, 9}, Message: "o"}}
	for _, r := range []Report{report("f", "a"), report("f", ""), {}} {
		for r.Format = range Format(len(FormatNames)) {
			var out strings.Builder
			if err := r.Write(&out, findings); err != nil || !strings.Contains(out.String(), "o") {
				t.Errorf("%v: %s", err, out.String())
			}
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestWriteReturnsTheWritersError(t *testing.T) {
	for format, name := range FormatNames {
		r := Report{Format: Format(format)}
		if err := r.Write(broken{}, Findings{{File: "f", Position: Position{1, 1}, Message: "m"}}); err == nil {
			t.Errorf("no error of the format %s", name)
		}
	}
}

func TestTooMuchToSayEnds(t *testing.T) {
	text := "version: 1\nmutexes:\n" + strings.Repeat("- 7\n", 3000)
	_, findings := Parse("mutexes.yaml", []byte(text))
	if len(findings) != findingLimit+1 || findings[findingLimit].Message != "there is more to say; this is where it gets too much" {
		t.Errorf("%d findings, the last is %+v", len(findings), findings[len(findings)-1])
	}
	// Warnings, however many, don't become an error, and don't hide one.
	text = "version: 1\nmutexes:\n" + strings.Repeat("- {name: A, url: redis://:p@a}\n", 1500)
	_, findings = Parse("mutexes.yaml", []byte(text))
	if !findings.HasErrors() {
		t.Error("the errors are lost")
	}
	text = "version: 1\nmutexes:\n"
	for i := range 1500 {
		text += "- {name: M" + strings.Repeat("x", i%100) + string(rune('A'+i/100)) + ", url: 'redis://:p@a', key: k" +
			strings.Repeat("x", i) + "}\n"
	}
	file, findings := Parse("mutexes.yaml", []byte(text))
	if file == nil || findings.HasErrors() || len(findings) != findingLimit+1 {
		t.Errorf("file %v, %d findings", file != nil, len(findings))
	}
}
