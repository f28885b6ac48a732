package templates

import (
	"fmt"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// methods is what the two kinds of mutexes differ in.
type methods struct {
	// declared are the key's parameters, as they stand in a signature.
	declared []jen.Code
	// bound is the mutex at its key: m.mutex, or m.For(accountID).
	bound *jen.Statement
	// released is what can release and extend a lock; nil for package mutex itself, since a lock knows its key.
	released *jen.Statement
}

// emitMethods writes the methods that every mutex has, in the order in which a caller meets them.
func emitMethods(out *jen.File, m *definition.Mutex, kind methods) {
	ctx := jen.Id("ctx").Qual("context", "Context")
	options := jen.Id("options").Op("...").Qual(mutexPath, "AcquireOption")
	lock := jen.Id("lock").Op("*").Id(m.Name + "Lock")
	with := func(before jen.Code, after ...jen.Code) []jen.Code {
		return append(append([]jen.Code{before}, kind.declared...), after...)
	}
	released := func(name string) *jen.Statement {
		if kind.released == nil {
			return jen.Qual(mutexPath, name)
		}
		return kind.released.Clone().Dot(name)
	}

	emitComment(out.Group, synchronizeDoc(m))
	fn := jen.Id("fn").Func().Params(jen.Id("ctx").Qual("context", "Context")).Error()
	method(out, m, "Synchronize", with(ctx, fn, options), []jen.Code{jen.Error()},
		kind.bound.Clone().Dot("Synchronize").Call(jen.Id("ctx"), jen.Id("fn"), jen.Id("options").Op("...")))

	emitComment(out.Group, acquireDoc(m))
	method(out, m, "AcquireLock", with(ctx, options), []jen.Code{jen.Op("*").Id(m.Name + "Lock"), jen.Error()},
		kind.bound.Clone().Dot("AcquireLock").Call(jen.Id("ctx"), jen.Id("options").Op("...")))

	emitComment(out.Group, releaseDoc)
	method(out, m, "ReleaseLock", []jen.Code{ctx, lock}, []jen.Code{jen.Error()},
		released("ReleaseLock").Call(jen.Id("ctx"), jen.Id("lock")))

	emitComment(out.Group, extendDoc(m))
	method(out, m, "ExtendLock", []jen.Code{ctx, lock, jen.Id("expiration").Qual("time", "Duration")},
		[]jen.Code{jen.Error()}, released("ExtendLock").Call(jen.Id("ctx"), jen.Id("lock"), jen.Id("expiration")))

	emitComment(out.Group, existsDoc)
	method(out, m, "ExistsLock", with(ctx), []jen.Code{jen.Bool(), jen.Error()},
		kind.bound.Clone().Dot("ExistsLock").Call(jen.Id("ctx")))
}

// method writes a method of m that returns one expression.
func method(out *jen.File, m *definition.Mutex, name string, parameters, results []jen.Code, returned jen.Code) {
	declaration := out.Func().Params(jen.Id("m").Id(m.Name)).Id(name).Params(parameters...)
	if len(results) == 1 {
		declaration.Add(results[0])
	} else {
		declaration.Params(results...)
	}
	declaration.Block(jen.Return(returned))
	out.Line()
}

// emitLock writes the name of the mutex's locks.
func emitLock(out *jen.File, m *definition.Mutex) {
	emitComment(out.Group, fmt.Sprintf("%sLock is one successful acquisition of %s. No other mutex accepts it.", m.Name, m.Name))
	out.Type().Id(m.Name+"Lock").Op("=").Qual(mutexPath, "Lock").Types(jen.Id(m.Name))
	out.Line()
}

// mutexOf is the type mutex.Mutex[NightlyReport].
func mutexOf(m *definition.Mutex) jen.Code {
	return jen.Qual(mutexPath, "Mutex").Types(jen.Id(m.Name))
}
