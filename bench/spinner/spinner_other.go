//go:build unix && !linux

package spinner

import (
	"os"
	"syscall"
)

const supported = false

func cores() []int { return nil }

func spin(int) { os.Exit(1) }

func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
