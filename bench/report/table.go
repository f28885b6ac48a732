// Package report turns measurements into what people read: Markdown tables, charts, and the place in the documentation
// where they stand.
package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Table is one table of the report.
type Table struct {
	// Name is what the markers in the documentation call it.
	Name    string
	Title   string
	Columns []Column
	Rows    [][]string
	// Notes are paragraphs below the table.
	Notes []string
}

// Column is a column's heading.
type Column struct {
	Title string
	// Number says that the column's cells line up at the right.
	Number bool
}

// Text and Number are columns.
func Text(title string) Column   { return Column{Title: title} }
func Number(title string) Column { return Column{Title: title, Number: true} }

// Add adds a row. Cells that are missing are empty.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.Columns))
	copy(row, cells)
	t.Rows = append(t.Rows, row)
}

// Note adds a paragraph, unless it stands there already.
func (t *Table) Note(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	for _, note := range t.Notes {
		if note == text {
			return
		}
	}
	t.Notes = append(t.Notes, text)
}

// Markdown is the table without its title. Its columns are aligned, so that it can be read as it is.
func (t *Table) Markdown() string {
	widths := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		widths[i] = max(utf8.RuneCountInString(cell(c.Title)), 3)
		for _, row := range t.Rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(row[i])))
		}
	}
	var b strings.Builder
	titles := make([]string, len(t.Columns))
	rules := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		titles[i] = c.Title
		rules[i] = strings.Repeat("-", widths[i])
		if c.Number {
			rules[i] = rules[i][1:] + ":"
		}
	}
	t.line(&b, widths, titles)
	t.line(&b, widths, rules)
	for _, row := range t.Rows {
		t.line(&b, widths, row)
	}
	for _, note := range t.Notes {
		fmt.Fprintf(&b, "\n%s\n", oneLine(note))
	}
	return b.String()
}

func (t *Table) line(b *strings.Builder, widths []int, cells []string) {
	for i, c := range cells {
		text := cell(c)
		fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if t.Columns[i].Number {
			text = fill + text
		} else {
			text += fill
		}
		b.WriteString("| " + text + " ")
	}
	b.WriteString("|\n")
}

// cell is a text that doesn't end its cell or row: error messages of others come here.
func cell(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
