package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mutexgen/mutexgen/templates"
)

// writeGenerated makes source the content of path, which it touches only if that changes it, and only if the file there
// is a generated one.
func writeGenerated(path string, source []byte) error {
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
		if bytes.Equal(existing, source) {
			return nil
		}
		if !bytes.HasPrefix(existing, []byte(templates.Header)) {
			return &hinted{fmt.Errorf("%s is not a generated file, it does not begin with %q", path, templates.Header),
				"name another file with -out, or move that one away"}
		}
	}
	return writeAtomically(path, source, mode)
}

// writeAtomically writes a temporary file in the same folder and renames it: whoever reads path sees all of the old or
// all of the new content, also after a crash. The temporary file's name does not end in .go, so that no build takes it in.
func writeAtomically(path string, content []byte, mode fs.FileMode) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".mutexgen-*.tmp")
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
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
