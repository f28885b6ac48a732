//go:build unix && !linux

package redisserver

import (
	"syscall"
	"time"
)

// diesWithUs has no equal outside of Linux: there a benchmark that is killed leaves its servers running.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// pause gives the signal time to work.
func (p *process) pause() error {
	defer time.Sleep(50 * time.Millisecond)
	return syscall.Kill(p.pid, syscall.SIGSTOP)
}

func (p *process) resume() error { return syscall.Kill(p.pid, syscall.SIGCONT) }
