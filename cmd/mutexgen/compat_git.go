package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// repository is the git repository that a folder belongs to.
type repository struct {
	folder string
	prefix string // of the folder, from the root of the repository: "", or with a slash at its end
}

// git runs git in the folder. It never asks, and its messages are those that we know.
func (r *repository) git(args ...string) (string, error) {
	command := exec.Command("git", args...)
	command.Dir = r.folder
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		// A hook has these, and they are right only for the folder that it began in.
		if !slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "LC_ALL", "LANGUAGE"}, name) {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	out, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		err = errors.New(strings.TrimPrefix(first, "fatal: "))
	}
	return string(out), err
}

// open finds the repository, or says why there is none.
func (r *repository) open() error {
	prefix, err := r.git("rev-parse", "--show-prefix")
	r.prefix = strings.TrimSuffix(prefix, "\n")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return &hinted{errors.New("git is not installed, which a ref needs"), "install it, or name a file: -against old.yaml"}
	case strings.Contains(err.Error(), "not a git repository"):
		return &hinted{errors.New("the definitions are in no git repository, so there is no ref to compare with"),
			"name a file: -against old.yaml"}
	case strings.Contains(err.Error(), "dubious ownership"):
		return &hinted{errors.New("git does not trust the repository, which belongs to another user"),
			"in a container of CI: git config --global --add safe.directory '*'"}
	}
	return fmt.Errorf("git: %w", err)
}

// commit is the commit that `ref` or `ref:path` names, empty if there is none.
func (r *repository) commit(name string) (commit, rev, path string) {
	if strings.HasPrefix(name, "-") { // git would take it for an option
		return "", name, ""
	}
	verify := func(rev string) string {
		if rev == "" {
			return ""
		}
		commit, err := r.git("rev-parse", "--verify", "--quiet", rev+"^{commit}")
		if err != nil {
			return ""
		}
		return strings.TrimSpace(commit)
	}
	if commit = verify(name); commit != "" {
		return commit, name, ""
	}
	rev, path, _ = strings.Cut(name, ":")
	if rev == "" || path == "" {
		return "", name, ""
	}
	return verify(rev), rev, path
}

// unknown says that there is no such ref, and what may be meant.
func (r *repository) unknown(rev string, isFolder bool) error {
	err := fmt.Errorf("%q is neither a file nor a git ref", rev)
	if isFolder {
		err = fmt.Errorf("%q is a folder, and no git ref", rev)
	}
	remote := ""
	if commit, _, _ := r.commit("origin/" + rev); commit != "" {
		remote = "origin/" + rev
	}
	shallow, _ := r.git("rev-parse", "--is-shallow-repository")
	switch {
	case strings.HasPrefix(rev, "-"):
		return err
	case remote != "":
		return &hinted{err, "did you mean " + remote + "?"}
	case strings.TrimSpace(shallow) == "true":
		return &hinted{err, fmt.Sprintf("the clone is shallow and may lack it: in a workflow, give actions/checkout fetch-depth: 0, and "+
			"name origin/%s; elsewhere, git fetch --unshallow", strings.TrimPrefix(rev, "origin/"))}
	}
	return &hinted{err, "if it is a remote's, git fetch it first; it is origin/main then, not main"}
}

// file reads a file of the commit: that of the path, else that of the base name in the repository's folder. It is nil if the
// commit has no such file, and nobody said that it had.
func (r *repository) file(commit, rev, named, base string) (*olderFile, error) {
	where := "./" + base
	if named != "" {
		where = filepath.ToSlash(named)
	}
	full := path.Clean(where)
	if strings.HasPrefix(where, "./") || strings.HasPrefix(where, "../") {
		full = path.Join(r.prefix, where)
	}
	name := rev + ":" + full
	blob, err := r.git("rev-parse", "--verify", "--quiet", commit+":"+where)
	if err != nil && named != "" {
		return nil, &hinted{fmt.Errorf("there is no file %s at %s", full, rev), nearFile(r.files(commit, path.Base(full)), rev)}
	} else if err != nil {
		return nil, r.moved(commit, rev, full)
	}
	content, err := r.git("cat-file", "blob", strings.TrimSpace(blob))
	if err != nil {
		return nil, fmt.Errorf("read %s: git: %w", name, err)
	}
	return &olderFile{name: name, content: []byte(content), atRef: true}, nil
}

// files are the commit's files of that base name, seen from the root of the repository.
func (r *repository) files(commit, base string) (found []string) {
	all, err := r.git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
	if err != nil {
		return nil
	}
	for name := range strings.SplitSeq(all, "\x00") {
		if path.Base(name) == base && name != "" {
			found = append(found, name)
		}
	}
	return found
}

// moved is an error if the commit has a file of the same name elsewhere that is gone: it was moved, probably, and that there
// is nothing to compare with would be no answer. Otherwise the definitions are new.
func (r *repository) moved(commit, rev, full string) error {
	root, err := r.git("rev-parse", "--show-toplevel")
	if err != nil {
		return fmt.Errorf("git: %w", err)
	}
	for _, name := range r.files(commit, path.Base(full)) {
		if _, err := os.Lstat(filepath.Join(strings.TrimSuffix(root, "\n"), filepath.FromSlash(name))); err != nil {
			return &hinted{fmt.Errorf("there is no file %s at %s, but %s, which is gone now", full, rev, name),
				fmt.Sprintf("if it was moved, compare with that: -against %s:%s", rev, name)}
		}
	}
	return nil
}

// nearFile is the advice for a file that is not there.
func nearFile(others []string, rev string) string {
	if len(others) == 0 {
		return "a path is seen from the root of the repository, or, with ./ before it, from the folder of the definitions"
	}
	return fmt.Sprintf("did you mean %s:%s?", rev, others[0])
}
