package templates

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// emitKeyed writes the type of a mutex whose key has parameters: its methods take them behind ctx.
func emitKeyed(out *jen.File, m *definition.Mutex) {
	emitComment(out.Group, describe(m))
	out.Type().Id(m.Name).Struct(jen.Id("opened").Op("*").Qual(mutexPath, "Opened"))
	out.Line()
	emitLock(out, m)

	parameters := m.Key.Parameters()
	names, declared, arguments := []string{}, []jen.Code{}, []jen.Code{}
	for i, parameter := range parameters {
		names = append(names, parameter.GoName)
		arguments = append(arguments, jen.Id(parameter.GoName))
		// a, b string: the type is written once for neighbours that share it.
		if next := i + 1; next < len(parameters) && sameType(parameter, parameters[next]) {
			declared = append(declared, jen.Id(parameter.GoName))
		} else {
			declared = append(declared, jen.Id(parameter.GoName).Add(typeCode(parameter)))
		}
	}

	emitComment(out.Group, fmt.Sprintf("For binds %s: the result locks that one key. It is a [mutex.Synchronizer], which "+
		"[mutex.Result] takes, and code that need not know %s.", enumerate(names), m.Name))
	method(out, m, "For", declared, []jen.Code{mutexOf(m)},
		jen.Qual(mutexPath, "At").Types(jen.Id(m.Name)).Call(jen.Id("m").Dot("opened"), keyCode(m.Key)))

	bound := jen.Id("m").Dot("For").Call(arguments...)
	emitComment(out.Group, fmt.Sprintf("Key is the Redis key that %s locks for %s. %s", m.Name, enumerate(names), keyErrors(parameters)))
	method(out, m, "Key", declared, []jen.Code{jen.String(), jen.Error()}, bound.Clone().Dot("Key").Call())

	emitMethods(out, m, methods{declared: declared, bound: bound})
}

func sameType(a, b definition.Parameter) bool {
	return a.Type == b.Type && a.Import == b.Import
}

func typeCode(parameter definition.Parameter) jen.Code {
	if parameter.Import != "" {
		return jen.Qual(parameter.Import, parameter.Type)
	}
	return jen.Id(parameter.Type)
}

// keyErrors says why a key cannot be built.
func keyErrors(parameters []definition.Parameter) string {
	for _, parameter := range parameters {
		if parameter.Type == "string" || parameter.Import != "" {
			return "It is an error if a text in it is empty."
		}
	}
	return "Its error is always nil: numbers and booleans cannot be wrong."
}

// enumerate joins words as a sentence does: a, b and c.
func enumerate(words []string) string {
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}
