package mutex_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// ringChoices are the groups that lyokato/redlock picks for certain keys, of so many groups.
func ringChoices(t *testing.T, groups int) map[string]int {
	t.Helper()
	content, err := os.ReadFile("../internal/ring/testdata/ring_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Rings []struct {
			Nodes   int
			Choices []struct {
				Key  string
				Node int
			}
		}
	}
	if err := json.Unmarshal(content, &vectors); err != nil {
		t.Fatal(err)
	}
	choices := make(map[string]int)
	for _, ring := range vectors.Rings {
		for _, choice := range ring.Choices {
			if ring.Nodes == groups && choice.Key != "" {
				choices[choice.Key] = choice.Node
			}
		}
	}
	if len(choices) < 30 {
		t.Fatalf("%d vectors for %d groups", len(choices), groups)
	}
	return choices
}

func TestGroupsAreQuorumsOfTheirOwn(t *testing.T) {
	t.Parallel()
	groups := [][]*redistest.Server{redistest.StartN(t, 3), redistest.StartN(t, 3)}
	d := on()
	d.Cluster = [][]string{urls(groups[0]), urls(groups[1])}
	set := open(t, d)
	// In the first group one node is down, which a quorum survives; of the second all are down but one.
	groups[0][1].Kill()
	groups[1][0].Kill()
	groups[1][2].Kill()
	counts := make([]int, 2)
	for key, group := range ringChoices(t, 2) {
		counts[group]++
		lock, err := at(set, key).AcquireLock(t.Context())
		if group == 1 {
			wantError(t, err, mutex.ErrNoQuorum)
			wantText(t, err, groups[1][0].Addr()+": down", groups[1][2].Addr()+": down", fmt.Sprintf("%q", key))
			continue
		}
		if err != nil {
			t.Errorf("key %q of the group that lives: %v", key, err)
			continue
		}
		if groups[0][0].Get(key) == "" && groups[0][2].Get(key) == "" {
			t.Errorf("key %q is not in its group", key)
		}
		release(t, lock)
	}
	if counts[0] == 0 || counts[1] == 0 {
		t.Errorf("the groups have %v keys", counts)
	}
	wantNoKeys(t, groups[0][0], groups[0][2], groups[1][1])
}
