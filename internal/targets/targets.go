// Package targets finds what mutexgen generates below some folders: from the lines by which go generate runs it, from
// definitions that no such line names, and from files that say mutexgen generated them.
package targets

import (
	"bytes"
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// Target is a file that mutexgen generates. Its paths are relative to the folder that Find was given as the root.
type Target struct {
	// Subcommand is generate or schema.
	Subcommand string
	// Config is the path of the definitions; empty for a schema.
	Config string
	// Out is the path of the generated file.
	Out string
	// Package is what the flag -package says, and GoPackage is $GOPACKAGE; both may be empty.
	Package, GoPackage string
	// Folder is where the command runs.
	Folder string
	// Line is the place of the go:generate line; empty for definitions that none names.
	Line Line
}

// Line is the place of a go:generate line.
type Line struct {
	File string
	definition.Position
}

// Project is what Find found.
type Project struct {
	// Targets are in the order of the places that name them.
	Targets []Target
	// Generated are the paths of all files with the header of a generated file.
	Generated []string
	// Wrong are lines that run mutexgen in a way that it would refuse.
	Wrong definition.Findings
	// Sources are the contents of the files that Wrong is about.
	Sources map[string][]byte
}

// defaultConfig is what definitions are called where nobody says otherwise.
const defaultConfig = "mutexes.yaml"

// defaultOut is where their Go file goes then.
const defaultOut = "mutexes_gen.go"

// Find looks into the folders, which are relative to root, and with `/...` at their end into all folders below, but not into
// those that `./...` leaves out for the go command (vendor, testdata, other modules, and names that begin with a dot or an
// underscore), and node_modules. header is how generated files begin; environment looks up what go:generate lines refer to as $NAME.
func Find(root string, folders []string, header string, environment func(string) (string, bool)) (*Project, error) {
	f := &finder{root: root, header: header, environment: environment, seen: map[string]bool{},
		project: Project{Sources: map[string][]byte{}}}
	for _, folder := range folders {
		below, recursive := strings.CutSuffix(filepath.ToSlash(folder), "/...")
		if folder == "..." {
			below, recursive = ".", true
		}
		if below == "" { // of /...
			below = "/"
		}
		if err := f.folder(filepath.FromSlash(below), recursive); err != nil {
			return nil, err
		}
	}
	f.definitionsWithoutALine()
	slices.Sort(f.project.Generated)
	return &f.project, nil
}

type finder struct {
	root, header string
	environment  func(string) (string, bool)
	seen         map[string]bool // folders, each by the one name that is the same however it was come upon
	definitions  []string
	project      Project
}

func (f *finder) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.root, name)
}

// folder looks at the files of a folder, and below it if it is to.
func (f *finder) folder(folder string, recursive bool) error {
	entries, err := os.ReadDir(f.path(folder))
	if err != nil {
		return err
	}
	identity := f.identity(folder)
	visited := f.seen[identity]
	f.seen[identity] = true
	for _, entry := range entries {
		name := filepath.Join(folder, entry.Name())
		switch {
		case entry.IsDir():
			if recursive && !f.skipped(name, entry) {
				if err := f.folder(name, true); err != nil {
					return err
				}
			}
		case visited, isHidden(entry.Name()):
		case entry.Name() == defaultConfig:
			f.definitions = append(f.definitions, name)
		case strings.HasSuffix(entry.Name(), ".go") && isFile(f.path(name), entry):
			if err := f.goFile(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipped says whether a folder is none that `./...` names.
func (f *finder) skipped(name string, entry fs.DirEntry) bool {
	if Skipped(entry.Name()) {
		return true
	}
	info, err := os.Stat(filepath.Join(f.path(name), "go.mod"))
	return err == nil && !info.IsDir()
}

// Skipped says whether Find does not look into a folder of that name if it comes upon it below another.
func Skipped(base string) bool {
	return base == "vendor" || base == "testdata" || base == "node_modules" || isHidden(base)
}

// isHidden says whether the go command ignores a file or folder for its name.
func isHidden(base string) bool { return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") }

// isFile follows links: a generated file may be one.
func isFile(path string, entry fs.DirEntry) bool {
	if entry.Type().IsRegular() {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (f *finder) goFile(name string) error {
	content, err := os.ReadFile(f.path(name))
	if err != nil {
		return err
	}
	if bytes.HasPrefix(content, []byte(f.header)) {
		f.project.Generated = append(f.project.Generated, name)
	}
	if bytes.Contains(content, []byte("//go:generate")) {
		f.lines(name, content)
	}
	return nil
}

// definitionsWithoutALine are generated from all the same, where they stand.
func (f *finder) definitionsWithoutALine() {
	named := map[string]bool{}
	for _, t := range f.project.Targets {
		if t.Config != "" {
			named[f.identity(t.Config)] = true
		}
	}
	for _, config := range f.definitions {
		if !named[f.identity(config)] {
			folder := filepath.Dir(config)
			f.project.Targets = append(f.project.Targets, Target{Subcommand: "generate", Config: config,
				Out: filepath.Join(folder, defaultOut), Folder: folder})
		}
	}
	slices.SortStableFunc(f.project.Targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Folder, b.Folder), cmp.Compare(a.Line.File, b.Line.File), cmp.Compare(a.Line.Line, b.Line.Line))
	})
}

// identity is the same for all names of a file or folder.
func (f *finder) identity(name string) string {
	absolute := f.absolute(name)
	if real, err := filepath.EvalSymlinks(absolute); err == nil {
		return real
	}
	return absolute
}

func (f *finder) absolute(name string) string {
	absolute, err := filepath.Abs(f.path(name))
	if err != nil {
		return name
	}
	return absolute
}
