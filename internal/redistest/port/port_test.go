package port

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestNoPortIsGivenTwice(t *testing.T) {
	const takers, each = 8, 30 // more than one block
	var (
		all sync.WaitGroup
		mu  sync.Mutex
		got []int
	)
	for range takers {
		all.Go(func() {
			for range each {
				number, release, err := Take()
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(release)
				mu.Lock()
				got = append(got, number)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(got)
	if unique := len(slices.Compact(slices.Clone(got))); unique != takers*each {
		t.Errorf("%d different ports of %d: %v", unique, takers*each, got)
	}
}

func TestReleasedPortIsGivenAgainButNotAtOnce(t *testing.T) {
	first, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	release()
	release()
	second, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if second == first {
		t.Error("a port was given again at once")
	}
	for range blockSize * (len(blocks) + 1) {
		number, release, err := Take()
		if err != nil {
			t.Fatal(err)
		}
		release()
		if number == first {
			return
		}
	}
	t.Errorf("port %d was never given again", first)
}

func TestPortInUseIsNotGiven(t *testing.T) {
	first, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := listen(first)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	release() // free as far as we know
	for range blockSize * (len(blocks) + 1) {
		number, release, err := Take()
		if err != nil {
			t.Fatal(err)
		}
		release()
		if number == first {
			t.Fatalf("port %d is in use", first)
		}
	}
}

func TestProcessesShareNoBlock(t *testing.T) {
	const tellEnv = "PORT_TELL"
	number, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if os.Getenv(tellEnv) != "" {
		fmt.Println("port", number)
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the parent lets us go
		return
	}
	seen := map[int]bool{number / blockSize: true}
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), tellEnv+"=1")
		if _, err := child.StdinPipe(); err != nil { // or it would read the end of /dev/null at once
			t.Fatal(err)
		}
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = child.Process.Kill()
			_ = child.Wait()
		})
		line, err := bufio.NewReader(out).ReadString('\n')
		var other int
		if _, scanErr := fmt.Sscanf(strings.TrimSpace(line), "port %d", &other); err != nil || scanErr != nil {
			t.Fatalf("the child said %q: %v, %v", line, err, scanErr)
		}
		if seen[other/blockSize] {
			t.Errorf("port %d of another process is in a block that is taken: %v", other, seen)
		}
		seen[other/blockSize] = true
	}
}
