package mutexgen_test

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/compat"
	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// block is a piece of code in the README.
type block struct{ language, code string }

var blocks = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

func blocksOf(text string) []block {
	var found []block
	for _, match := range blocks.FindAllStringSubmatch(text, -1) {
		found = append(found, block{language: match[1], code: match[2]})
	}
	return found
}

// readme is the README, or the section of it that bears a title.
func readme(t *testing.T, title string) string {
	t.Helper()
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	if title == "" {
		return text
	}
	_, text, found := strings.Cut(text, "\n## "+title+"\n")
	if !found {
		t.Fatalf("README.md has no section %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// application is a module of its own that does what the README says.
type application struct {
	t   *testing.T
	dir string
}

func newApplication(t *testing.T) *application {
	t.Helper()
	repository, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	_, requirements, _ := strings.Cut(string(module), "\nrequire ")
	a := &application{t: t, dir: t.TempDir()}
	// What go get -tool and go mod tidy leave: both would ask the network. It requires what this module requires, so that
	// all of it is in the module cache.
	a.write("go.mod", "module example.com/app\n\ngo 1.26.0\n\n"+
		"tool github.com/mutexgen/mutexgen/cmd/mutexgen\n\n"+
		"require github.com/mutexgen/mutexgen v0.0.0\n\n"+
		"replace github.com/mutexgen/mutexgen => "+repository+"\n\n"+
		"require "+requirements)
	a.write("go.sum", string(sums))
	return a
}

func (a *application) write(name, content string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// run runs a line of shell in the application's folder and returns what it prints.
func (a *application) run(line string) string {
	a.t.Helper()
	command := exec.Command("sh", "-c", line)
	command.Dir = a.dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	output, err := command.CombinedOutput()
	if err != nil {
		a.t.Fatalf("%s: %v\n%s", line, err, output)
	}
	return string(output)
}

func TestTheStepsAndTheGoCodeOfTheReadmeWork(t *testing.T) {
	a := newApplication(t)
	definitions := blocksOf(readme(t, ""))[0]
	if definitions.language != "yaml" {
		t.Fatalf("the README begins with %s, not with a mutexes.yaml", definitions.language)
	}
	for _, b := range blocksOf(readme(t, "Add it to an application")) {
		for line := range strings.Lines(b.code) {
			switch strings.TrimSpace(line) {
			case "go get -tool github.com/mutexgen/mutexgen/cmd/mutexgen", "go mod tidy": // done by newApplication
			case "go tool mutexgen init locks":
				a.run(line)
				a.write("locks/mutexes.yaml", definitions.code)
			default:
				if output := a.run(line); output != "" {
					t.Errorf("%s: %s", line, output)
				}
			}
		}
	}
	if _, err := os.Stat(filepath.Join(a.dir, "locks", "mutexes_gen.go")); err != nil {
		t.Fatal(err)
	}

	a.write("around.go", around)
	fragments := 0
	for _, b := range blocksOf(readme(t, "")) {
		if b.language != "go" {
			continue
		}
		fragments++
		if formatted, err := format.Source([]byte(b.code)); err != nil || string(formatted) != b.code {
			t.Errorf("not formatted (%v):\n%s", err, b.code)
		}
		name := fmt.Sprintf("fragment%d.go", fragments)
		if strings.HasPrefix(b.code, "func Test") {
			name = fmt.Sprintf("fragment%d_test.go", fragments)
		}
		a.write(name, asFile(b.code, fragments))
	}
	if fragments < 5 {
		t.Errorf("the README has only %d pieces of Go", fragments)
	}
	a.run("go vet ./...")
	if output := a.run("go test ./..."); !strings.Contains(output, "ok  \texample.com/app\t") {
		t.Errorf("go test: %s", output)
	}
}

// around is what the README's pieces of code take for granted.
const around = `package app

import "context"

var accountID int64

func buildReport(ctx context.Context) error { return ctx.Err() }

func withdraw(ctx context.Context, accountID, token int64) error { return ctx.Err() }

func transfer(ctx context.Context, accountID int64) error { return ctx.Err() }

func readBalance(ctx context.Context, accountID int64) (int, error) { return 0, ctx.Err() }
`

// packages are those that the README's pieces of code use, by what shows that they do.
var packages = []struct{ use, path string }{
	{`\bcontext\.`, "context"},
	{`\berrors\.`, "errors"},
	{`\blog\.`, "log"},
	{`\bslog\.`, "log/slog"},
	{`\btesting\.`, "testing"},
	{`\btime\.`, "time"},
	{`\btls\.`, "crypto/tls"},
	{`\bmutex\.`, "github.com/mutexgen/mutexgen/mutex"},
	{`\bmutextest\.`, "github.com/mutexgen/mutexgen/mutex/mutextest"},
	{`\bredis\.Options\b`, "github.com/redis/go-redis/v9"},
	{`\blocks\.(Open\b|Mutexes\b)`, "example.com/app/locks"},
}

// asFile makes a Go file of a piece of code: declarations as they are, statements as the body of a function.
func asFile(code string, number int) string {
	if !strings.HasPrefix(code, "func ") {
		parameters := "ctx context.Context"
		if !strings.Contains(code, "locks.Open(") {
			parameters += ", locks *locks.Mutexes"
		}
		lines := strings.Split(strings.TrimSpace(code), "\n")
		if !strings.HasPrefix(lines[len(lines)-1], "return ") {
			code += "return nil\n"
		}
		code = fmt.Sprintf("func fragment%d(%s) error {\n%s}\n", number, parameters, code)
	}
	var file strings.Builder
	file.WriteString("package app\n\nimport (\n")
	for _, p := range packages {
		if regexp.MustCompile(p.use).MatchString(code) {
			fmt.Fprintf(&file, "\t%q\n", p.path)
		}
	}
	file.WriteString(")\n\n" + code)
	return file.String()
}

// TestTheErrorsInTheReadmeAreReal makes the mistakes that the README shows the errors of.
func TestTheErrorsInTheReadmeAreReal(t *testing.T) {
	const mistaken = "version: 1\nmutexes:\n" +
		"  - name: NightlyReport\n    url: redis://localhost\n    key: report:nightly\n    ttl: 10m\n" +
		"  - name: MorningReport\n    url: redis://localhost\n    key: report:nightly\n"
	_, findings := definition.Parse("locks/mutexes.yaml", []byte(mistaken))
	var said strings.Builder
	report := definition.Report{Sources: map[string][]byte{"locks/mutexes.yaml": []byte(mistaken)}}
	if err := report.Write(&said, findings); err != nil {
		t.Fatal(err)
	}
	if section := readme(t, "Add it to an application"); !strings.Contains(section, "\n```\n"+said.String()+"```\n") {
		t.Errorf("the README doesn't show\n%s", said.String())
	}
}

// TestTheRuleInTheReadmeIsThatOfItsMutexes compares the ACL rule with what mutexgen acl makes of the first mutexes.yaml.
func TestTheRuleInTheReadmeIsThatOfItsMutexes(t *testing.T) {
	file, findings := definition.Parse("mutexes.yaml", []byte(blocksOf(readme(t, ""))[0].code))
	if findings.HasErrors() {
		t.Fatal(findings)
	}
	rules := acl.Rules(file, "locks")
	if len(rules) != 1 || !strings.Contains(readme(t, "mutexes.yaml"), "\n```\n"+rules[0].Command()+"\n```\n") {
		t.Errorf("the README doesn't show %v", rules)
	}
}

// TestTheBreakInTheReadmeIsReal changes a key in the README's first mutexes.yaml.
func TestTheBreakInTheReadmeIsReal(t *testing.T) {
	before := blocksOf(readme(t, ""))[0].code
	after := strings.Replace(before, "key: report:nightly", "key: reports:nightly", 1)
	old, _ := definition.Parse("main:mutexes.yaml", []byte(before))
	changed, _ := definition.Parse("mutexes.yaml", []byte(after))
	findings := compat.Compare(compat.Version{Name: "main:mutexes.yaml", File: old}, compat.Version{Name: "mutexes.yaml", File: changed})
	var said strings.Builder
	report := definition.Report{Sources: map[string][]byte{"mutexes.yaml": []byte(after)}}
	if err := report.Write(&said, findings); err != nil {
		t.Fatal(err)
	}
	if section := readme(t, "The command"); said.Len() == 0 || !strings.Contains(section, "\n```\n"+said.String()+"```\n") {
		t.Errorf("the README doesn't show\n%s", said.String())
	}
}

func TestTheReadmeDescribesEveryFieldOfMutexesYAML(t *testing.T) {
	type row struct{ meaning, fallback string }
	rows := make(map[string]row)
	for line := range strings.Lines(readme(t, "mutexes.yaml")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		name, isField := strings.CutPrefix(strings.TrimSpace(cells[0]), "`")
		if !isField || len(cells) != 3 {
			continue
		}
		name = strings.TrimSuffix(name, "`")
		if _, twice := rows[name]; twice {
			t.Errorf("%s is described twice", name)
		}
		rows[name] = row{meaning: cells[1], fallback: cells[2]}
	}
	for _, field := range definition.Fields() {
		r, described := rows[field.Name]
		delete(rows, field.Name)
		if !described {
			t.Errorf("%s is not described", field.Name)
			continue
		}
		if field.Default != "" && !strings.Contains(r.fallback, "`"+field.Default+"`") {
			t.Errorf("%s: the default is %s, not %s", field.Name, field.Default, r.fallback)
		}
		if strings.Contains(r.meaning, "**Not yet**") {
			t.Errorf("%s: it is honoured, and the README says that it isn't", field.Name)
		}
	}
	for name := range rows {
		t.Errorf("%s is described, but there is no such field", name)
	}
}
