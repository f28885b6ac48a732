package report

import (
	"math"
	"strings"
	"testing"
)

func TestATableIsAligned(t *testing.T) {
	table := Table{Columns: []Column{Text("contestant"), Number("pairs/s"), Text("")}}
	table.Add("mutexgen", "1,234")
	table.Add("é", "5", "µ")
	table.Note("one: %d", 1)
	table.Note("one: %d", 1)
	table.Note("two\nlines")
	const want = `| contestant | pairs/s |     |
| ---------- | ------: | --- |
| mutexgen   |   1,234 |     |
| é          |       5 | µ   |

one: 1

two lines
`
	if got := table.Markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestHostileTextStaysInItsCell(t *testing.T) {
	table := Table{Columns: []Column{Text("a"), Text("b")}}
	table.Add("x | y\n| z |", "\r\n")
	got := table.Markdown()
	if lines := strings.Count(got, "\n"); lines != 3 {
		t.Errorf("%d lines:\n%s", lines, got)
	}
	if !strings.Contains(got, `x \| y \| z \|`) {
		t.Errorf("a separator got out:\n%s", got)
	}
}

func TestNoBarIsReachedByRounding(t *testing.T) {
	for _, c := range []struct {
		bar     Bar
		text    string
		value   string
		reached bool
	}{
		{AtLeast("", "", 1, "× L1", 1), "≥ 1 × L1", "1 × L1", true},
		{AtLeast("", "", 1, "× L1", 0.9999), "≥ 1 × L1", "0.99 × L1", false},
		{AtLeast("", "", 1.05, "", 1.0567), "≥ 1.05", "1.05", true},
		{AtMost("", "", 1.5, "", 1.5), "≤ 1.5", "1.5", true},
		{AtMost("", "", 1.5, "", 1.5001), "≤ 1.5", "1.51", false},
		{AtMost("", "", 3, "ms", 0.291), "≤ 3 ms", "0.3 ms", true},
		{AtMost("", "", 0, "keys left", 0), "no keys left", "0 keys left", true},
		{AtMost("", "", 0, "keys left", math.Copysign(0, -1)), "no keys left", "0 keys left", true},
		{AtMost("", "", 0, "keys left", 1), "no keys left", "1 keys left", false},
		{AtLeast("", "", 1, "", math.NaN()), "≥ 1", "?", false},
		{AtMost("", "", 1, "", math.NaN()), "≤ 1", "?", false},
		{AtMost("", "", 1, "", math.Inf(1)), "≤ 1", "?", false},
		{AtLeast("", "", 1, "", math.Inf(1)), "≥ 1", "?", false},
		// What floating point makes of an exact 1.1 must not be below it.
		{AtLeast("", "", 1.1, "", 0.1*11), "≥ 1.1", "1.1", true},
		{AtLeast("", "", 0.29, "", 0.29), "≥ 0.29", "0.29", true},
	} {
		if got := c.bar.Text(); got != c.text {
			t.Errorf("%+v is written %q, want %q", c.bar, got, c.text)
		}
		if got := c.bar.Value(); got != c.value {
			t.Errorf("the value of %+v is %q, want %q", c.bar, got, c.value)
		}
		if got := c.bar.Reached(); got != c.reached {
			t.Errorf("%+v is reached: %v", c.bar, got)
		}
	}
}

func TestCellsTellWhatWasMissed(t *testing.T) {
	fast, slow := AtLeast("", "", 1, "× L1", 2), AtMost("", "", 3, "ms", 4)
	slow.Short = "p99"
	want, result := Cells(fast, slow)
	if want != "≥ 1 × L1, p99 ≤ 3 ms" || result != "missed: p99 4 ms" {
		t.Errorf("%q, %q", want, result)
	}
	if _, result := Cells(fast); result != "reached" {
		t.Errorf("%q", result)
	}
}

func TestTheListOfBarsHasThemAll(t *testing.T) {
	bar := AtLeast("pair", "3 nodes", 1.05, "× L1", 1.2)
	bar.Peer = "0.9 (redsync)"
	got := Bars([]Bar{bar, AtMost("pair", "3 nodes", 24, "allocations", 30)}).Markdown()
	for _, row := range []string{
		"| pair     | 3 nodes | ≥ 1.05 × L1      |       1.2 × L1 | 0.9 (redsync) | reached |",
		"| pair     | 3 nodes | ≤ 24 allocations | 30 allocations |               | missed  |",
	} {
		if !strings.Contains(got, row) {
			t.Errorf("without %q:\n%s", row, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999.4), "999"}, {Count(999.6), "1,000"}, {Count(1234567), "1,234,567"},
		{Count(-1234), "-1,234"}, {Count(-0.2), "0"}, {Count(math.NaN()), "–"}, {Count(math.Inf(1)), "–"},
		{Decimal(1.005, 1), "1.0"}, {Decimal(math.NaN(), 1), "–"},
		{Range(0.5, 2, 1), "0.5–2.0"}, {Range(math.NaN(), 2, 1), "–"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
