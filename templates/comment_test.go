package templates

import (
	"slices"
	"strings"
	"testing"

	"github.com/dave/jennifer/jen"
)

func TestEveryLineOfACommentGetsOurOwnMarker(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"plain", []string{"// plain"}},
		{"*/", []string{"// */"}},
		{"//go:generate rm", []string{"// //go:generate rm"}},
		{"go:generate rm", []string{"// go:generate rm"}},
		{"/*line a.go:1*/", []string{"// /*line a.go:1*/"}},
		{"+build ignore", []string{`// \+build ignore`}},
		{"a\n \t+build ignore", []string{"// a", "//  \t\\+build ignore"}},
		{"a +build b", []string{"// a +build b"}},
		{"a\n\nb", []string{"// a", "//", "// b"}},
		{"a  \t\nb", []string{"// a", "// b"}},
		{"a\rb\r\nc", []string{"// a", "// b", "// c"}},
		{"a\u2028b\u2029c\u0085d\ve\ff", []string{"// a", "// b", "// c", "// d", "// e", "// f"}},
		{"a\x00b\x1bc\x7f", []string{`// a\x00b\x1bc\x7f`}},
		{"a\xffb", []string{`// a\xffb`}},
		{"\ufeffa\u202eb\u200b", []string{`// \ufeffa\u202eb\u200b`}},
		{"Schlüssel 鍵 🔑", []string{"// Schlüssel 鍵 🔑"}},
		{"  first\n  second\n", []string{"// first", "//   second"}},
	} {
		if got := commentLines(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q becomes %q, not %q", c.text, got, c.want)
		}
	}
}

func TestLongProseIsWrappedAndLayoutIsNot(t *testing.T) {
	prose := strings.TrimSpace(strings.Repeat("four ", 60))
	lines := commentLines(prose + "\n    " + prose)
	if len(lines) != 5 || len(lines[4]) != len("//     ")+len(prose) {
		t.Fatalf("the lines are %q", lines)
	}
	for _, line := range lines[:4] {
		if len(line) > 100 {
			t.Errorf("%q has %d characters", line, len(line))
		}
	}
	word := strings.Repeat("x", 300)
	if lines := commentLines("a " + word + " b"); !slices.Equal(lines, []string{"// a", "// " + word, "// b"}) {
		t.Errorf("a long word becomes %q", lines)
	}
}

func TestWrappingCannotMakeABuildConstraint(t *testing.T) {
	for n := range 100 {
		for _, line := range commentLines(strings.Repeat("x", n+1) + " +build ignore") {
			if strings.HasPrefix(line, "// +build") {
				t.Fatalf("after %d characters: %s", n, line)
			}
		}
	}
}

func TestATypesDocBeginsWithItsName(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"", ""},
		{" \n\t", ""},
		{"makes sure that one runs.", "NightlyReport makes sure that one runs."},
		{"is held while it runs.", "NightlyReport is held while it runs."},
		{"may be held.", "NightlyReport may be held."},
		{"keeps", "NightlyReport keeps"},
		{"NightlyReport keeps one.", "NightlyReport keeps one."},
		{"NightlyReport: one.", "NightlyReport: one."},
		{"NightlyReport", "NightlyReport"},
		{"NightlyReports are one.", "NightlyReport: NightlyReports are one."},
		{"a lock for the report", "NightlyReport: a lock for the report"},
		{"this keeps one", "NightlyReport: this keeps one"},
		{"access to it", "NightlyReport: access to it"},
		{"One at a time.", "NightlyReport: One at a time."},
		{"go:generates rm", "NightlyReport: go:generates rm"},
		{"//go:generate rm", "NightlyReport: //go:generate rm"},
		{"hält eines", "NightlyReport: hält eines"},
		{"s", "NightlyReport: s"},
		{"makes\nsure", "NightlyReport makes\nsure"},
		{"makes\r\n\r\n\r\nsure", "NightlyReport makes\n\nsure"},
	} {
		if got := typeDoc("NightlyReport", c.doc); got != c.want {
			t.Errorf("%q becomes %q, not %q", c.doc, got, c.want)
		}
	}
}

func TestTextWithinASentenceIsQuotedIfItWouldNotRead(t *testing.T) {
	for text, want := range map[string]string{
		"report:nightly": "report:nightly",
		"a b":            "a b",
		"":               `""`,
		" a":             `" a"`,
		"a\nb":           `"a\nb"`,
		"a\tb":           `"a\tb"`,
		"\xff":           `"\xff"`,
		"鍵":              "鍵",
	} {
		if got := onOneLine(text); got != want {
			t.Errorf("%q becomes %s, not %s", text, got, want)
		}
	}
}

func TestACommentIsWrittenAheadOfWhatItDescribes(t *testing.T) {
	out := jen.NewFile("locks")
	emitComment(out.Group, "T is\none.")
	out.Type().Id("T").Int()
	if got := out.GoString(); !strings.Contains(got, "// T is\n// one.\ntype T int\n") {
		t.Error(got)
	}
}
