package templates

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// emitMutexes writes the struct that has one field per mutex.
func emitMutexes(out *jen.File, mutexes []definition.Mutex, source string) {
	emitComment(out.Group, fmt.Sprintf("Mutexes are the mutexes of %s. They are safe for use by several goroutines.",
		onOneLine(source)))
	out.Type().Id("Mutexes").StructFunc(func(fields *jen.Group) {
		for i := range mutexes {
			m := &mutexes[i]
			if doc := typeDoc(m.Name, m.Doc); doc != "" {
				emitComment(fields, firstParagraph(doc))
			} else {
				emitComment(fields, fmt.Sprintf("%s locks the key %s.", m.Name, onOneLine(m.Key.Template)))
			}
			fields.Id(m.Name).Id(m.Name)
		}
		fields.Line()
		fields.Id("set").Op("*").Qual(mutexPath, "Set")
	})
	out.Line()
}

// emitAccessors writes the methods of Mutexes.
func emitAccessors(out *jen.File, source string) {
	emitComment(out.Group, "Close ends the connections to Redis. From then on every mutex answers "+
		"[mutex.ErrClosed]. Locks still held are lost to their holders; their keys stay until they expire.")
	emitAccessor(out, "Close", jen.Error())
	emitComment(out.Group, fmt.Sprintf("All describes the mutexes, in the order of %s.", onOneLine(source)))
	emitAccessor(out, "All", jen.Index().Qual(mutexPath, "Definition"))
	emitComment(out.Group, "Held lists the locks that this process holds now.")
	emitAccessor(out, "Held", jen.Index().Qual(mutexPath, "Held"))
	emitComment(out.Group, "Check looks at every Redis server of the mutexes and reports what is wrong with it for locks, and what to "+
		"do about it. It takes no lock and writes nothing.")
	emitAccessor(out, "Check", jen.Op("*").Qual(mutexPath, "Report"), jen.Id("ctx").Qual("context", "Context"))
}

func emitAccessor(out *jen.File, name string, result jen.Code, parameters ...jen.Code) {
	var arguments []jen.Code
	if len(parameters) > 0 {
		arguments = append(arguments, jen.Id("ctx"))
	}
	out.Func().Params(jen.Id("m").Op("*").Id("Mutexes")).Id(name).Params(parameters...).Add(result).Block(
		jen.Return(jen.Id("m").Dot("set").Dot(name).Call(arguments...)))
	out.Line()
}
