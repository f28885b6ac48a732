//go:build !linux

package redistest

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// diesWithUs has no equal outside of Linux: there a test binary that is killed leaves its servers running.
func diesWithUs() *syscall.SysProcAttr { return nil }

// pause goes through kill and ps, so that this file compiles on systems that have no such signals too.
func pause(pid int) error {
	if err := exec.Command("kill", "-STOP", strconv.Itoa(pid)).Run(); err != nil {
		return err
	}
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(pollPause) {
		state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return err
		}
		if strings.HasPrefix(strings.TrimSpace(string(state)), "T") {
			return nil
		}
	}
	return fmt.Errorf("process %d still runs after SIGSTOP", pid)
}

func resume(pid int) error { return exec.Command("kill", "-CONT", strconv.Itoa(pid)).Run() }
