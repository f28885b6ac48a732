package rival

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Redlock4 and Redlock5 are node-redlock over ioredis, in a node of their own for each Open.
var (
	Redlock4 = nodeRedlock("node-redlock 4", "redlock4")
	Redlock5 = nodeRedlock("node-redlock 5 beta", "redlock5")
)

func nodeRedlock(name, module string) Library {
	return Library{
		Name: name, Quorum: true, Extends: true, Releases: true, Tells: true,
		Key: asIs, Open: func(t testing.TB, urls ...string) Locker {
			t.Helper()
			return startProcess(t, node(t), append([]string{filepath.Join(folder(), "node", "worker.js"), module}, urls...)...)
		},
	}
}

// node returns the path of node, whose modules are installed. Without it the test is skipped, or fails if it must not be.
func node(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node-redlock needs node and npm in PATH: `apt-get install nodejs npm`, or `brew install node`")
	}
	if err := installed(); err != nil {
		missing(t, fmt.Sprintf("node-redlock: `npm ci` in the folder interop/node: %v", err))
	}
	return path
}

// Required is the variable that makes what is missing a failure, if its value is "required".
const Required = "MUTEXGEN_INTEROP"

// missing ends a test for which something is missing on this machine.
func missing(t testing.TB, message string) {
	t.Helper()
	if os.Getenv(Required) == "required" {
		t.Fatal(message)
	}
	t.Skipf("%s (%s=required makes this a failure)", message, Required)
}

// folder is the module's.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}

// installed sees to it that the modules of package-lock.json are there, once. They come from npm into a folder of their
// own, which then takes its place at once: somebody else may be installing too.
var installed = sync.OnceValue(func() error {
	here := filepath.Join(folder(), "node")
	if upToDate(here) {
		return nil
	}
	there, err := os.MkdirTemp(here, ".installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(there)
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(here, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(there, name), content, 0o600); err != nil {
			return err
		}
	}
	command := exec.Command("npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = there
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	modules := filepath.Join(here, "node_modules")
	err = os.Rename(filepath.Join(there, "node_modules"), modules)
	if err != nil && !upToDate(here) { // an old one is in the way
		err = errors.Join(os.RemoveAll(modules), os.Rename(filepath.Join(there, "node_modules"), modules))
	}
	if !upToDate(here) {
		return errors.Join(errors.New("the modules differ from package-lock.json"), err)
	}
	return nil
})

// upToDate says whether each module of the lock file is there, in the version that it has there.
func upToDate(here string) bool {
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	if !readJSON(filepath.Join(here, "package-lock.json"), &lock) {
		return false
	}
	for path, wanted := range lock.Packages {
		var module struct{ Version string }
		if path == "" {
			continue // what the file is of
		}
		if !readJSON(filepath.Join(here, path, "package.json"), &module) || plain(module.Version) != plain(wanted.Version) {
			return false
		}
	}
	return len(lock.Packages) > 1
}

// plain is a version without the v that some write before it.
func plain(version string) string {
	if version != "" && version[0] == 'v' {
		return version[1:]
	}
	return version
}

func readJSON(path string, to any) bool {
	content, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(content, to) == nil
}
