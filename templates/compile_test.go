package templates

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
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// packages are the packages that generated code can really import: package mutex, all that it is made of, and the names of
// all of the standard library. They are compiled once.
type packages struct {
	files    *token.FileSet
	importer types.Importer
	names    map[string]string // of the standard library's, by path
}

var realPackages = sync.OnceValues(func() (*packages, error) {
	standard, err := list("{{.ImportPath}}\t{{.Name}}", "std")
	if err != nil {
		return nil, err
	}
	exports, err := list("{{.ImportPath}}\t{{.Export}}", "-export", "-deps", mutexPath)
	if err != nil {
		return nil, err
	}
	p := &packages{files: token.NewFileSet(), names: standard}
	p.importer = importer.ForCompiler(p.files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("package mutex is made without %s", path)
		}
		return os.Open(exports[path])
	})
	return p, nil
})

// list is what go list says, as a map from the first column to the second.
func list(columns string, arguments ...string) (map[string]string, error) {
	output, err := exec.Command("go", append([]string{"list", "-f", columns}, arguments...)...).Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(output)) {
		first, second, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		rows[first] = second
	}
	return rows, nil
}

// imagined imports what generated code itself needs as it is, and imagines all else to have the types that the definitions
// name.
type imagined struct {
	*packages
	fakes map[string]*types.Package
}

func (i imagined) Import(path string) (*types.Package, error) {
	if fake := i.fakes[path]; fake != nil {
		return fake, nil
	}
	return i.importer.Import(path)
}

// imagine makes up the packages of the types of key parameters. It is not ok if a package is among them that generated
// code itself needs, and that has no such type: then the code need not compile.
func (p *packages) imagine(file *definition.File) (imagined, bool) {
	i := imagined{packages: p, fakes: map[string]*types.Package{}}
	for m := range file.Mutexes {
		for _, parameter := range file.Mutexes[m].Key.Parameters() {
			path := parameter.Import
			switch {
			case path == "":
			case ownNames[path] != "":
				if real, err := p.importer.Import(path); err != nil || !isStringer(real.Scope().Lookup(parameter.Type)) {
					return i, false
				}
			default:
				if i.fakes[path] == nil {
					name := "whatever" // which a package may be called whatever its path
					if p.names[path] != "" {
						name = p.names[path]
					}
					i.fakes[path] = types.NewPackage(path, name)
					i.fakes[path].MarkComplete()
				}
				addStringer(i.fakes[path], parameter.Type)
			}
		}
	}
	return i, true
}

func isStringer(object types.Object) bool {
	named, ok := object.(*types.TypeName)
	if !ok {
		return false
	}
	if generic, ok := named.Type().(*types.Named); ok && generic.TypeParams().Len() > 0 {
		return false
	}
	method, _, _ := types.LookupFieldOrMethod(named.Type(), false, named.Pkg(), "String")
	function, ok := method.(*types.Func)
	return ok && function.Signature().Params().Len() == 0 && function.Signature().Results().String() == "(string)"
}

// addStringer declares `type Name struct{}; func (Name) String() string` unless it is declared.
func addStringer(in *types.Package, name string) {
	if in.Scope().Lookup(name) != nil {
		return
	}
	object := types.NewTypeName(token.NoPos, in, name, nil)
	named := types.NewNamed(object, types.NewStruct(nil, nil), nil)
	result := types.NewVar(token.NoPos, in, "", types.Typ[types.String])
	named.AddMethod(types.NewFunc(token.NoPos, in, "String", types.NewSignatureType(types.NewVar(token.NoPos, in, "", named), nil,
		nil, nil, types.NewTuple(result), false)))
	in.Scope().Insert(object)
}

// checkCode type-checks generated code, every identifier and every import of it, and its layout.
func checkCode(t *testing.T, file *definition.File, code []byte) {
	t.Helper()
	real, err := realPackages()
	if err != nil {
		t.Fatal(err)
	}
	world, ok := real.imagine(file)
	if !ok {
		return
	}
	files := token.NewFileSet()
	syntax, err := parser.ParseFile(files, "mutexes_gen.go", code, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	checker := types.Config{Importer: world, Error: func(err error) { t.Errorf("it does not compile: %v", err) }}
	_, err = checker.Check("example.com/app/locks", files, []*ast.File{syntax}, nil)
	if again, formatErr := format.Source(code); formatErr != nil || !bytes.Equal(again, code) {
		t.Errorf("gofmt would change it (%v)", formatErr)
	}
	checkImports(t, files, syntax)
	if err != nil || t.Failed() {
		t.Fatalf("the code is\n%s", code)
	}
}

// checkImports wants one block of imports, at most two groups in it, the standard library's first, each sorted by path.
func checkImports(t *testing.T, files *token.FileSet, syntax *ast.File) {
	t.Helper()
	var groups [][]string
	last := -1
	for _, spec := range syntax.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		line := files.Position(spec.Pos()).Line
		if line != last+1 {
			groups = append(groups, nil)
		}
		last = line
		groups[len(groups)-1] = append(groups[len(groups)-1], path)
	}
	if len(groups) != 2 {
		t.Errorf("the imports are in %d groups: %q", len(groups), groups)
	}
	for i, group := range groups {
		if !slices.IsSorted(group) {
			t.Errorf("the imports %q are not sorted", group)
		}
		for _, path := range group {
			if isStandard(path) != (i == 0) {
				t.Errorf("%s is in group %d of the imports", path, i)
			}
		}
	}
	blocks := 0
	for _, declaration := range syntax.Decls {
		if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.IMPORT {
			blocks++
		}
	}
	if blocks != 1 {
		t.Errorf("there are %d import declarations", blocks)
	}
}

// A check that finds nothing proves nothing.
func TestTheCheckOfCodeFindsWhatDoesNotCompile(t *testing.T) {
	real, err := realPackages()
	if err != nil {
		t.Fatal(err)
	}
	file, findings := definition.Parse("mutexes.yaml", []byte("version: 1\nmutexes:\n- {name: A, url: redis://a, key: 'a:{t:time.Month}:{u:example.com/go-u/v2.U}:{i:int}'}\n"))
	if file == nil {
		t.Fatal(findings)
	}
	code, err := Render(file, "locks", "mutexes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checkCode(t, file, code)
	world, _ := real.imagine(file)
	for _, change := range [][2]string{
		{"return m.For(", "return m.Fro("}, {"time.Month", "time.Mohnt"}, {"i int", "j int"}, {`Int("i", i)`, `Int("i", "i")`},
		{`Stringer("t", t)`, `Stringer("t", i)`}, {"u.U", "u.V"}, {"import (", "import (\n\t\"errors\""},
	} {
		if !strings.Contains(string(code), change[0]) {
			t.Errorf("no %q in\n%s", change[0], code)
		}
		files := token.NewFileSet()
		syntax, err := parser.ParseFile(files, "", strings.ReplaceAll(string(code), change[0], change[1]), 0)
		if err != nil {
			t.Fatal(err)
		}
		checker := types.Config{Importer: world}
		if _, err := checker.Check("locks", files, []*ast.File{syntax}, nil); err == nil {
			t.Errorf("it compiles with %q instead of %q", change[1], change[0])
		}
	}
}
