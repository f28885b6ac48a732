package main

import (
	"strings"
	"unicode/utf8"
)

// The marks of a terminal.
const (
	boldMark   = "\x1b[1m"
	redMark    = "\x1b[1;31m"
	yellowMark = "\x1b[1;33m"
	greenMark  = "\x1b[32m"
	cyanMark   = "\x1b[36m"
	plainMark  = "\x1b[0m"
)

// palette marks text up if there are colours.
type palette bool

func (p palette) mark(mark, text string) string {
	if !p || mark == "" || text == "" {
		return text
	}
	return mark + text + plainMark
}

// cell is a text in a table, and the mark that it has on a terminal.
type cell struct{ text, mark string }

// table is rows of cells, the first of which are the headings. What all rows but the headings leave empty is left out.
type table struct {
	palette
	rows [][]cell
}

func (t *table) add(texts ...string) {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	t.rows = append(t.rows, row)
}

// markLast marks the cell of the last row in that column.
func (t *table) markLast(column int, mark string) { t.rows[len(t.rows)-1][column].mark = mark }

func (t *table) String() string {
	widths := make(map[int]int)
	used := make(map[int]bool)
	for i, row := range t.rows {
		for column, c := range row {
			widths[column] = max(widths[column], utf8.RuneCountInString(c.text))
			used[column] = used[column] || i > 0 && c.text != ""
		}
	}
	var b strings.Builder
	for i, row := range t.rows {
		var line strings.Builder
		pad := 0
		for column, c := range row {
			if !used[column] {
				continue
			}
			mark := c.mark
			if i == 0 {
				mark = boldMark
			}
			line.WriteString(strings.Repeat(" ", pad) + t.mark(mark, c.text))
			pad = widths[column] - utf8.RuneCountInString(c.text) + 2
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
