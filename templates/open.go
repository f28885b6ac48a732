package templates

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// emitOpen writes the function that turns the definitions into usable mutexes.
func emitOpen(out *jen.File, mutexes []definition.Mutex, source string) {
	emitComment(out.Group, fmt.Sprintf("Open prepares the mutexes of %s for use. It connects to nothing yet; its error names "+
		"everything that is wrong with the configuration at once. Close ends what Open began.", onOneLine(source)))
	out.Func().Id("Open").
		Params(jen.Id("options").Op("...").Qual(mutexPath, "Option")).
		Params(jen.Op("*").Id("Mutexes"), jen.Error()).
		BlockFunc(func(body *jen.Group) {
			body.List(jen.Id("set"), jen.Err()).Op(":=").Qual(mutexPath, "OpenSet").Call(
				definitionsCode(mutexes), jen.Id("options").Op("..."))
			body.If(jen.Err().Op("!=").Nil()).Block(jen.Return(jen.Nil(), jen.Err()))
			fields := make([]jen.Code, 0, len(mutexes)+1)
			for i := range mutexes {
				fields = append(fields, field(mutexes[i].Name, openedCode(&mutexes[i])))
			}
			fields = append(fields, field("set", jen.Id("set")))
			body.Return(jen.Op("&").Id("Mutexes").Add(oneToALine(fields...)), jen.Nil())
		})
	out.Line()
}

// openedCode is a mutex's value in the struct Mutexes.
func openedCode(m *definition.Mutex) jen.Code {
	opened := jen.Id("set").Dot("Opened").Call(jen.Lit(m.Name))
	if len(m.Key.Parameters()) > 0 {
		return jen.Id(m.Name).Values(jen.Id("opened").Op(":").Add(opened))
	}
	at := jen.Qual(mutexPath, "At").Types(jen.Id(m.Name)).Call(opened, keyCode(m.Key))
	return jen.Id(m.Name).Values(jen.Id("mutex").Op(":").Add(at))
}

// keyCode builds the key: mutex.NewKey("account:").Int64("account_id", accountID).Text(":transfer").
func keyCode(key definition.Key) *jen.Statement {
	parts, first := key.Parts, ""
	if parts[0].Parameter == nil {
		first, parts = parts[0].Literal, parts[1:]
	}
	code := jen.Qual(mutexPath, "NewKey").Call(jen.Lit(first))
	for _, part := range parts {
		switch parameter := part.Parameter; {
		case parameter == nil:
			code.Dot("Text").Call(jen.Lit(part.Literal))
		case parameter.Import != "":
			code.Dot("Stringer").Call(jen.Lit(parameter.Name), jen.Id(parameter.GoName))
		default:
			code.Dot(builtinTypes[parameter.Type]).Call(jen.Lit(parameter.Name), jen.Id(parameter.GoName))
		}
	}
	return code
}
