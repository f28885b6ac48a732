package templates

import (
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestAnImportIsNamedAfterWhatItsPathSays(t *testing.T) {
	for path, want := range map[string]string{
		"net/netip":                    "netip",
		"github.com/google/uuid":       "uuid",
		"gopkg.in/yaml.v3":             "yaml",
		"github.com/x/go-y":            "y",
		"github.com/x/y-go":            "y",
		"github.com/nats-io/nats.go":   "nats",
		"github.com/redis/go-redis/v9": "redis",
		"math/rand/v2":                 "rand",
		"example.com/v2":               "examplecom", // the domain's own package
		"github.com/yuin/gopher-lua":   "gopherlua",
		"github.com/x/Y":               "y",
		"github.com/x/3d":              "d",
		"github.com/x/type":            "xtype", // a keyword
		"github.com/x/string":          "xstring",
		"github.com/x/context":         "xcontext",
		"github.com/x/ctx":             "xctx",
		"github.com/x/1.2":             "x",
		"x.y/1/2":                      "pkg2",
		"v2":                           "v2",
		"github.com/x/v2":              "x",
	} {
		taken := map[string]bool{"context": true, "time": true, "mutex": true}
		if got := freeName(path, taken); got != want {
			t.Errorf("%s is named %s, not %s", path, got, want)
		}
	}
}

func imported(name, path, typeName string) definition.Parameter {
	return definition.Parameter{Name: name, GoName: name, Type: typeName, Import: path}
}

func TestOnlyTheStandardLibraryIsImportedWithoutAName(t *testing.T) {
	code := render(t, keyedBy(
		imported("a", "net/netip", "Addr"), imported("b", "github.com/google/uuid", "UUID"),
		imported("c", "math/rand/v2", "Rand"), imported("d", "mycompany/ids", "ID"), imported("e", "time", "Month"),
		imported("f", "context", "X"), imported("g", mutexPath, "Y"),
	))
	// mycompany/ids has no dot: goimports, too, takes it for the standard library's.
	if want := "import (\n\t\"context\"\n\trand \"math/rand/v2\"\n\tids \"mycompany/ids\"\n\t\"net/netip\"\n\t\"time\"\n\n" +
		"\tuuid \"github.com/google/uuid\"\n\t\"github.com/mutexgen/mutexgen/mutex\"\n)\n"; !strings.Contains(code, want) {
		t.Errorf("the imports are not\n%s\nin\n%.600s", want, code)
	}
	mustContain(t, code, "For(a netip.Addr, b uuid.UUID, c rand.Rand, d ids.ID, e time.Month, f context.X, g mutex.Y)")
}

func TestTwoPackagesOfOneNameAreToldApart(t *testing.T) {
	a := keyedBy(imported("a", "github.com/google/uuid", "UUID"), imported("b", "github.com/gofrs/uuid/v5", "UUID"),
		imported("c", "github.com/other/gofrs/uuid", "UUID"))
	code := render(t, a)
	mustContain(t, code, `uuid "github.com/gofrs/uuid/v5"`, `googleuuid "github.com/google/uuid"`,
		`gofrsuuid "github.com/other/gofrs/uuid"`, "For(a googleuuid.UUID, b uuid.UUID, c gofrsuuid.UUID)")

	b := keyedBy(imported("a", "github.com/other/gofrs/uuid", "UUID"), imported("b", "github.com/gofrs/uuid/v5", "UUID"),
		imported("c", "github.com/google/uuid", "UUID"))
	header, _, _ := strings.Cut(code, ")")
	if other, _, _ := strings.Cut(render(t, b), ")"); other != header {
		t.Errorf("the order of the parameters changes the imports:\n%s\n%s", header, other)
	}
}

func TestNoImportIsHiddenByAParameter(t *testing.T) {
	code := render(t, keyedBy(imported("netip", "net/netip", "Addr"), imported("uuid", "github.com/google/uuid", "UUID"),
		imported("googleuuid", "net/netip", "Addr")))
	mustContain(t, code, `netnetip "net/netip"`, `uuid2 "github.com/google/uuid"`,
		"For(netip netnetip.Addr, uuid uuid2.UUID, googleuuid netnetip.Addr)")
}

func TestImportsThatAreNotThereAreNotGrouped(t *testing.T) {
	for _, source := range []string{"", "package x\n", "package x\n\nimport (\n", "package x\n\nimport \"fmt\"\n"} {
		if got := string(groupImports([]byte(source))); got != source {
			t.Errorf("%q becomes %q", source, got)
		}
	}
}
