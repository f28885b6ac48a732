package redisserver

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// diesWithUs has the kernel kill the child when we are gone, however that came. In a process group of its own, the child
// doesn't get the terminal's Ctrl-C: its end is our business.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// pause returns when every thread of the process stands still: kill only sends the signal, which works a little later.
func (p *process) pause() error {
	if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait until process %d is stopped: %w", p.pid, err)
		}
		return nil
	}
}

func (p *process) resume() error { return syscall.Kill(p.pid, syscall.SIGCONT) }
