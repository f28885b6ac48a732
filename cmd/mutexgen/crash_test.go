//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds the command, once.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared, "mutexgen")
	output, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, err
})

func built(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// many is a mutexes.yaml of which the Go file is large.
func many(n int, name string) string {
	var out strings.Builder
	out.WriteString("version: 1\ndefaults: {url: redis://localhost}\nmutexes:\n")
	for i := range n {
		fmt.Fprintf(&out, "  - {name: %s%d, key: \"%s:%d:{id:int64}\"}\n", name, i, name, i)
	}
	return out.String()
}

// whole fails if the generated file is neither of the two.
func (s *sandbox) whole(old, new string) {
	s.t.Helper()
	if got := s.read("mutexes_gen.go"); got != old && got != new {
		s.t.Fatalf("the file is neither the old nor the new one: %d bytes, not %d or %d", len(got), len(old), len(new))
	}
}

func TestWhoeverStopsItLeavesTheOldFileWhole(t *testing.T) {
	s := newSandbox(t, many(200, "New"))
	s.succeed()
	new := s.read("mutexes_gen.go")
	s.write("mutexes.yaml", many(150, "Old"))
	s.succeed()
	old := s.read("mutexes_gen.go")
	s.write("mutexes.yaml", many(200, "New"))
	path := built(t)

	begin := time.Now()
	s.command(path)
	usual := time.Since(begin)
	for _, signal := range []os.Signal{os.Kill, os.Interrupt, syscall.SIGTERM} {
		for i := range 12 {
			s.write("mutexes_gen.go", old)
			s.command("sh", "-c", "rm -f .mutexgen-*") // what an earlier kill left behind
			command := exec.Command(path)
			command.Dir = s.dir
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(usual * time.Duration(i) / 10) // spread over the run and beyond it
			command.Process.Signal(signal)
			command.Wait()
			s.whole(old, new)
			if left, _ := filepath.Glob(s.path(".mutexgen-*")); len(left) > 0 && signal != os.Kill {
				t.Errorf("after %v there is still %v", signal, left)
			}
		}
	}
	s.command(path) // what a kill may have left behind is in nobody's way
	if s.read("mutexes_gen.go") != new {
		t.Error("afterwards it does not generate any more")
	}
}

// TestAFullDiskLeavesTheOldFileWhole limits how large a file may become, so that writing fails half-way.
func TestAFullDiskLeavesTheOldFileWhole(t *testing.T) {
	s := newSandbox(t, many(50, "Old"))
	s.succeed()
	old := s.read("mutexes_gen.go")
	s.write("mutexes.yaml", many(200, "New"))
	for _, blocks := range []int{0, 1, 16, 64} {
		command := exec.Command("sh", "-c", fmt.Sprintf("ulimit -f %d && exec %s", blocks, built(t)))
		command.Dir = s.dir
		output, err := command.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(output), "mutexgen: write mutexes_gen.go: ") {
			t.Errorf("with %d blocks it ends with %v and says %s", blocks, err, output)
		}
		if s.read("mutexes_gen.go") != old {
			t.Errorf("with %d blocks the old file is not whole", blocks)
		}
		if left, _ := filepath.Glob(s.path(".mutexgen-*")); len(left) > 0 {
			t.Errorf("with %d blocks there is still %v", blocks, left)
		}
	}
}
