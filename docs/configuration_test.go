// Package docs holds what keeps the documents beside it true.
package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/templates"
)

var update = flag.Bool("update", false, "write configuration.md")

const (
	written  = "configuration.md"
	template = "configuration.md.tmpl"
	header   = "<!-- Generated from " + template + " and the table of fields (internal/definition/fields.go). DO NOT EDIT.\n" +
		"     After a change of either: go test ./docs -run Configuration -update -->\n\n"
)

// TestConfigurationIsUpToDate renders the reference from the table of fields. To write it:
//
//	go test ./docs -run Configuration -update
func TestConfigurationIsUpToDate(t *testing.T) {
	want := configuration(t)
	if *update {
		if err := os.WriteFile(written, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(written)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(bytes.ReplaceAll(have, []byte("\r\n"), []byte("\n")), want) {
		return
	}
	haveLines, wantLines := strings.Split(string(have), "\n"), strings.Split(string(want), "\n")
	for i, line := range wantLines {
		if i >= len(haveLines) || haveLines[i] != line {
			t.Fatalf("%s:%d: it should say\n%s\nTo write it: go test ./docs -run Configuration -update", written, i+1, line)
		}
	}
	t.Fatalf("%s has more lines than it should", written)
}

// configuration is what configuration.md should be.
func configuration(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "\r\n", "\n")
	for mark, content := range map[string]string{"%overview%\n": overview(), "%fields%\n": reference(t), "%groups%": groups()} {
		if strings.Count(page, mark) != 1 {
			t.Fatalf("%s has %s %d times", template, mark, strings.Count(page, mark))
		}
		page = strings.Replace(page, mark, content, 1)
	}
	return []byte(header + withFindings(page))
}

// block is a definition in the page, and what the text behind it says of it, if there is one.
var block = regexp.MustCompile("(?m)^( *)```yaml\n((?s:.*?))^ *```\n(?:\n```text\n((?s:.*?))```\n)?")

// withFindings puts behind the definitions what mutexgen says of them, where there is a place for it.
func withFindings(page string) string {
	return block.ReplaceAllStringFunc(page, func(match string) string {
		definitions, said, ok := strings.Cut(match, "\n```text\n")
		if !ok {
			return match
		}
		_, after, _ := strings.Cut("\n"+said, "\n```")
		return definitions + "\n```text\n" + findings(block.FindStringSubmatch(match)[2]) + "```" + after
	})
}

func findings(text string) string {
	_, all := definition.Parse("mutexes.yaml", []byte(text))
	var out strings.Builder
	report := definition.Report{Sources: map[string][]byte{"mutexes.yaml": []byte(text)}}
	if err := report.Write(&out, all); err != nil {
		return err.Error()
	}
	return out.String()
}

// TestEveryDefinitionInConfigurationGeneratesOrSaysWhy parses all of them: those without a text behind them generate, and
// nothing is to be said of them; of the others it is just that text.
func TestEveryDefinitionInConfigurationGeneratesOrSaysWhy(t *testing.T) {
	page, err := os.ReadFile(written)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	valid, refused, warned := 0, 0, 0
	for _, match := range block.FindAllStringSubmatch(text, -1) {
		source := regexp.MustCompile("(?m)^"+match[1]).ReplaceAllString(match[2], "")
		if said := findings(source); said != match[3] {
			t.Errorf("%s\nmutexgen says\n%s\nthe page says\n%s", source, said, match[3])
		}
		file, _ := definition.Parse("mutexes.yaml", []byte(source))
		switch {
		case file == nil:
			refused++
			continue
		case match[3] != "":
			warned++
		default:
			valid++
		}
		if _, err := templates.Render(file, "locks", "mutexes.yaml"); err != nil {
			t.Errorf("%s\n%v", source, err)
		}
	}
	if valid < 4 || refused < 2 || warned < 1 || valid+refused+warned != strings.Count(text, "```yaml") {
		t.Errorf("%d definitions generate, %d are refused, %d warned of", valid, refused, warned)
	}
}

func TestLinksInConfigurationLeadSomewhere(t *testing.T) {
	page := string(configuration(t))
	anchors := map[string]int{}
	for _, match := range regexp.MustCompile("(?m)^#+ (.+)$").FindAllStringSubmatch(page, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(match[1]), " ", "-")
		anchors[regexp.MustCompile(`[^a-z0-9_-]`).ReplaceAllString(anchor, "")]++
	}
	for _, f := range definition.Fields() { // the schema leads there, too
		if anchors[f.Name] != 1 {
			t.Errorf("%d headings for %s", anchors[f.Name], f.Name)
		}
	}
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(page, -1)
	if len(links) < 40 {
		t.Errorf("%d links only", len(links))
	}
	for _, link := range links {
		if anchors[link[1]] != 1 {
			t.Errorf("%d headings for the link to #%s", anchors[link[1]], link[1])
		}
	}
}

func TestConfigurationDescribesEveryField(t *testing.T) {
	page := string(configuration(t))
	for _, f := range definition.Fields() {
		_, section, _ := strings.Cut(page, "\n### `"+f.Name+"`\n")
		section, _, _ = strings.Cut(section, "\n#")
		for _, want := range slices.Concat([]string{f.Markdown(), f.Default, f.Least, f.Most, f.Below}, f.Foreign, f.Examples) {
			if !strings.Contains(section, want) {
				t.Errorf("what it says of %s lacks %q:\n%s", f.Name, want, section)
			}
		}
	}
}

// TestKeysInConfigurationHaveTheirParameters reads the table of keys, in which a row is a key, a call in Go, and what it locks.
func TestKeysInConfigurationHaveTheirParameters(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `locks\\.(\\w+)\\.Synchronize\\(ctx(.*), fn\\)` \\|").
		FindAllStringSubmatch(string(configuration(t)), -1)
	if len(rows) < 5 {
		t.Fatalf("%d keys only", len(rows))
	}
	for _, row := range rows {
		text := fmt.Sprintf("version: 1\nmutexes:\n  - name: %s\n    url: redis://a\n    key: %q\n", row[2], row[1])
		file, all := definition.Parse("mutexes.yaml", []byte(text))
		if file == nil || len(all) > 0 {
			t.Errorf("%s\n%s", text, findings(text))
			continue
		}
		arguments := ""
		for _, parameter := range file.Mutexes[0].Key.Parameters() {
			arguments += ", " + parameter.GoName
		}
		if arguments != row[3] {
			t.Errorf("%s takes%s, not%s", row[1], arguments, row[3])
		}
	}
}

// TestRequiredFieldsAreRequired leaves out each of those that the page calls so, and each other.
func TestRequiredFieldsAreRequired(t *testing.T) {
	lines := []string{"version: 1", "package: locks", "defaults: {url: redis://a}", "mutexes: [{name: A, key: a}]"}
	for i, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		file, _ := definition.Parse("", []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "\n")))
		for _, f := range definition.Fields() {
			if f.Name == name && name != "defaults" && required(f) != (file == nil) {
				t.Errorf("required is %s: %t", name, required(f))
			}
		}
	}
	if file, _ := definition.Parse("", []byte("version: 1\nmutexes: [{url: redis://a, key: a}]")); file != nil {
		t.Error("a mutex needs no name")
	}
}

// kinds says what values of a kind are.
var kinds = map[definition.Kind]string{
	definition.Version:     "the number 1",
	definition.Package:     "a Go package name",
	definition.Defaults:    "a mapping of fields",
	definition.Mutexes:     "a list of mutexes, each a mapping of fields",
	definition.Name:        "an exported Go identifier",
	definition.Text:        "any text",
	definition.URL:         "a [URL](#urls)",
	definition.Servers:     "a list of [URLs](#urls)",
	definition.Cluster:     "a list of lists of [URLs](#urls)",
	definition.KeyTemplate: "a [key](#keys)",
	definition.Duration:    "a [duration](#durations)",
	definition.Wait:        "a [duration](#durations), `0` or `forever`",
	definition.Lifetime:    "a [duration](#durations) or `forever`",
	definition.Seconds:     "a whole number of seconds",
	definition.Count:       "a whole number",
	definition.Fraction:    "a number",
	definition.Switch:      "`true` or `false`",
	definition.OnOff:       "`on` or `off`",
}

// overview is a table of fields for the file, and one for mutexes.
func overview() string {
	var out strings.Builder
	row := func(f definition.Field) {
		first, _, _ := strings.Cut(f.Markdown()+" ", ". ")
		first, _, _ = strings.Cut(first, "; ")
		first, _, _ = strings.Cut(first, ": ")
		standard := code(f.Default)
		switch {
		case required(f):
			standard = "required"
		case f.Default == "":
			standard = "–"
		}
		fmt.Fprintf(&out, "| [%s](#%s) | %s | %s |\n", code(f.Name), f.Name, strings.TrimRight(first, ". "), standard)
	}
	for _, place := range []definition.Place{definition.InFile, definition.InMutex} {
		if place == definition.InFile {
			out.WriteString("At the top of the file:\n\n")
		} else {
			out.WriteString("\nOf a mutex; and of `defaults`, except `name`, `doc` and `key`:\n\n")
		}
		out.WriteString("| field | meaning | default |\n|---|---|---|\n")
		for _, f := range definition.Fields() {
			if f.In&place != 0 {
				row(f)
			}
		}
	}
	return out.String()
}

// reference is a section for each field.
func reference(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	heading := map[bool]string{true: "## Fields of the file", false: "## Fields of a mutex"}
	for i, f := range definition.Fields() {
		inFile := f.In == definition.InFile
		if i == 0 || inFile != (definition.Fields()[i-1].In == definition.InFile) {
			if heading[inFile] == "" {
				t.Fatalf("%s is not beside the other fields of its place", f.Name)
			}
			out.WriteString(heading[inFile] + "\n\n")
			heading[inFile] = ""
		}
		if kinds[f.Kind] == "" {
			t.Errorf("nothing is known of the kind of %s", f.Name)
		}
		fmt.Fprintf(&out, "### %s\n\n%s\n\n", code(f.Name), f.Markdown())
		out.WriteString("| | |\n|---|---|\n")
		for _, row := range rows(f) {
			if row[1] != "" {
				fmt.Fprintf(&out, "| %s | %s |\n", row[0], row[1])
			}
		}
		out.WriteByte('\n')
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func required(f definition.Field) bool {
	return slices.Contains([]definition.Kind{definition.Version, definition.Mutexes, definition.Name}, f.Kind)
}

func rows(f definition.Field) [][2]string {
	stands := "a mutex"
	switch {
	case f.In == definition.InFile:
		stands = "the file, at the top"
	case f.In&definition.InDefaults != 0:
		stands = "a mutex, or `defaults`"
	}
	must := ""
	if required(f) {
		must = "yes"
	}
	var bounds []string
	for _, bound := range [][2]string{{"at least", f.Least}, {"at most", f.Most}, {"below", f.Below}} {
		if bound[1] != "" {
			bounds = append(bounds, bound[0]+" "+code(bound[1]))
		}
	}
	var others []string
	for _, other := range definition.Fields() {
		if f.OneOf != "" && other.OneOf == f.OneOf && other.Name != f.Name {
			others = append(others, fmt.Sprintf("[%s](#%s)", code(other.Name), other.Name))
		}
	}
	var examples, foreign []string
	for _, example := range f.Examples {
		examples = append(examples, code(f.Name+": "+example))
	}
	for _, name := range f.Foreign {
		foreign = append(foreign, code(name))
	}
	return [][2]string{
		{"value", kinds[f.Kind]},
		{"stands in", stands},
		{"required", must},
		{"default", code(f.Default)},
		{"bounds", strings.Join(bounds, ", ")},
		{"not beside", strings.Join(others, ", ")},
		{"examples", strings.Join(examples, "<br>")},
		{"elsewhere", strings.Join(foreign, ", ")},
	}
}

// groups lists the fields that exclude each other.
func groups() string {
	var order []string
	members := map[string][]string{}
	for _, f := range definition.Fields() {
		if f.OneOf == "" {
			continue
		}
		if members[f.OneOf] == nil {
			order = append(order, f.OneOf)
		}
		members[f.OneOf] = append(members[f.OneOf], code(f.Name))
	}
	var all []string
	for _, group := range order {
		names := members[group]
		all = append(all, strings.Join(names[:len(names)-1], ", ")+" and "+names[len(names)-1])
	}
	return strings.Join(all, "; ")
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
