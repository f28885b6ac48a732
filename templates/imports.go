package templates

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// mutexPath is the package that generated code stands on.
const mutexPath = "github.com/mutexgen/mutexgen/mutex"

// ownNames are the names of the packages that every generated file imports.
var ownNames = map[string]string{"context": "context", "time": "time", mutexPath: "mutex"}

// nameImports gives each imported package its name in the file. Nobody looks into the packages, so what they call
// themselves is unknown: only the standard library's go without an explicit name. No name is that of another import
// or of a key parameter, which would hide it.
func nameImports(out *jen.File, mutexes []definition.Mutex) {
	out.ImportNames(ownNames)
	taken := map[string]bool{}
	for _, name := range ownNames {
		taken[name] = true
	}
	var paths []string
	for i := range mutexes {
		for _, parameter := range mutexes[i].Key.Parameters() {
			taken[parameter.GoName] = true
			if parameter.Import != "" && ownNames[parameter.Import] == "" {
				paths = append(paths, parameter.Import)
			}
		}
	}
	// Sorted: which of two packages gets the plain name must not depend on the order of the mutexes.
	slices.Sort(paths)
	for _, importPath := range slices.Compact(paths) {
		name := freeName(importPath, taken)
		taken[name] = true
		if isStandard(importPath) && name == path.Base(importPath) {
			// Left to jennifer, which knows the standard library's packages and names all others explicitly: the
			// path of a private module need not have a dot either.
			continue
		}
		out.ImportAlias(importPath, name)
	}
}

// freeName is the name for importPath that a person would pick: uuid, then googleuuid, then uuid2, uuid3, ….
func freeName(importPath string, taken map[string]bool) string {
	free := func(name string) bool { return !taken[name] && !jen.IsReservedWord(name) && !methodNames[name] }
	parent, base := splitName(importPath)
	for _, name := range []string{base, parent + base} {
		if name != "" && free(name) {
			return name
		}
	}
	if base == "" {
		base = "pkg"
	}
	for i := 2; ; i++ {
		if name := base + strconv.Itoa(i); free(name) {
			return name
		}
	}
}

// splitName guesses the package's name and that of the folder above it: gopkg.in/foo.v3 is foo, github.com/x/go-y/v2 is
// y below x.
func splitName(importPath string) (parent, base string) {
	elements := strings.Split(importPath, "/")
	if last := len(elements) - 1; last > 0 && isMajorVersion(elements[last]) {
		elements = elements[:last]
	}
	base = elements[len(elements)-1]
	if before, version, ok := cutLast(base, "."); ok && isMajorVersion(version) {
		base = before
	}
	for _, affix := range []string{"go-", "go."} {
		base = strings.TrimPrefix(base, affix)
	}
	for _, affix := range []string{"-go", ".go"} {
		base = strings.TrimSuffix(base, affix)
	}
	if len(elements) > 1 {
		parent = identifierOf(elements[len(elements)-2])
	}
	return parent, identifierOf(base)
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// isMajorVersion reports whether element is v2, v10, ….
func isMajorVersion(element string) bool {
	digits, ok := strings.CutPrefix(element, "v")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// identifierOf keeps the letters and digits of element, in lower case as package names are; it may be empty.
func identifierOf(element string) string {
	kept := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(element))
	return strings.TrimLeft(kept, "0123456789")
}

// isStandard goes by the rule of goimports: the standard library has no dot in the path's first element.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// groupImports parts the standard library from the others in the import block, which jennifer writes as one sorted list,
// one `[name ]"path"` to a line.
func groupImports(source []byte) []byte {
	before, rest, found := bytes.Cut(source, []byte("\nimport (\n"))
	block, after, closed := bytes.Cut(rest, []byte("\n)\n"))
	if !found || !closed {
		return source
	}
	var standard, others []string
	for _, line := range strings.Split(string(block), "\n") {
		if _, quoted, _ := strings.Cut(line, `"`); isStandard(quoted) {
			standard = append(standard, line)
		} else {
			others = append(others, line)
		}
	}
	grouped := strings.Join(standard, "\n") + "\n\n" + strings.Join(others, "\n")
	return slices.Concat(before, []byte("\nimport (\n"+grouped+"\n)\n"), after)
}
