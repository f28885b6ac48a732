package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func small(name string) *Table {
	t := &Table{Name: name, Title: "Title of " + name, Columns: []Column{Text("cell")}}
	t.Add(name + "!")
	return t
}

func write(t *testing.T, folder, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, PageFile), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, folder, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTablesGoBetweenTheirMarkers(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "# Page\n\n<!-- bench:a -->\nold\n<!-- /bench:a -->\n\ntext <!-- bench:b --><!-- /bench:b --> end\n")
	r := Report{Tables: []*Table{small("a"), small("b"), small("c")}, Charts: []Chart{sample}}
	missing, err := r.WriteDocs(folder)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(missing, " ") != "c" {
		t.Errorf("missing places: %q", missing)
	}
	const want = "# Page\n\n<!-- bench:a -->\n\n| cell |\n| ---- |\n| a!   |\n\n<!-- /bench:a -->\n\n" +
		"text <!-- bench:b -->\n\n| cell |\n| ---- |\n| b!   |\n\n<!-- /bench:b --> end\n"
	if got := read(t, folder, PageFile); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := read(t, folder, "throughput.svg"); got != sample.SVG() {
		t.Error("the chart is not the one of the report")
	}
	if _, err := r.WriteDocs(folder); err != nil {
		t.Fatal(err)
	}
	if got := read(t, folder, PageFile); got != want {
		t.Errorf("the second time it became\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(folder, TablesFile)); err == nil {
		t.Error("there is a file of tables as well")
	}
}

func TestWithoutAPageTheTablesAreAFile(t *testing.T) {
	folder := t.TempDir()
	if _, err := (Report{Tables: []*Table{small("a"), small("b")}}).WriteDocs(folder); err != nil {
		t.Fatal(err)
	}
	got := read(t, folder, TablesFile)
	for _, text := range []string{"## Title of a", "| a!   |", "## Title of b", "| b!   |"} {
		if !strings.Contains(got, text) {
			t.Errorf("no %q in\n%s", text, got)
		}
	}
}

func TestAMarkerWithoutItsEndChangesNothing(t *testing.T) {
	folder := t.TempDir()
	const page = "<!-- bench:a -->\n<!-- /bench:a -->\n<!-- bench:b -->\nprecious\n"
	write(t, folder, page)
	_, err := Report{Tables: []*Table{small("a"), small("b")}}.WriteDocs(folder)
	if err == nil || !strings.Contains(err.Error(), "/bench:b") {
		t.Errorf("the error is %v", err)
	}
	if got := read(t, folder, PageFile); got != page {
		t.Errorf("the page became\n%s", got)
	}
}

func TestAFolderThatIsNotThereIsAnError(t *testing.T) {
	if _, err := (Report{}).WriteDocs(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error")
	}
}

func TestTheMachineIsDescribed(t *testing.T) {
	got := Machine("7.0.15").Markdown()
	for _, text := range []string{"processor", "cores", "redis-server", "7.0.15", "Go"} {
		if !strings.Contains(got, text) {
			t.Errorf("no %q in\n%s", text, got)
		}
	}
	if share := WatchOthers().Share(); share == "" {
		t.Error("no share of others")
	}
}
