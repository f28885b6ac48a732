//go:build linux

package spinner

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// children are the processes that this one has started and not yet waited for.
func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue // a thread that ended
		}
		for _, field := range strings.Fields(string(content)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestEachCoreHasASpinnerThatGivesWayToEverybody(t *testing.T) {
	stop, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	pids := children(t)
	if len(pids) != len(cores()) {
		t.Fatalf("%d spinners for %d cores", len(pids), len(cores()))
	}
	seen := make(map[int]bool)
	for _, pid := range pids {
		attributes, err := unix.SchedGetAttr(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		if attributes.Policy != unix.SCHED_IDLE {
			t.Errorf("spinner %d has the policy %d", pid, attributes.Policy)
		}
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(pid, &set); err != nil {
			t.Fatal(err)
		}
		for _, core := range cores() {
			if set.IsSet(core) && set.Count() == 1 {
				seen[core] = true
			}
		}
	}
	if len(seen) != len(cores()) {
		t.Errorf("the spinners are on the cores %v of %v", seen, cores())
	}
	start := time.Now()
	stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("they took %v to end", took)
	}
	if left := children(t); len(left) != 0 {
		t.Errorf("processes left: %v", left)
	}
}
