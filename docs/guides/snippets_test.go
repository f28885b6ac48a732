package guides

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/templates"
)

// around is what the pieces of code take for granted.
const around = `package app

import "context"

var (
	accountID, userID int64
	resource          string
)

func buildReport(ctx context.Context) error { return ctx.Err() }

func importFeed(ctx context.Context) error { return ctx.Err() }

func sendMail(ctx context.Context) error { return ctx.Err() }

func transfer(ctx context.Context, accountID int64) error { return ctx.Err() }

func withdraw(ctx context.Context, accountID, token int64) error { return ctx.Err() }
`

// imports are the packages that the pieces of code use, by what shows that they do.
var imports = []struct{ use, path string }{
	{`\bcontext\.`, "context"},
	{`\berrors\.`, "errors"},
	{`\blog\.`, "log"},
	{`\bslog\.`, "log/slog"},
	{`\btime\.`, "time"},
	{`\bmutex\.`, "github.com/mutexgen/mutexgen/mutex"},
	{`\blocks\b`, "example.com/app/locks"},
}

var comment = regexp.MustCompile(`//.*`)

// asFile makes a Go file of a piece of code: statements are the body of a function, declarations stand as they are.
func asFile(code string, number int) string {
	if !strings.HasPrefix(code, "func ") {
		lines := strings.Split(strings.TrimSpace(code), "\n")
		if !strings.HasPrefix(lines[len(lines)-1], "return ") {
			code += "return nil\n"
		}
		code = fmt.Sprintf("func piece%d(ctx context.Context, locks *locks.Mutexes) error {\n%s}\n", number, code)
	}
	var file strings.Builder
	file.WriteString("package app\n\nimport (\n")
	for _, i := range imports {
		if regexp.MustCompile(i.use).MatchString(comment.ReplaceAllString(code, "")) {
			fmt.Fprintf(&file, "\t%q\n", i.path)
		}
	}
	return file.String() + ")\n\n" + code
}

// compiler checks Go code against the packages of this module and the standard library, compiled once.
type compiler struct {
	files   *token.FileSet
	exports map[string]string
	real    types.Importer
	locks   *types.Package // what the pieces of code import as example.com/app/locks
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	arguments := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}
	for _, i := range imports {
		if !strings.HasPrefix(i.path, "example.com/") {
			arguments = append(arguments, i.path)
		}
	}
	output, err := exec.Command("go", arguments...).Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	c := &compiler{files: token.NewFileSet(), exports: map[string]string{}}
	for line := range strings.Lines(string(output)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		c.exports[path] = export
	}
	c.real = importer.ForCompiler(c.files, "gc", func(path string) (io.ReadCloser, error) {
		if c.exports[path] == "" {
			return nil, fmt.Errorf("nothing is known of %s", path)
		}
		return os.Open(c.exports[path])
	})
	return c
}

func (c *compiler) Import(path string) (*types.Package, error) {
	if path == "example.com/app/locks" {
		return c.locks, nil
	}
	return c.real.Import(path)
}

// check compiles files as one package, and returns everything that is wrong.
func (c *compiler) check(path string, files ...string) (*types.Package, error) {
	var parsed []*ast.File
	var errs []error
	for i, text := range files {
		file, err := parser.ParseFile(c.files, fmt.Sprintf("file%d.go", i), text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
	}
	config := types.Config{Importer: c, Error: func(err error) { errs = append(errs, err) }}
	compiled, _ := config.Check(path, c.files, parsed, nil)
	return compiled, errors.Join(errs...)
}

// generate makes the package locks of definitions.
func (c *compiler) generate(definitions string) error {
	file, findings := definition.Parse("mutexes.yaml", []byte(definitions))
	if file == nil || len(findings) > 0 {
		return fmt.Errorf("mutexgen says %v", findings)
	}
	code, err := templates.Render(file, "locks", "mutexes.yaml")
	if err != nil {
		return err
	}
	c.locks, err = c.check("example.com/app/locks", string(code))
	return err
}

// TestEverySnippetCompiles generates code from each mutexes.yaml of the guides, of which nothing is to be said, and compiles
// what Go follows it in its section.
func TestEverySnippetCompiles(t *testing.T) {
	c := newCompiler(t)
	definitions, pieces := 0, 0
	for _, page := range pages {
		for _, s := range sections(t, page) {
			c.locks = nil
			for _, b := range s.blocks {
				switch b.language {
				case "yaml":
					if err := c.generate(b.code); err != nil {
						t.Fatalf("%s: %s: %v\n%s", page, s.title, err, b.code)
					}
					definitions++
				case "go":
					pieces++
					if formatted, err := format.Source([]byte(b.code)); err != nil || !bytes.Equal(formatted, []byte(b.code)) {
						t.Errorf("%s: %s: not formatted (%v):\n%s", page, s.title, err, b.code)
					}
					if c.locks == nil {
						t.Errorf("%s: %s: there is no mutexes.yaml for\n%s", page, s.title, b.code)
					} else if _, err := c.check("example.com/app", around, asFile(b.code, pieces)); err != nil {
						t.Errorf("%s: %s: %v\n%s", page, s.title, err, b.code)
					}
				case "sh", "sql", "text", "redis":
				default:
					t.Errorf("%s: %s: a block of %s, of which nothing is checked", page, s.title, b.language)
				}
			}
		}
	}
	if definitions < 12 || pieces < 13 {
		t.Errorf("%d definitions, %d pieces of Go", definitions, pieces)
	}
}

// A check that finds nothing proves nothing.
func TestWhatDoesNotCompileIsFound(t *testing.T) {
	c := newCompiler(t)
	for _, wrong := range []string{
		"mutexes: [{name: A, url: redis://a}]",                          // no version
		"version: 1\nmutexes: [{name: A, url: redis://a, ttl: 30s}]",    // no such field
		"version: 1\nmutexes: [{name: A, url: 'redis://:secret@a'}]",    // a warning
		"version: 1\nmutexes: [{name: A, servers: [redis://a, 'b:1']}]", // an even number
	} {
		if err := c.generate(wrong); err == nil {
			t.Errorf("nothing is said of\n%s", wrong)
		}
	}
	if err := c.generate("version: 1\nmutexes: [{name: A, url: redis://a, key: 'a:{id:int64}'}]"); err != nil {
		t.Fatal(err)
	}
	const right = "_, err := locks.A.AcquireLock(ctx, accountID, mutex.WithWait(5*time.Second))\nreturn err\n"
	if _, err := c.check("example.com/app", around, asFile(right, 1)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{"locks.A", "locks.B"}, {"accountID, ", ""}, {"WithWait", "WithWayt"}, {"return err", ""}} {
		wrong := strings.Replace(right, change[0], change[1], 1)
		if _, err := c.check("example.com/app", around, asFile(wrong, 1)); err == nil {
			t.Errorf("this compiles:\n%s", wrong)
		}
	}
}
