package templates

import (
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

func TestADefinitionSaysEverythingThatIsInForce(t *testing.T) {
	m := transfer()
	m.Doc, m.NodeTimeout, m.DriftFactor, m.PoolSize, m.MaxHold = "moves money.", 50*time.Millisecond, 0.02, 4, time.Minute
	m.Fencing, m.FencingMemory, m.RestartGuard = true, 2*time.Hour, true
	mustContain(t, render(t, m), `{
		Name: "AccountTransfer",
		Doc: "moves money.",
		Servers: []string{
			"redis://a",
			"redis://b",
			"redis://c",
		},
		Key: "account:{account_id:int64}:transfer",
		Expiration: 10 * time.Second,
		Wait: 5 * time.Second,
		RetryInterval: 200 * time.Millisecond,
		RetryJitter: 100 * time.Millisecond,
		DriftFactor: 0.02,
		NodeTimeout: 50 * time.Millisecond,
		PoolSize: 4,
		ReconnectionInterval: time.Second,
		Renew: true,
		MaxHold: time.Minute,
		Fencing: true,
		FencingMemory: 2 * time.Hour,
		RestartGuard: true,
	}`)
}

func TestADefinitionLeavesOutWhatIsOff(t *testing.T) {
	m := nightly()
	m.Doc, m.FencingMemory = "", time.Hour
	code := render(t, m)
	for _, field := range []string{"Doc", "Servers", "Cluster", "Wait", "MaxRetry", "NodeTimeout", "MaxHold", "Fencing", "FencingMemory",
		"RestartGuard"} {
		if strings.Contains(code, "\t"+field+":") {
			t.Errorf("the field %s is there:\n%s", field, code)
		}
	}
	m.RetryInterval, m.RetryJitter, m.MaxRetry = 0, 0, 3
	mustContain(t, render(t, m), "MaxRetry: 3, RetryInterval: 0, RetryJitter: 0,")
}

// Renewal is on by default, so a definition without the field would leave its reader in doubt.
func TestADefinitionSaysThatItsLocksAreNotRenewed(t *testing.T) {
	m := nightly()
	m.Renew = false
	mustContain(t, render(t, m), "Renew: false,")
}

func TestForeverIsSpelledOut(t *testing.T) {
	m := nightly()
	m.Wait = definition.Forever
	mustContain(t, render(t, m), "Wait: mutex.Forever,")
	m.Wait, m.Fencing, m.FencingMemory = 0, true, definition.Forever
	mustContain(t, render(t, m), "Fencing: true, FencingMemory: mutex.Forever,")
}

func TestAClusterHasAGroupToALine(t *testing.T) {
	m := transfer()
	m.Servers, m.Cluster = nil, [][]string{{"redis://a1", "redis://a2", "redis://a3"}, {"redis://b"}}
	mustContain(t, render(t, m), "Cluster: [][]string{\n{\"redis://a1\", \"redis://a2\", \"redis://a3\"},\n{\"redis://b\"},\n},")
}

func TestTextsOfDefinitionsAreQuoted(t *testing.T) {
	m := nightly()
	m.Doc, m.URL = "a \"b\" \\ `c`\n${D}", "redis://u:p\"@h\n"
	mustContain(t, render(t, m), `Doc: "a \"b\" \\ `+"`c`"+`\n${D}",`, `URL: "redis://u:p\"@h\n",`)
}
