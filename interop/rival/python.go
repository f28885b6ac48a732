package rival

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// RedisPy is the Lock of redis-py, in a Python of its own for each Open. It knows one node.
var RedisPy = Library{
	Name: "redis-py", Extends: true, Releases: true, Tells: true,
	Key: asIs, Open: func(t testing.TB, urls ...string) Locker {
		t.Helper()
		return startProcess(t, python(t), filepath.Join(folder(), "python", "worker.py"), urls[0])
	},
}

// python returns the path of a Python that has redis-py: Debian's own, whatever stands before it in PATH, or the first
// there. Without one the test is skipped, or fails if it must not be.
func python(t testing.TB) string {
	t.Helper()
	for _, path := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(path, "-c", "import redis").Run() == nil {
			return path
		}
	}
	missing(t, "redis-py needs a python3 that imports redis: `apt-get install python3-redis`, or `pip install redis`")
	return ""
}
