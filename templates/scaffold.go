package templates

import (
	_ "embed"
	"fmt"
)

//go:embed scaffold/definitions.yaml
var scaffoldDefinitions []byte

//go:embed scaffold/gen.go.txt
var scaffoldLines []byte

// ScaffoldDefinitions is a commented mutexes.yaml to begin with.
func ScaffoldDefinitions() []byte { return append([]byte(nil), scaffoldDefinitions...) }

// ScaffoldGo is the Go file beside it, with the lines by which go generate runs mutexgen. Where the package has files
// already, it is not documented a second time.
func ScaffoldGo(packageName string, documented bool) []byte {
	doc := ""
	if !documented {
		doc = fmt.Sprintf("// Package %s holds the mutexes of this application, which mutexes.yaml defines.\n", packageName)
	}
	return fmt.Appendf(nil, "%spackage %s\n\n%s", doc, packageName, scaffoldLines)
}
