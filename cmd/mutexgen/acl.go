package main

import (
	"errors"
	"fmt"

	"github.com/mutexgen/mutexgen/internal/acl"
)

// acl is the subcommand that prints what the mutexes need of their servers' users.
func (e environment) acl(args []string) int {
	i := e.invoke("acl")
	config := i.flags.String("config", "mutexes.yaml", "")
	user, given := "", false
	i.flags.Func("user", "", func(name string) error {
		user, given = name, true
		return nil
	})
	if _, exit, ok := i.parse(args, 0); !ok {
		return exit
	}
	if *config == "" {
		return i.misused(errors.New("-config needs the path of a file"), "")
	}
	if given {
		if err := acl.CheckUser(user); err != nil {
			return i.misused(fmt.Errorf("-user: %w", err), "Redis takes any name without spaces, for example "+acl.DefaultUser)
		}
	}
	file := i.load(*config)
	if file == nil {
		return i.end(exitInvalid)
	}
	if err := acl.Write(e.stdout, acl.Rules(file, user)); err != nil {
		return i.end(i.fail(fmt.Errorf("write the rules: %w", err)))
	}
	return i.end(exitOK)
}
