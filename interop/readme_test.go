package interop

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mutexgen/mutexgen/interop/rival"
)

// What the README says is tested, must be what go.mod and package-lock.json have.
func TestTheReadmeNamesTheVersionsThatAreTested(t *testing.T) {
	read := func(path string) string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	readme := read("README.md")
	wanted := make(map[string]string) // by library, as the README calls it
	for line := range strings.Lines(read("go.mod")) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "github.com/go-redsync/redsync/v4", "github.com/bsm/redislock", "github.com/redis/go-redis/v9",
			"github.com/amyangfei/redlock-go/v3", "github.com/go-redis/redis/v8":
			wanted[fields[0]] = strings.TrimPrefix(fields[1], "v")
		}
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if err := json.Unmarshal([]byte(read("node/package-lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"ioredis", "redlock4", "redlock5"} {
		wanted[module] = strings.TrimPrefix(lock.Packages["node_modules/"+module].Version, "v")
	}
	if len(wanted) != 8 {
		t.Errorf("of eight libraries the versions are known of: %v", wanted)
	}
	for library, version := range wanted {
		if version == "" || !strings.Contains(readme, version) {
			t.Errorf("README.md does not name %s %s", library, version)
		}
	}
	for _, library := range everybody {
		if !strings.Contains(readme, library.Name) {
			t.Errorf("README.md does not name %s", library.Name)
		}
	}
}

// The versions in use are shown with -v: redis-py is whatever the machine has.
func TestVersionsAreKnown(t *testing.T) {
	for _, library := range []rival.Library{rival.Redlock4, rival.Redlock5, rival.RedisPy} {
		t.Run(library.Name, func(t *testing.T) {
			versions, err := library.Open(t, "redis://127.0.0.1:1").(*rival.Process).Versions(t.Context())
			if err != nil || len(versions) < 2 {
				t.Fatalf("%v, %v", versions, err)
			}
			for what, version := range versions {
				if version == "" {
					t.Errorf("%s has no version", what)
				}
				t.Log(what, version)
			}
		})
	}
}
