package worker

import "syscall"

// diesWithUs has the kernel kill the child when we are gone, however that came. A worker ends by itself then, too, unless it
// is stopped.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
