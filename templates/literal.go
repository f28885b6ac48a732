package templates

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// emitLiteral writes the type of a mutex whose key has no parameters.
func emitLiteral(out *jen.File, m *definition.Mutex) {
	emitComment(out.Group, describe(m))
	out.Type().Id(m.Name).Struct(jen.Id("mutex").Add(mutexOf(m)))
	out.Line()
	emitLock(out, m)

	emitComment(out.Group, fmt.Sprintf("Key is the Redis key that %s locks.", m.Name))
	method(out, m, "Key", nil, []jen.Code{jen.String()}, jen.Lit(literalKey(m.Key)))

	bound := jen.Id("m").Dot("mutex")
	emitMethods(out, m, methods{bound: bound, released: bound})
}

// literalKey is the text of a key without parameters.
func literalKey(key definition.Key) string {
	text := ""
	for _, part := range key.Parts {
		text += part.Literal
	}
	return text
}
