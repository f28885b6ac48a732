package templates

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// messages that no scenario can show, for the file would have to be large, or the library that reads YAML to fail; the tests
// of hostile files see them.
var withoutScenario = []string{
	"the file has %d bytes; at most %d are read",
	"the file has too many lines and lists; at most %d values are read",
	"there is more to say; this is where it gets too much",
	"mutexes has %d mutexes; at most %d are read",
	"of %d bytes",
	"yaml: this text cannot be read",
}

// TestEveryMessageHasAScenario reads the parser's source, so that whoever adds a message sees how it looks.
func TestEveryMessageHasAScenario(t *testing.T) {
	files, err := filepath.Glob(scenarios + "/*/findings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(text)
	}
	formats := messageFormats(t)
	if len(formats) < 100 {
		t.Errorf("only %d messages are found in the source: %q", len(formats), slices.Sorted(maps.Keys(formats)))
	}
	for format, place := range formats {
		if slices.Contains(withoutScenario, format) {
			continue
		}
		if !pattern(format).MatchString(said.String()) {
			t.Errorf("%s: no scenario shows %q", place, format)
		}
	}
	for _, format := range withoutScenario {
		if formats[format] == "" {
			t.Errorf("%q is no message any more", format)
		}
	}
}

// pattern matches what comes of a format.
func pattern(format string) *regexp.Regexp {
	const verb = "\x00"
	text := regexp.MustCompile(`%[#+]?[a-zA-Z]`).ReplaceAllString(format, verb)
	return regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(strings.ReplaceAll(text, "%%", "%")), verb, ".*"))
}

// messageFormats are the formats of messages in the source of the parser, and where they stand.
func messageFormats(t *testing.T) map[string]string {
	t.Helper()
	const folder = "../internal/definition"
	paths, err := filepath.Glob(folder + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	formats := map[string]string{}
	add := func(expression ast.Expr) {
		if format, ok := textOf(expression); ok && strings.Trim(format, "%sv: ") != "" {
			formats[format] = files.Position(expression.Pos()).String()
		}
	}
	for _, path := range paths {
		base := filepath.Base(path)
		if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "report") || strings.HasPrefix(base, "schema") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.CallExpr:
				switch name := called(node); {
				case (name == "errorf" || name == "warnf") && len(node.Args) > 2:
					add(node.Args[2])
				case name == "wrong" && len(node.Args) > 2:
					add(node.Args[2])
				case name == "ambiguous" && len(node.Args) > 3:
					add(node.Args[3])
				case name == "refuse" && len(node.Args) > 1:
					add(node.Args[1])
				case name == "wrong", name == "Errorf", name == "Sprintf", name == "New":
					add(node.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := node.Key.(*ast.Ident); ok && key.Name == "Message" {
					add(node.Value)
				}
			case *ast.CompositeLit:
				if name, ok := node.Type.(*ast.Ident); ok && name.Name == "problem" && len(node.Elts) == 4 {
					add(node.Elts[2])
				}
			case *ast.FuncDecl:
				returnedReasons(node, add)
			case *ast.AssignStmt:
				if name, ok := node.Lhs[0].(*ast.Ident); ok && name.Name == "message" {
					add(node.Rhs[0])
				}
			}
			return true
		})
	}
	return formats
}

// returnedReasons adds what a function with a result named why returns as that.
func returnedReasons(function *ast.FuncDecl, add func(ast.Expr)) {
	results := function.Type.Results
	if results == nil || len(results.List) == 0 || len(results.List[0].Names) == 0 || results.List[0].Names[0].Name != "why" {
		return
	}
	ast.Inspect(function.Body, func(node ast.Node) bool {
		if returned, ok := node.(*ast.ReturnStmt); ok && len(returned.Results) > 0 {
			add(returned.Results[0])
		}
		return true
	})
}

func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		return function.Sel.Name
	}
	return ""
}

// textOf is the text of a literal or of a sum of literals; what else is added is shown as a verb.
func textOf(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.Ident: // a constant
		if e.Obj == nil || e.Obj.Kind != ast.Con {
			return "", false
		}
		declared, ok := e.Obj.Decl.(*ast.ValueSpec)
		if !ok {
			return "", false
		}
		for i, name := range declared.Names {
			if name.Name == e.Name && i < len(declared.Values) {
				return textOf(declared.Values[i])
			}
		}
	case *ast.BinaryExpr:
		left, leftOK := textOf(e.X)
		right, rightOK := textOf(e.Y)
		switch {
		case leftOK && rightOK:
			return left + right, true
		case leftOK:
			return left + "%s", true
		case rightOK:
			return "%s" + right, true
		}
	}
	return "", false
}

// Nobody looks at a scenario that nothing is expected of.
func TestEveryScenarioExpectsSomething(t *testing.T) {
	folders, err := os.ReadDir(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		exists := map[string]bool{}
		err := filepath.WalkDir(filepath.Join(scenarios, folder.Name()), func(path string, entry fs.DirEntry, err error) error {
			exists[filepath.Base(path)] = true
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		name := folder.Name()
		code := exists["expected.go"] || exists["uncompiled.go"]
		if isError := strings.HasPrefix(name, "error-"); isError == code || isError && !exists["findings.txt"] {
			t.Errorf("%s: by its name it should be an error, or not", name)
		}
		if strings.HasPrefix(name, "warning-") != (exists["findings.txt"] && code) && name != "parameter-named-like-an-import" {
			t.Errorf("%s: by its name there should be a warning, or not", name)
		}
	}
}
