package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Report is all that a run has measured.
type Report struct {
	Tables []*Table
	Charts []Chart
}

// Markdown is the whole report.
func (r Report) Markdown() string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "## %s\n\n%s\n", t.Title, t.Markdown())
	}
	return b.String()
}

// TablesFile and PageFile are the files in the folder of the documentation.
const (
	PageFile   = "performance.md"
	TablesFile = "performance-tables.md"
)

// WriteDocs puts the report into a folder. In its performance.md, what stands between <!-- bench:NAME --> and
// <!-- /bench:NAME --> is replaced by the table of that name; without such a page, the tables become a file of their own.
// The charts are files beside it. It returns the names of the tables that the page has no place for.
func (r Report) WriteDocs(folder string) (missing []string, err error) {
	page := filepath.Join(folder, PageFile)
	content, err := os.ReadFile(page)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.WriteFile(filepath.Join(folder, TablesFile), []byte("# Measured\n\n"+r.Markdown()), 0o644); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		text := string(content)
		for _, t := range r.Tables {
			filled, ok, err := fill(text, t)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", page, err)
			}
			if !ok {
				missing = append(missing, t.Name)
				continue
			}
			text = filled
		}
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	for _, c := range r.Charts {
		if err := os.WriteFile(filepath.Join(folder, c.Name+".svg"), []byte(c.SVG()), 0o644); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// fill puts the table between its markers, if the text has them.
func fill(text string, t *Table) (filled string, ok bool, err error) {
	open, close := "<!-- bench:"+t.Name+" -->", "<!-- /bench:"+t.Name+" -->"
	before, rest, ok := strings.Cut(text, open)
	if !ok {
		return "", false, nil
	}
	_, after, ok := strings.Cut(rest, close)
	if !ok {
		return "", false, fmt.Errorf("%s is not followed by %s", open, close)
	}
	return before + open + "\n\n" + t.Markdown() + "\n" + close + after, true, nil
}
