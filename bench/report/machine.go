package report

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// libraries are the modules that are measured, or measured with.
var libraries = []string{
	"github.com/redis/go-redis/v9",
	"github.com/go-redsync/redsync/v4",
	"github.com/bsm/redislock",
	"github.com/redis/rueidis",
	"github.com/redis/rueidis/rueidiscompat",
}

// Machine is the table of where and with what was measured.
func Machine(redisServer string) *Table {
	t := &Table{Name: "machine", Title: "Machine and versions", Columns: []Column{Text("what"), Text("which")}}
	t.Add("processor", cpuModel())
	t.Add("cores", Count(float64(runtime.NumCPU())))
	t.Add("system", system())
	t.Add("Go", strings.TrimPrefix(runtime.Version(), "go")+" "+runtime.GOOS+"/"+runtime.GOARCH)
	t.Add("redis-server", redisServer)
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, path := range libraries {
			for _, module := range build.Deps {
				if module.Path != path {
					continue
				}
				version := module.Version
				if module.Replace != nil {
					version = module.Replace.Version
				}
				t.Add(strings.TrimPrefix(path, "github.com/"), version)
			}
		}
	}
	t.Add("load before the run", load())
	return t
}

func cpuModel() string {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func system() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(release))
}

// load is the average number of processes that wanted to run in the last minute: what it says above zero may have
// disturbed the measurements.
func load() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(content), " ")
	return minute
}
