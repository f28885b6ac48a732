package main

import (
	"errors"
	"fmt"
	"go/build"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/targets"
	"github.com/mutexgen/mutexgen/templates"
)

// generate is the subcommand that writes the Go file.
func (e environment) generate(args []string) int {
	i := e.invoke("generate")
	config := i.flags.String("config", "mutexes.yaml", "")
	out := i.flags.String("out", "mutexes_gen.go", "")
	packageName := i.flags.String("package", "", "")
	if _, exit, ok := i.parse(args, 0); !ok {
		return exit
	}
	for name, path := range map[string]string{"config": *config, "out": *out} {
		if err := targets.CheckPath(name, path); err != nil {
			return i.misused(err, "")
		}
	}
	t := i.targetOf(*config, *out, *packageName)
	source, ok := i.render(t)
	if !ok {
		return i.end(exitInvalid)
	}
	if err := writeGenerated(i.path(t.Out), source, isGoFileOfOurs); err != nil {
		return i.end(i.fail(err))
	}
	return i.end(exitOK)
}

// targetOf is what the flags ask for in the current folder.
func (e environment) targetOf(config, out, packageName string) targets.Target {
	goPackage, _ := e.lookup("GOPACKAGE")
	return targets.Target{Subcommand: "generate", Config: config, Out: out, Package: packageName, GoPackage: goPackage, Folder: "."}
}

// render returns what the target's file is to hold. It is not ok if that cannot be told, which is among the findings then.
func (i *invocation) render(t targets.Target) (content []byte, ok bool) {
	if t.Subcommand == "schema" {
		return definition.Schema(), true
	}
	file := i.load(t.Config)
	if file == nil {
		return nil, false
	}
	name, err := i.packageName(t, file)
	if err != nil {
		i.fail(err)
		return nil, false
	}
	source, err := templates.Render(file, name, filepath.Base(t.Config))
	if err != nil {
		i.fail(err)
		return nil, false
	}
	return source, true
}

// packageName is the package of the generated file: the flag's, else that of the definitions, else go generate's if the
// file is for the folder of the package that go generate runs in, else that of the Go files beside it, else the one that the
// folder's name suggests.
func (e environment) packageName(t targets.Target, file *definition.File) (string, error) {
	here, err := filepath.Abs(e.path(t.Folder))
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	folder, err := filepath.Abs(filepath.Dir(e.path(t.Out)))
	if err != nil {
		return "", fmt.Errorf("find the folder of %s: %w", t.Out, err)
	}
	switch {
	case t.Package != "":
		return checkPackage(t.Package, "-package")
	case file.Package != "":
		return checkPackage(file.Package, "package in the definitions")
	case t.GoPackage != "" && folder == here:
		return checkPackage(t.GoPackage, "$GOPACKAGE")
	}
	if beside := packageIn(folder, filepath.Base(t.Out)); beside != "" {
		return beside, nil
	}
	return packageOfFolder(folder)
}

// packageIn is the package of the Go files in the folder that a build takes in, but for one of them; empty if there are none.
func packageIn(folder, except string) string {
	context := build.Default
	context.ReadDir = func(name string) ([]fs.FileInfo, error) {
		entries, err := os.ReadDir(name)
		var files []fs.FileInfo
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil && entry.Name() != except && !strings.HasSuffix(entry.Name(), "_test.go") {
				files = append(files, info)
			}
		}
		return files, err
	}
	p, err := context.ImportDir(folder, 0)
	if several := (*build.MultiplePackageError)(nil); errors.As(err, &several) || p == nil {
		return ""
	}
	return p.Name
}

// packageOfFolder is the package that a folder's name suggests.
func packageOfFolder(folder string) (string, error) {
	base := filepath.Base(folder)
	name := strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, base)
	if _, err := checkPackage(name, ""); err != nil {
		return "", &hinted{fmt.Errorf("the folder %s does not tell what the package should be called", base),
			"name it with -package, or with package: in the definitions"}
	}
	return name, nil
}

func checkPackage(name, origin string) (string, error) {
	if !token.IsIdentifier(name) || name == "_" {
		return "", fmt.Errorf("%s: %q cannot be the name of a Go package", origin, name)
	}
	return name, nil
}
