package templates

import (
	"strings"
	"testing"
)

func TestMutexesHasAFieldPerMutexInTheOrderOfTheFile(t *testing.T) {
	code := render(t, transfer(), nightly())
	mustContain(t, code, `// Mutexes are the mutexes of mutexes.yaml. They are safe for use by several goroutines.
		type Mutexes struct {
			// AccountTransfer locks the key account:{account_id:int64}:transfer.
			AccountTransfer AccountTransfer
			// NightlyReport makes sure that one replica at a time builds the report.
			NightlyReport NightlyReport

			set *mutex.Set
		}`)
}

func TestAFieldsDocIsTheFirstParagraphOfItsType(t *testing.T) {
	m := nightly()
	m.Doc = "guards the report.\n\nIt takes long."
	fields, types, _ := strings.Cut(render(t, m), "set *mutex.Set")
	if strings.Contains(fields, "It takes long.") {
		t.Errorf("the field says it all:\n%s", fields)
	}
	mustContain(t, types, "// NightlyReport guards the report.\n//\n// It takes long.\n//\n// It locks the key")
}

func TestMutexesCanBeClosedAndDescribed(t *testing.T) {
	mustContain(t, render(t, nightly()),
		"func (m *Mutexes) Close() error { return m.set.Close() }",
		"func (m *Mutexes) All() []mutex.Definition { return m.set.All() }",
		"func (m *Mutexes) Held() []mutex.Held { return m.set.Held() }")
}
