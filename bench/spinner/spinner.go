// Package spinner keeps the cores of a machine awake: a core with nothing to do falls asleep, and waking it takes longer
// than most of what is measured here. Each spinner is a process that runs only where nobody else wants to.
package spinner

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
)

// variable is set for a process that is to spin, to the number of its core.
const variable = "MUTEXGEN_BENCH_SPIN"

// ErrUnsupported means that the system has no idle priority that we know of.
var ErrUnsupported = errors.New("no idle priority on this system")

// Main spins for ever if this process was started to do that. The program calls it before anything else.
func Main() {
	text, found := os.LookupEnv(variable)
	if !found {
		return
	}
	core, err := strconv.Atoi(text)
	if err != nil {
		os.Exit(2)
	}
	spin(core)
}

// Start starts a spinner on each core, as a process of this program, and returns what ends them.
func Start() (stop func(), err error) {
	if !supported {
		return nil, ErrUnsupported
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var ends []func()
	stop = sync.OnceFunc(func() {
		for _, end := range ends {
			end()
		}
	})
	for _, core := range cores() {
		end, err := start(program, core)
		if err != nil {
			stop()
			return nil, err
		}
		ends = append(ends, end)
	}
	return stop, nil
}

// start starts one spinner from a thread that stays, as the spinner ends with that thread. It returns when the spinner
// has the idle priority.
func start(program string, core int) (end func(), err error) {
	command := exec.Command(program)
	command.Env = append(os.Environ(), variable+"="+strconv.Itoa(core), "GOMAXPROCS=1")
	command.SysProcAttr = diesWithUs()
	ready, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			<-ended
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	end = func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		close(ended)
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		end()
		return nil, errors.New("the process that keeps a core awake did not get its idle priority")
	}
	return end, nil
}
