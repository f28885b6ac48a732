//go:build !linux

package worker

import "syscall"

func diesWithUs() *syscall.SysProcAttr { return nil }
