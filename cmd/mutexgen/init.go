package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/targets"
	"github.com/mutexgen/mutexgen/templates"
)

// commandPath is the package that `go get -tool` and a go.mod name.
const commandPath = "github.com/mutexgen/mutexgen/cmd/mutexgen"

// init is the subcommand that begins: it writes definitions, what go generate needs, and what that writes for the first time.
func (e environment) init(args []string) int {
	i := e.invoke("init")
	packageName := i.flags.String("package", "", "")
	folders, exit, ok := i.parse(args, 1)
	if !ok {
		return exit
	}
	folder := "."
	if len(folders) > 0 {
		folder = folders[0]
	}
	b := beginning{invocation: i, folder: folder}
	if err := b.begin(*packageName); err != nil {
		return i.end(i.fail(err))
	}
	b.explain()
	return i.end(exitOK)
}

// beginning is what init does in one folder.
type beginning struct {
	*invocation
	folder      string
	packageName string
	module      module
	written     []string
}

func (b *beginning) begin(packageName string) error {
	if strings.TrimSpace(b.folder) == "" {
		return errors.New("the folder's name is empty")
	}
	var err error
	if b.module, err = moduleOf(b.path(b.folder)); err != nil {
		return err
	}
	if wrong := notImportable.FindString(strings.TrimPrefix(b.importPath(), b.module.path)); wrong != "" {
		return &hinted{fmt.Errorf("the go command accepts no package in a folder with %q in its name", wrong),
			"name another folder: mutexgen init locks"}
	}
	if name := leftOut(strings.TrimPrefix(b.importPath(), b.module.path)); name != "" {
		return &hinted{fmt.Errorf("the go command leaves out a folder called %s: go generate ./... would not see it", name),
			"name another folder: mutexgen init locks"}
	}
	existing := packageIn(b.path(b.folder), "")
	switch {
	case packageName != "":
		b.packageName, err = checkPackage(packageName, "-package")
	case existing != "":
		b.packageName = existing
	default:
		var absolute string
		if absolute, err = filepath.Abs(b.path(b.folder)); err == nil {
			b.packageName, err = packageOfFolder(absolute)
		}
	}
	if err != nil {
		return err
	}
	files, err := b.files(existing != "")
	if err != nil {
		return err
	}
	return b.write(files)
}

// scaffold is a file to begin with.
type scaffold struct {
	name    string
	content []byte
}

func (b *beginning) files(documented bool) ([]scaffold, error) {
	definitions := templates.ScaffoldDefinitions()
	config := filepath.Join(b.folder, "mutexes.yaml")
	b.parseDefinitions(config, definitions)
	code, ok := b.render(targets.Target{Subcommand: "generate", Config: config, Out: filepath.Join(b.folder, "mutexes_gen.go"),
		Package: b.packageName, Folder: b.folder})
	if !ok {
		return nil, errors.New("nothing can be generated from the definitions to begin with")
	}
	return []scaffold{
		{"mutexes.yaml", definitions},
		{"mutexes.schema.json", definition.Schema()},
		{"gen.go", templates.ScaffoldGo(b.packageName, documented)},
		{"mutexes_gen.go", code},
	}, nil
}

// write creates the files. If one cannot be, or is there already, none is.
func (b *beginning) write(files []scaffold) (err error) {
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(b.path(filepath.Join(b.folder, f.name))); err == nil {
			there = append(there, f.name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for what is there already: %w", err)
		}
	}
	if len(there) > 0 {
		hint := "name another folder: mutexgen init locks"
		if slices.Contains(there, "mutexes.yaml") {
			hint = "to bring the generated file up to date, run mutexgen; to begin elsewhere, name another folder"
		}
		verb := "are"
		if len(there) == 1 {
			verb = "is"
		}
		return &hinted{fmt.Errorf("nothing was written: %s %s there already", strings.Join(there, ", "), verb), hint}
	}
	var created []string
	defer func() {
		if err != nil {
			for _, name := range slices.Backward(created) {
				os.Remove(name)
			}
		}
	}()
	if created, err = createFolder(b.path(b.folder)); err != nil {
		return fmt.Errorf("create the folder: %w", err)
	}
	for _, f := range files {
		name := filepath.Join(b.folder, f.name)
		file, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("create a file: %w", err)
		}
		created = append(created, b.path(name))
		_, err = file.Write(f.content)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("write a file: %w", err)
		}
		b.written = append(b.written, name)
	}
	return nil
}

// createFolder creates the folder and those above it, and returns those that were not there, the highest first.
func createFolder(folder string) (created []string, err error) {
	for missing := folder; ; missing = filepath.Dir(missing) {
		if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) || missing == filepath.Dir(missing) {
			break
		}
		created = append(created, missing)
	}
	slices.Reverse(created)
	return created, os.MkdirAll(folder, 0o755)
}

// explain says what was written and what to do next.
func (b *beginning) explain() {
	var out strings.Builder
	fmt.Fprintln(&out, "wrote")
	for _, name := range b.written {
		fmt.Fprintln(&out, "  "+filepath.ToSlash(name))
	}
	fmt.Fprintln(&out, "\nNext:")
	if !b.module.hasTool {
		fmt.Fprintln(&out, "  go get -tool "+commandPath)
	}
	fmt.Fprintf(&out, "  go mod tidy\n\nThen, in Go:\n\n")
	open, variable := "Open()", "locks"
	if b.packageName != "main" {
		fmt.Fprintf(&out, "  import %q\n\n", b.importPath())
		open = b.packageName + ".Open()"
	}
	if variable == b.packageName {
		variable = "mutexes"
	}
	fmt.Fprintf(&out, "  %s, err := %s // connects to nothing yet\n", variable, open)
	fmt.Fprintf(&out, "  err = %s.NightlyReport.Synchronize(ctx, func(ctx context.Context) error { … })\n\n", variable)
	fmt.Fprintf(&out, "Put your own mutexes into %s. After each change: go generate ./...\n",
		filepath.ToSlash(filepath.Join(b.folder, "mutexes.yaml")))
	fmt.Fprintf(&out, "In CI: go tool mutexgen check\n")
	fmt.Fprint(b.stdout, out.String())
}

// importPath is that of the package in the folder, be it there already or not.
func (b *beginning) importPath() string {
	absolute, err := filepath.Abs(b.path(b.folder))
	if err != nil {
		return b.packageName
	}
	relative, err := filepath.Rel(withoutLinks(b.module.folder), withoutLinks(absolute))
	if err != nil {
		return b.packageName
	}
	return path.Join(b.module.path, filepath.ToSlash(relative))
}

// withoutLinks is the path with the links followed in all of it that exists.
func withoutLinks(name string) string {
	real, err := filepath.EvalSymlinks(name)
	if parent := filepath.Dir(name); err != nil && parent != name {
		return filepath.Join(withoutLinks(parent), filepath.Base(name))
	} else if err != nil {
		return name
	}
	return real
}

// notImportable is what the go command does not accept in the name of a folder with Go files.
var notImportable = regexp.MustCompile(`[^-A-Za-z0-9._~+/]`)

// leftOut is the folder of a path that `./...` does not look into; empty if there is none.
func leftOut(path string) string {
	for name := range strings.SplitSeq(path, "/") {
		if targets.Skipped(name) {
			return name
		}
	}
	return ""
}

// module is what there is to know of the application's module.
type module struct {
	folder, path string
	// hasTool says whether its go.mod names mutexgen as a tool.
	hasTool bool
}

// moduleOf asks the go command about the module that the folder, or the first above it that exists, is in.
func moduleOf(folder string) (module, error) {
	for {
		info, err := os.Stat(folder)
		if err == nil && info.IsDir() || folder == filepath.Dir(folder) {
			break
		}
		if err == nil {
			return module{}, fmt.Errorf("%s is not a folder", folder)
		}
		folder = filepath.Dir(folder)
	}
	goMod, err := goCommand(folder, "env", "GOMOD")
	if err != nil {
		return module{}, err
	}
	name := strings.TrimSpace(string(goMod))
	if name == "" || name == os.DevNull {
		return module{}, &hinted{errors.New("this folder is not in a Go module"), "create one first: go mod init example.com/app"}
	}
	text, err := goCommand(folder, "mod", "edit", "-json", name)
	if err != nil {
		return module{}, err
	}
	var parsed struct {
		Module struct{ Path string }
		Tool   []struct{ Path string }
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return module{}, fmt.Errorf("read what the go command says of %s: %w", name, err)
	}
	m := module{folder: filepath.Dir(name), path: parsed.Module.Path}
	for _, tool := range parsed.Tool {
		m.hasTool = m.hasTool || tool.Path == commandPath
	}
	return m, nil
}

func goCommand(folder string, args ...string) ([]byte, error) {
	command := exec.Command("go", args...)
	command.Dir = folder
	output, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return nil, fmt.Errorf("go %s: %s", strings.Join(args, " "), strings.ReplaceAll(strings.TrimSpace(string(exit.Stderr)), "\n", "; "))
	}
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return output, nil
}
