package templates

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// notIdentifiers would be code, or break it, if they reached jennifer.
var notIdentifiers = []string{
	"", "_", "a b", "A B", "A-B", "A.B", "A{}", "A; func init() { panic(1) }; type B", "A\nB", "A//", "A/*", "A\x00", "\xff",
	"A\u2028B", "A\u200bB", "1A", "Ａ!", "type", "func", "*A", "[]A", "A[B]", "`", "\"",
}

func TestNothingButIdentifiersReachesTheCode(t *testing.T) {
	places := map[string]func(m *definition.Mutex, text string){
		"name":      func(m *definition.Mutex, text string) { m.Name = text },
		"parameter": func(m *definition.Mutex, text string) { m.Key.Parts[1].Parameter.GoName = text },
		"type":      func(m *definition.Mutex, text string) { m.Key.Parts[1].Parameter.Type = text },
		"imported type": func(m *definition.Mutex, text string) {
			m.Key.Parts[1].Parameter.Type, m.Key.Parts[1].Parameter.Import = text, "net/netip"
		},
	}
	for place, put := range places {
		for _, text := range notIdentifiers {
			m := transfer()
			put(&m, text)
			code, err := Render(&definition.File{Mutexes: []definition.Mutex{m}}, "locks", "mutexes.yaml")
			if err == nil || code != nil {
				t.Errorf("%q is accepted as a %s:\n%s", text, place, code)
			} else if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("the error about the %s %q has more than one line: %q", place, text, err)
			}
		}
	}
	for _, text := range append(slices.Clone(notIdentifiers), "documentation") {
		if _, err := Render(&definition.File{Mutexes: []definition.Mutex{nightly()}}, text, "mutexes.yaml"); err == nil {
			t.Errorf("%q is accepted as a package", text)
		}
	}
}

func TestNothingButImportPathsIsImported(t *testing.T) {
	for _, path := range []string{"C", "unsafe", ".", "..", "./x", "../x", "/x", "x/", "x//y", "x/../y", "x y", "x\"y", "x`y", "x\ny", "x;y",
		"x\\y", "x\x00", "\xff", "x\u2028", "http://x", "x*", "x\ufffd"} {
		m := keyedBy(definition.Parameter{Name: "a", GoName: "a", Type: "T", Import: path})
		if _, err := Render(&definition.File{Mutexes: []definition.Mutex{m}}, "locks", "mutexes.yaml"); err == nil {
			t.Errorf("%q is accepted as an import path", path)
		}
	}
}

func TestNamesThatCollideAreRefused(t *testing.T) {
	for _, names := range [][]string{
		{"Mutexes"}, {"Open"}, {"Close"}, {"All"}, {"Held"}, {"A", "A"}, {"A", "ALock"}, {"ALock", "A"}, {"unexported"},
	} {
		file := &definition.File{}
		for _, name := range names {
			m := nightly()
			m.Name = name
			file.Mutexes = append(file.Mutexes, m)
		}
		if _, err := Render(file, "locks", "mutexes.yaml"); err == nil {
			t.Errorf("%q are accepted", names)
		}
	}
}

func TestNamesThatLookAlikeButDoNotCollideAreFine(t *testing.T) {
	for _, name := range []string{"Lock", "Key", "For", "Set", "Option", "Definition", "Mutex", "OpenLock", "Ärger", "Context", "Time"} {
		m := transfer()
		m.Name = name
		mustContain(t, render(t, m, nightly()), "type "+name+" struct", "type "+name+"Lock = mutex.Lock["+name+"]")
	}
}

func TestParametersThatWouldHideAnIdentifierAreRefused(t *testing.T) {
	for _, name := range []string{"m", "ctx", "fn", "options", "lock", "err", "expiration", "mutex", "context", "time", "string",
		"error", "bool", "int64", "Exported"} {
		m := keyedBy(definition.Parameter{Name: "a", GoName: name, Type: "string"})
		if _, err := Render(&definition.File{Mutexes: []definition.Mutex{m}}, "locks", "mutexes.yaml"); err == nil {
			t.Errorf("the parameter %q is accepted", name)
		}
	}
	m := keyedBy(definition.Parameter{GoName: "a", Type: "string"}, definition.Parameter{GoName: "a", Type: "int"})
	if _, err := Render(&definition.File{Mutexes: []definition.Mutex{m}}, "locks", "mutexes.yaml"); err == nil {
		t.Error("two parameters of one name are accepted")
	}
}

func TestWhatHasNoMeaningIsRefused(t *testing.T) {
	if _, err := Render(nil, "locks", "mutexes.yaml"); err == nil {
		t.Error("no file is accepted")
	}
	if _, err := Render(&definition.File{}, "locks", "mutexes.yaml"); err == nil {
		t.Error("a file without mutexes is accepted")
	}
	for name, change := range map[string]func(m *definition.Mutex){
		"no key":         func(m *definition.Mutex) { m.Key = definition.Key{} },
		"NaN":            func(m *definition.Mutex) { m.DriftFactor = math.NaN() },
		"infinity":       func(m *definition.Mutex) { m.DriftFactor = math.Inf(1) },
		"minus infinity": func(m *definition.Mutex) { m.DriftFactor = math.Inf(-1) },
	} {
		m := nightly()
		change(&m)
		if _, err := Render(&definition.File{Mutexes: []definition.Mutex{m}}, "locks", "mutexes.yaml"); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
