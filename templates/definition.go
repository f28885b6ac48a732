package templates

import (
	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// definitionsCode is the literal []mutex.Definition{{…}, {…}}.
func definitionsCode(mutexes []definition.Mutex) jen.Code {
	literals := make([]jen.Code, len(mutexes))
	for i := range mutexes {
		literals[i] = definitionCode(&mutexes[i])
	}
	return jen.Index().Qual(mutexPath, "Definition").Values(literals...)
}

// definitionCode is one mutex with every value that is in force, so that a later version of the library with other
// defaults does not change what the application was generated with. Left out is what is off by default, and the
// node timeout where the default follows each lock's expiration.
func definitionCode(m *definition.Mutex) jen.Code {
	fields := []jen.Code{field("Name", jen.Lit(m.Name))}
	add := func(wanted bool, name string, value jen.Code) {
		if wanted {
			fields = append(fields, field(name, value))
		}
	}
	add(m.Doc != "", "Doc", jen.Lit(m.Doc))
	add(m.URL != "", "URL", jen.Lit(m.URL))
	add(len(m.Servers) > 0, "Servers", jen.Index().String().Add(oneToALine(literals(m.Servers)...)))
	add(len(m.Cluster) > 0, "Cluster", clusterCode(m.Cluster))
	add(true, "Key", jen.Lit(m.Key.Template))
	add(true, "Expiration", durationCode(m.Expiration))
	add(m.Wait != 0, "Wait", durationOrForeverCode(m.Wait))
	add(m.MaxRetry != 0, "MaxRetry", jen.Lit(m.MaxRetry))
	add(true, "RetryInterval", durationCode(m.RetryInterval))
	add(true, "RetryJitter", durationCode(m.RetryJitter))
	add(true, "DriftFactor", jen.Lit(m.DriftFactor))
	add(m.NodeTimeout != 0, "NodeTimeout", durationCode(m.NodeTimeout))
	add(true, "PoolSize", jen.Lit(m.PoolSize))
	add(true, "ReconnectionInterval", durationCode(m.ReconnectionInterval))
	add(true, "Renew", jen.Lit(m.Renew))
	add(m.MaxHold != 0, "MaxHold", durationCode(m.MaxHold))
	add(m.Fencing, "Fencing", jen.True())
	add(m.Fencing, "FencingMemory", durationOrForeverCode(m.FencingMemory))
	add(m.RestartGuard, "RestartGuard", jen.True())
	add(m.Replicas != 0, "Replicas", jen.Lit(m.Replicas))
	return oneToALine(fields...)
}

func clusterCode(groups [][]string) jen.Code {
	lines := make([]jen.Code, len(groups))
	for i, group := range groups {
		lines[i] = jen.Values(literals(group)...)
	}
	return jen.Index().Index().String().Add(oneToALine(lines...))
}

func literals(texts []string) []jen.Code {
	codes := make([]jen.Code, len(texts))
	for i, text := range texts {
		codes[i] = jen.Lit(text)
	}
	return codes
}

// field is one field of a composite literal. jennifer's own Dict would sort them by name.
func field(name string, value jen.Code) jen.Code {
	return jen.Id(name).Op(":").Add(value)
}

// oneToALine is the {…} of a composite literal with each item on a line of its own.
func oneToALine(items ...jen.Code) *jen.Statement {
	return jen.Custom(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, items...)
}
