package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mutexgen/mutexgen/templates"
)

// isGoFileOfOurs says whether a file is one that mutexgen generated.
func isGoFileOfOurs(content []byte) bool { return bytes.HasPrefix(content, []byte(templates.Header)) }

// notOurs is the refusal to touch a file.
func notOurs(path string) error {
	return &hinted{fmt.Errorf("%s is not a file that mutexgen generated", path), "name another file with -out, or move that one away"}
}

// writeGenerated makes source the content of path, which it touches only if that changes more than the ends of lines, and
// only if the file there is ours to overwrite.
func writeGenerated(path string, source []byte, ours func(content []byte) bool) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a rename would replace the link
	}
	mode := fs.FileMode(0o644)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look at the file to write: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file that could be written", path)
	default:
		mode = info.Mode().Perm()
		existing, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read what the file to write holds: %w", err)
		}
		if !ours(existing) {
			return notOurs(path)
		}
		if same(existing, source) {
			return nil
		}
	}
	return writeAtomically(path, source, mode)
}

// writeAtomically writes a temporary file in the same folder and renames it: whoever reads path sees all of the old or
// all of the new content, also after a crash. The temporary file's name does not end in .go, so that no build takes it in.
// An interrupt (Ctrl-C) removes it; after a crash it stays, and can be deleted.
func writeAtomically(path string, content []byte, mode fs.FileMode) (err error) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	temporary, err := os.CreateTemp(filepath.Dir(path), ".mutexgen-*.tmp")
	if _, missing := os.Stat(filepath.Dir(path)); missing != nil { // says so without the temporary file's name
		err = missing
	}
	if err != nil {
		return fmt.Errorf("write beside %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(mode)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil && len(interrupted) > 0 {
		err = errors.New("interrupted")
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
