package main

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// TestDefinitionsAreThoseOfGeneratedCode compares what doctor and status open with the literals in the code that is generated
// from the same file, field by field.
func TestDefinitionsAreThoseOfGeneratedCode(t *testing.T) {
	const scenarios = "../../templates/testdata/scenarios"
	files, err := filepath.Glob(scenarios + "/*/*ed.go") // expected.go and uncompiled.go
	if err != nil || len(files) < 100 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	compared := 0
	for _, name := range files {
		inputs, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*.yaml"))
		if len(inputs) != 1 {
			t.Errorf("%s has %d inputs", name, len(inputs))
			continue
		}
		content, err := os.ReadFile(inputs[0])
		if err != nil {
			t.Fatal(err)
		}
		file, _ := definition.Parse("mutexes.yaml", content)
		if file == nil {
			t.Errorf("%s can't be read", inputs[0])
			continue
		}
		generated := literals(t, name)
		if len(generated) != len(file.Mutexes) {
			t.Errorf("%s defines %d mutexes, not %d", name, len(generated), len(file.Mutexes))
			continue
		}
		for at, want := range generated {
			if got := runtimeDefinition(&file.Mutexes[at]); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v is not %+v", name, got, want)
			}
			compared++
		}
	}
	if compared < 200 {
		t.Errorf("only %d definitions were compared", compared)
	}
}

// literals are the definitions in a generated file.
func literals(t *testing.T, name string) []mutex.Definition {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []mutex.Definition
	ast.Inspect(parsed, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		array, ok := list.Type.(*ast.ArrayType)
		if !ok {
			return true
		}
		if element, ok := array.Elt.(*ast.SelectorExpr); !ok || element.Sel.Name != "Definition" {
			return true
		}
		for _, one := range list.Elts {
			var d mutex.Definition
			for _, field := range one.(*ast.CompositeLit).Elts {
				pair := field.(*ast.KeyValueExpr)
				fill(t, reflect.ValueOf(&d).Elem().FieldByName(pair.Key.(*ast.Ident).Name), pair.Value)
			}
			found = append(found, d)
		}
		return false
	})
	return found
}

// fill sets a field to the value of an expression as templates write them.
func fill(t *testing.T, field reflect.Value, expression ast.Expr) {
	t.Helper()
	switch field.Kind() {
	case reflect.String:
		text, err := strconv.Unquote(expression.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		field.SetString(text)
	case reflect.Bool:
		field.SetBool(expression.(*ast.Ident).Name == "true")
	case reflect.Slice:
		for _, one := range expression.(*ast.CompositeLit).Elts {
			element := reflect.New(field.Type().Elem()).Elem()
			fill(t, element, one)
			field.Set(reflect.Append(field, element))
		}
	case reflect.Float64:
		n, _ := constant.Float64Val(number(t, expression))
		field.SetFloat(n)
	default:
		n, exact := constant.Int64Val(constant.ToInt(number(t, expression)))
		if !exact {
			t.Fatalf("%v is no whole number", number(t, expression))
		}
		field.SetInt(n)
	}
}

var named = map[string]time.Duration{
	"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
	"Forever": mutex.Forever,
}

func number(t *testing.T, expression ast.Expr) constant.Value {
	t.Helper()
	switch e := expression.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0)
	case *ast.SelectorExpr:
		if d, ok := named[e.Sel.Name]; ok {
			return constant.MakeInt64(int64(d))
		}
	case *ast.BinaryExpr:
		return constant.BinaryOp(number(t, e.X), e.Op, number(t, e.Y))
	}
	t.Fatalf("what is %T?", expression)
	return nil
}
