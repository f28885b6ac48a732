package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// diesWithUs has the kernel kill the child when we are gone, however that came.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// pause stops the process and waits until each of its threads stands still: the signal is only sent by kill(2), it works
// a little later.
func pause(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(pollPause / 10) {
		stopped, err := allStopped(pid)
		if stopped || err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d still runs after SIGSTOP", pid)
}

func resume(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }

func allStopped(pid int) (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false, fmt.Errorf("process %d is gone", pid)
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // a thread that ended
		}
		if err != nil {
			return false, err
		}
		// pid (name) state …, where the name may contain anything.
		end := bytes.LastIndexByte(stat, ')')
		if end < 0 || end+2 >= len(stat) {
			return false, fmt.Errorf("%s: %q", path, stat)
		}
		switch stat[end+2] {
		case 'T', 't':
		case 'Z', 'X':
			return false, fmt.Errorf("process %d has ended", pid)
		default:
			return false, nil
		}
	}
	return true, nil
}
