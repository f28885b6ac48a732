package spinner

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

// cores are those that this process may run on.
func cores() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var all []int
	for core := 0; len(all) < set.Count(); core++ {
		if set.IsSet(core) {
			all = append(all, core)
		}
	}
	return all
}

// spin takes the idle priority on a core, tells its parent, and never returns. The Go runtime's other threads have next to
// nothing to do.
func spin(core int) {
	runtime.LockOSThread()
	var cores unix.CPUSet
	cores.Set(core)
	if err := unix.SchedSetaffinity(0, &cores); err != nil {
		os.Exit(1)
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		os.Exit(1)
	}
	if _, err := os.Stdout.WriteString("\n"); err != nil {
		os.Exit(1)
	}
	//lint:ignore SA5002 to use all of the core is what it is for
	for {
	}
}

func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
