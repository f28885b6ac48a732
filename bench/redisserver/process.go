package redisserver

import (
	"os"
	"os/exec"
	"runtime"
)

// process is a redis-server that runs, or ran.
type process struct {
	pid    int
	handle *os.Process
	done   chan struct{} // closed when the process has ended and was waited for
	result error         // of waiting; read only after done
}

// startProcess starts the program from a thread that lives as long as it: the kernel sends the death signal
// (process_linux.go) when the thread that forked ends, and Go ends threads at will.
func startProcess(logPath, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = diesWithUs()

	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		if err == nil {
			p.pid, p.handle = command.Process.Pid, command.Process
		}
		started <- err
		if err == nil {
			p.result = command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) kill() {
	_ = p.handle.Kill() // an error means that it has ended already
	<-p.done
}
