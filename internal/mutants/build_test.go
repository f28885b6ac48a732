package mutants

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// engineDir is the folder of the engine's source.
var engineDir = filepath.Join("..", "engine")

// needed are the beginnings of the names of those test files that catch mutants. The others are left out, for compiling them
// takes as long as all the rest.
var needed = []string{"sim_", "schedule", "main_test", "real_test", "wire_test"}

// leaveOut hides the test files that are not needed.
func leaveOut(replace map[string]string) error {
	files, err := filepath.Glob(filepath.Join(engineDir, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		isNeeded := slices.ContainsFunc(needed, func(prefix string) bool { return strings.HasPrefix(filepath.Base(file), prefix) })
		path, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		if !isNeeded {
			replace[path] = ""
		}
	}
	return nil
}

// build makes the engine's test binary with the change of a mutant, and nothing on disk changed: the compiler is shown
// another file in the source's place. So no build that anybody uses contains a trace of it.
func (m *mutant) build(ctx context.Context, dir string) (binary string, err error) {
	replace := make(map[string]string)
	for i, c := range m.changes {
		path, err := filepath.Abs(filepath.Join(engineDir, c.file))
		if err != nil {
			return "", err
		}
		source, err := os.ReadFile(cmp.Or(replace[path], path)) // which another change may have changed
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(source), c.before); n != 1 {
			return "", fmt.Errorf("%s has %d times what the mutant changes; it must be once:\n%s", c.file, n, c.before)
		}
		changed := filepath.Join(dir, fmt.Sprintf("%d%s", i, filepath.Ext(c.file)))
		if err := os.WriteFile(changed, []byte(strings.Replace(string(source), c.before, c.after, 1)), 0o644); err != nil {
			return "", err
		}
		replace[path] = changed
	}
	if err := leaveOut(replace); err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "engine.test")
	compiler := exec.CommandContext(ctx, "go", "test", "-c", "-gcflags=-l -dwarf=false", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".")
	compiler.Dir = engineDir
	if output, err := compiler.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, output)
	}
	return binary, nil
}

// verdict is how the tests of a binary ended.
type verdict struct {
	failed bool
	output string
	took   time.Duration
}

// run runs those tests of a binary that are to catch a mutant.
func run(ctx context.Context, t *testing.T, binary string, by catcher) verdict {
	t.Helper()
	start := time.Now()
	command := exec.CommandContext(ctx, binary, by.arguments()...)
	command.Dir = engineDir
	output, err := command.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && (!errors.As(err, &exited) || exited.ExitCode() < 0) {
		t.Fatalf("%v\n%s", err, output)
	}
	return verdict{failed: err != nil, output: string(output), took: time.Since(start)}
}
