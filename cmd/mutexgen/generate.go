package main

import (
	"errors"
	"flag"
	"fmt"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/templates"
)

// generate is the subcommand that writes the Go file.
func (e environment) generate(args []string) int {
	flags := flag.NewFlagSet("mutexgen", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the errors are printed below, the usage is ours
	config := flags.String("config", "mutexes.yaml", "")
	out := flags.String("out", "mutexes_gen.go", "")
	packageName := flags.String("package", "", "")

	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(e.stdout, manual())
		return exitOK
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && *config == "":
		err = errors.New("-config needs the path of a file")
	case err == nil && *out == "":
		err = errors.New("-out needs the path of a file")
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "mutexgen: %v\n%s", err, usage)
		return exitInvalid
	}

	file, err := e.definitions(*config)
	if err != nil {
		return e.fail(err)
	}
	if file == nil {
		return exitInvalid
	}
	name, err := e.packageName(*packageName, file, *out)
	if err != nil {
		return e.fail(err)
	}
	source, err := templates.Render(file, name, filepath.Base(*config))
	if err != nil {
		return e.fail(err)
	}
	if err := writeGenerated(e.path(*out), source); err != nil {
		return e.fail(err)
	}
	return exitOK
}

// definitions reads the definitions and reports what is to be said of them. The file is nil if they have errors.
func (e environment) definitions(config string) (*definition.File, error) {
	content, err := os.ReadFile(e.path(config))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &hinted{fmt.Errorf("there is no file %s", config), missingConfigHint}
	}
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	file, findings := definition.Parse(config, content)
	if err := findings.Write(e.stderr, config, content); err != nil {
		return nil, fmt.Errorf("report what is to be said of %s: %w", config, err)
	}
	if findings.HasErrors() {
		return nil, nil
	}
	return file, nil
}

const missingConfigHint = `name another one with -config, or begin with this one:

    version: 1
    mutexes:
      - name: NightlyReport
        doc: makes sure that one replica at a time builds the report.
        url: ${REDIS_URL:-redis://localhost:6379}
        key: report:nightly
        expiration: 10m
`

// packageName is the package of the generated file: the flag's, else that of the definitions, else go generate's if the
// file is for the folder of the package that go generate runs in, else the one that the folder's name suggests.
func (e environment) packageName(wanted string, file *definition.File, out string) (string, error) {
	goPackage, _ := e.lookup("GOPACKAGE")
	here, err := filepath.Abs(e.path("."))
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	folder, err := filepath.Abs(filepath.Dir(e.path(out)))
	if err != nil {
		return "", fmt.Errorf("find the folder of %s: %w", out, err)
	}
	switch {
	case wanted != "":
		return checkPackage(wanted, "-package")
	case file.Package != "":
		return checkPackage(file.Package, "package in the definitions")
	case goPackage != "" && folder == here:
		return checkPackage(goPackage, "$GOPACKAGE")
	}
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
