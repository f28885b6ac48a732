package templates

import (
	"errors"
	"fmt"
	"go/token"
	"math"
	"path"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// methodNames are the identifiers of generated methods that a key parameter would hide.
var methodNames = map[string]bool{
	"m": true, "ctx": true, "fn": true, "options": true, "lock": true, "err": true, "expiration": true,
	"context": true, "mutex": true, "time": true,
	"bool": true, "error": true, "int": true, "int64": true, "string": true, "uint64": true,
}

// builtinTypes are the parameter types that need no import, with the method of mutex.Key that writes them.
var builtinTypes = map[string]string{
	"string": "String", "int": "Int", "int64": "Int64", "uint64": "Uint64", "bool": "Bool",
}

// check refuses what cannot be said in Go. The parser reports all of it with its position; this is the second look, since
// jennifer writes identifiers as they come and so a bad one would be code of somebody else's choice.
func check(file *definition.File, packageName string) error {
	if file == nil || len(file.Mutexes) == 0 {
		return errors.New("there are no mutexes")
	}
	if !token.IsIdentifier(packageName) || packageName == "_" {
		return fmt.Errorf("%q cannot be a package name", packageName)
	}
	if packageName == "documentation" {
		return errors.New("documentation cannot be a package name: Go leaves out every file of such a package")
	}
	// What stands for each top-level identifier of the file, and for each member of Mutexes.
	owners := map[string]string{"Mutexes": "the type Mutexes", "Open": "the function Open"}
	members := map[string]string{"All": "the method All", "Close": "the method Close", "Held": "the method Held"}
	for i := range file.Mutexes {
		m := &file.Mutexes[i]
		if !token.IsIdentifier(m.Name) || !token.IsExported(m.Name) {
			return fmt.Errorf("%q cannot be the name of a mutex: it is not an exported Go identifier", m.Name)
		}
		if owner := members[m.Name]; owner != "" {
			return fmt.Errorf("%q cannot be the name of a mutex: Mutexes has %s", m.Name, owner)
		}
		for _, name := range []string{m.Name, m.Name + "Lock"} {
			if owner := owners[name]; owner != "" {
				return fmt.Errorf("the mutex %s needs the identifier %s, which is %s", m.Name, name, owner)
			}
			owners[name] = "the mutex " + m.Name + "'s"
		}
		if err := checkMutex(m); err != nil {
			return fmt.Errorf("the mutex %s: %w", m.Name, err)
		}
	}
	return nil
}

func checkMutex(m *definition.Mutex) error {
	if len(m.Key.Parts) == 0 {
		return errors.New("it has no key")
	}
	if math.IsNaN(m.DriftFactor) || math.IsInf(m.DriftFactor, 0) {
		return fmt.Errorf("the drift factor %v is not a number", m.DriftFactor)
	}
	seen := map[string]bool{}
	for _, parameter := range m.Key.Parameters() {
		switch name := parameter.GoName; {
		case !token.IsIdentifier(name) || name == "_" || token.IsExported(name):
			return fmt.Errorf("%q cannot be the name of a key parameter", name)
		case methodNames[name]:
			return fmt.Errorf("the key parameter %q would hide an identifier of the generated code", name)
		case seen[name]:
			return fmt.Errorf("two key parameters are named %q", name)
		}
		seen[parameter.GoName] = true
		if err := checkType(parameter); err != nil {
			return err
		}
	}
	return nil
}

func checkType(parameter definition.Parameter) error {
	switch {
	case parameter.Import == "" && builtinTypes[parameter.Type] == "":
		return fmt.Errorf("%q cannot be the type of a key parameter", parameter.Type)
	case parameter.Import != "" && (!token.IsIdentifier(parameter.Type) || !token.IsExported(parameter.Type)):
		return fmt.Errorf("%q cannot be an imported type: it is not an exported Go identifier", parameter.Type)
	case parameter.Import != "" && !isImportPath(parameter.Import):
		return fmt.Errorf("%q cannot be an import path", parameter.Import)
	}
	return nil
}

// isImportPath reports whether text can stand in an import declaration: elements of letters, digits and a few signs, no
// relative path. "C" is no package, it switches on cgo, and "unsafe" has no type with methods.
func isImportPath(text string) bool {
	if text == "C" || text == "unsafe" || path.IsAbs(text) || path.Clean(text) != text {
		return false
	}
	for _, element := range strings.Split(text, "/") {
		if element == "." || element == ".." {
			return false
		}
	}
	for _, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("-._~+/", r) {
			return false
		}
	}
	return true
}
