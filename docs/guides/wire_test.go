package guides

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

// sent is a command that another library sends, as its section of migrating.md shows it, and the mutexes of that section.
type sent struct {
	section     string
	command     []string
	definitions []definition.Mutex
}

func commands(t *testing.T) []sent {
	t.Helper()
	var all []sent
	for _, s := range sections(t, migrating) {
		var lines []string
		var definitions []definition.Mutex
		for _, b := range s.blocks {
			switch b.language {
			case "redis":
				lines = append(lines, strings.Split(strings.TrimSpace(b.code), "\n")...)
			case "yaml":
				if file, _ := definition.Parse("mutexes.yaml", []byte(b.code)); file != nil {
					definitions = append(definitions, file.Mutexes...)
				}
			}
		}
		for _, line := range lines {
			all = append(all, sent{s.title, strings.Fields(strings.ReplaceAll(line, "<value>", "theirs")), definitions})
		}
	}
	return all
}

// locks tells whether one of the mutexes can lock a key.
func (s *sent) locks(key string) bool {
	for _, m := range s.definitions {
		pattern := "^"
		for _, part := range m.Key.Parts {
			if part.Parameter != nil {
				pattern += "(.+)"
			} else {
				pattern += regexp.QuoteMeta(part.Literal)
			}
		}
		if regexp.MustCompile(pattern + "$").MatchString(key) {
			return true
		}
	}
	return false
}

func TestWhatOtherLibrariesSendExcludesOursAndTheReverse(t *testing.T) {
	t.Parallel()
	servers := redistest.StartN(t, 3)
	all := commands(t)
	for _, library := range []string{"RedMutex", "lyokato/redlock", "RedlockEx", "redlock-go", "redsync", "bsm/redislock", "node-redlock"} {
		found := false
		for _, s := range all {
			found = found || s.section == library
		}
		if !found {
			t.Errorf("migrating.md doesn't say what %s sends", library)
		}
	}
	for _, s := range all {
		key := s.command[1]
		if !s.locks(key) {
			t.Errorf("%s: none of its mutexes locks %s", s.section, key)
		}
		m := at(t, servers, mutex.Definition{Key: key, Expiration: time.Minute})
		for _, server := range servers[:2] {
			want(t, server, "OK", s.command...)
		}
		if _, err := m.AcquireLock(t.Context()); !errors.Is(err, mutex.ErrAlreadyLocked) {
			t.Errorf("%s: %q: %v; want ErrAlreadyLocked", s.section, s.command, err)
		}
		for _, server := range servers[:2] {
			if got := server.Get(key); got != s.command[2] {
				t.Errorf("%s: our attempt made %q of its lock", s.section, got)
			}
			want(t, server, "1", "DEL", key)
		}
		lock := acquired(t, m)
		for _, server := range servers {
			eventually(t, "every server has our lock", func() bool { return server.Get(key) != "" })
			want(t, server, "(nil)", s.command...)
		}
		if err := m.ReleaseLock(t.Context(), lock); err != nil {
			t.Errorf("%s: %v", s.section, err)
		}
	}
}
