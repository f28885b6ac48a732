// Package guides holds what keeps migrating.md and guarantees.md true: their code compiles, their figures are reckoned anew,
// their commands are sent, and the tests that they name exist.
package guides

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	migrating  = "../migrating.md"
	guarantees = "../guarantees.md"
)

// pages are the documents that this package looks after.
var pages = []string{migrating, guarantees}

// read is the text of a document.
func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// section is what stands under a heading of the second level.
type section struct {
	title  string
	blocks []block
}

// block is a piece of code, without the indentation that the list around it has.
type block struct{ language, code string }

var fence = regexp.MustCompile("(?m)^( *)```([a-z]+)\n((?s:.*?))^ *```$")

// sections are the parts of a document in which there is code.
func sections(t *testing.T, page string) []section {
	t.Helper()
	var all []section
	for _, part := range strings.Split("\n"+read(t, page), "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		s := section{title: title}
		for _, match := range fence.FindAllStringSubmatch(text, -1) {
			code := regexp.MustCompile("(?m)^"+match[1]).ReplaceAllString(match[3], "")
			s.blocks = append(s.blocks, block{language: match[2], code: code})
		}
		all = append(all, s)
	}
	return all
}

var heading = regexp.MustCompile("(?m)^#+ (.+)$")

// anchors are the places in a document to which links can lead, as GitHub names them.
func anchors(t *testing.T, page string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
		name := strings.ReplaceAll(strings.ToLower(match[1]), " ", "-")
		found[regexp.MustCompile(`[^\pL\pN_-]`).ReplaceAllString(name, "")]++
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)

func TestLinksInTheGuidesLeadSomewhere(t *testing.T) {
	links := 0
	for _, page := range pages {
		for _, match := range link.FindAllStringSubmatch(read(t, page), -1) {
			links++
			target := page
			if match[1] != "" {
				target = filepath.Join("..", match[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", page, match[0], err)
				continue
			}
			if match[2] != "" && anchors(t, target)[match[2]] != 1 {
				t.Errorf("%s: %s: %d headings", page, match[0], anchors(t, target)[match[2]])
			}
		}
	}
	if links < 30 {
		t.Errorf("%d links only", links)
	}
}

var (
	named    = regexp.MustCompile(`\bTest[A-Z]\w+`)
	function = regexp.MustCompile(`(?m)^func (Test[A-Z]\w+)\(`)
)

// tests are all test functions of the repository.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryTestThatTheGuidesNameExists(t *testing.T) {
	there := tests(t)
	if !there["TestEveryTestThatTheGuidesNameExists"] {
		t.Fatal("this very test is not found")
	}
	count := 0
	for _, page := range pages {
		for _, name := range named.FindAllString(read(t, page), -1) {
			count++
			if !there[name] {
				t.Errorf("%s names %s, which there is not", page, name)
			}
		}
	}
	if count < 40 {
		t.Errorf("they name %d tests only", count)
	}
}
