package main

import (
	"fmt"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/targets"
)

// schema is the subcommand that prints or writes the JSON Schema of mutexes.yaml.
func (e environment) schema(args []string) int {
	i := e.invoke("schema")
	out, given := "", false
	i.flags.Func("out", "", func(path string) error {
		out, given = path, true
		return nil
	})
	if _, exit, ok := i.parse(args, 0); !ok {
		return exit
	}
	if !given {
		if _, err := e.stdout.Write(definition.Schema()); err != nil {
			return i.end(i.fail(fmt.Errorf("write the schema: %w", err)))
		}
		return i.end(exitOK)
	}
	if err := targets.CheckPath("out", out); err != nil {
		return i.misused(err, "")
	}
	if err := writeGenerated(i.path(out), definition.Schema(), definition.IsSchema); err != nil {
		return i.end(i.fail(err))
	}
	return i.end(exitOK)
}
