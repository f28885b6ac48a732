package templates

import (
	"testing"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestOpenBuildsEveryMutex(t *testing.T) {
	mustContain(t, render(t, transfer(), nightly()),
		"func Open(options ...mutex.Option) (*Mutexes, error) { set, err := mutex.OpenSet([]mutex.Definition{{",
		"}}, options...) if err != nil { return nil, err }",
		`return &Mutexes{
			AccountTransfer: AccountTransfer{opened: set.Opened("AccountTransfer")},
			NightlyReport: NightlyReport{mutex: mutex.At[NightlyReport](set.Opened("NightlyReport"), mutex.NewKey("report:nightly"))},
			set: set,
		}, nil`)
}

func TestAKeyIsBuiltFromItsParts(t *testing.T) {
	text := func(literal string) definition.Part { return definition.Part{Literal: literal} }
	parameter := func(name, goName, typeName, path string) definition.Part {
		return definition.Part{Parameter: &definition.Parameter{Name: name, GoName: goName, Type: typeName, Import: path}}
	}
	for want, parts := range map[string][]definition.Part{
		`mutex.NewKey("a")`:                             {text("a")},
		`mutex.NewKey("{\"\n}")`:                        {text("{\"\n}")},
		`mutex.NewKey("").String("resource", resource)`: {parameter("resource", "resource", "string", "")},
		`mutex.NewKey("a:").Int("an_id", anID).Text(":b:").Int64("c", c).Text(":z")`: {
			text("a:"), parameter("an_id", "anID", "int", ""), text(":b:"), parameter("c", "c", "int64", ""), text(":z")},
		`mutex.NewKey("").Uint64("a", a).Text(":").Bool("b", b).Text(":").Stringer("c", c)`: {
			parameter("a", "a", "uint64", ""), text(":"), parameter("b", "b", "bool", ""), text(":"), parameter("c", "c", "Addr", "net/netip")},
	} {
		code := keyCode(definition.Key{Parts: parts}).GoString()
		if code != want {
			t.Errorf("the key is %s, not %s", code, want)
		}
	}
}
