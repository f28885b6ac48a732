// Package report writes down what was measured: tables in Markdown, and where and when that was.
package report

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Table is a table in Markdown. Columns whose heading ends with a colon, which isn't shown, are numbers.
type Table struct {
	Head []string
	Rows [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

func (t *Table) String() string {
	widths := make([]int, len(t.Head))
	rows := [][]string{make([]string, len(t.Head))}
	for i, name := range t.Head {
		rows[0][i] = strings.TrimSuffix(name, ":")
	}
	rows = append(rows, t.Rows...)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if strings.HasSuffix(t.Head[i], ":") {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, name := range t.Head {
			line := strings.Repeat("-", widths[i])
			if strings.HasSuffix(name, ":") {
				line = line[1:] + ":"
			}
			b.WriteString("| " + line + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// Quantile is the smallest of the durations that at least the share q of them don't exceed, zero if there is none.
func Quantile(q float64, durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Milliseconds is a duration as tables show it.
func Milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.3f ms", ms)
}

// Place is a table of where and when: what a reader needs to run it again. Facts are further rows, of two cells.
func Place(seed uint64, facts ...[2]string) *Table {
	t := &Table{Head: []string{"what", "which"}}
	t.Add("processor", processor())
	t.Add("cores", runtime.NumCPU())
	t.Add("system", output("uname", "-sr"))
	t.Add("Go", strings.TrimPrefix(runtime.Version(), "go")+" "+runtime.GOOS+"/"+runtime.GOARCH)
	t.Add("redis-server", redisVersion())
	for _, name := range []string{"redis/go-redis/v9", "anishathalye/porcupine"} {
		t.Add(name, output("go", "list", "-m", "-f", "{{.Version}}", "github.com/"+name))
	}
	t.Add("commit", commit())
	t.Add("seed", seed)
	for _, f := range facts {
		t.Add(f[0], f[1])
	}
	return t
}

// commit is the one that is checked out, and whether files differ from it.
func commit() string {
	hash := output("git", "rev-parse", "--short=12", "HEAD")
	if hash == unknown {
		return hash
	}
	if changes := output("git", "status", "--porcelain", "--untracked-files=no"); changes != "" {
		return hash + " with changes"
	}
	return hash
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

func redisVersion() string {
	for field := range strings.FieldsSeq(output("redis-server", "--version")) {
		if version, found := strings.CutPrefix(field, "v="); found {
			return version
		}
	}
	return unknown
}

const unknown = "?"

func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return unknown
	}
	return strings.TrimSpace(string(text))
}
