package rival

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func contains(text string, all ...string) bool {
	for _, part := range all {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func TestWhatIsMissingSkipsUnlessItIsRequired(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for value, verdict := range map[string]string{"": "skip", "optional": "skip", "required": "fatal"} {
		t.Setenv(Required, value)
		for _, library := range []Library{Redlock4, Redlock5} {
			o := run(t, func(t testing.TB) { library.Open(t, "redis://localhost") })
			if o.verdict != verdict || !contains(o.message, "needs node and npm", "nodejs") {
				t.Errorf("%s=%s: %s: %s", Required, value, o.verdict, o.message)
			}
		}
		o := run(t, func(t testing.TB) { missing(t, "it needs something") })
		if o.verdict != verdict || !contains(o.message, "it needs something") {
			t.Errorf("%s=%s: %s: %s", Required, value, o.verdict, o.message)
		}
	}
}

func TestModulesAreTakenOnlyInTheVersionsOfTheLockFile(t *testing.T) {
	const lock = `{"packages": {"": {}, "node_modules/a": {"version": "1.2.3"}, "node_modules/b": {"version": "5.0.0-beta.2"}}}`
	complete := map[string]string{
		"package-lock.json":           lock,
		"node_modules/a/package.json": `{"version": "1.2.3"}`,
		"node_modules/b/package.json": `{"version": "v5.0.0-beta.2"}`,
	}
	for _, test := range []struct {
		what, path, content string // "" for no such file
		want                bool
	}{
		{"nothing changed", "", "", true},
		{"a newer version", "node_modules/a/package.json", `{"version": "1.2.4"}`, false},
		{"no version", "node_modules/a/package.json", `{}`, false},
		{"half a file", "node_modules/b/package.json", `{"version": "v5.0`, false},
		{"a module is missing", "node_modules/b/package.json", "", false},
		{"the lock file is missing", "package-lock.json", "", false},
		{"the lock file names nothing", "package-lock.json", `{"packages": {"": {}}}`, false},
	} {
		dir := t.TempDir()
		for path, content := range complete {
			if path == test.path {
				content = test.content
			}
			if content == "" {
				continue
			}
			path = filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := upToDate(dir); got != test.want {
			t.Errorf("%s: %v", test.what, got)
		}
	}
}

// The first digits of what the Elixir libraries were seen to send.
func TestTheReleaseScriptIsTheOneThatWasSeen(t *testing.T) {
	if got := sha1Of(compareAndDelete); !strings.HasPrefix(got, "5c252c1a") {
		t.Errorf("%s", got)
	}
}
