package redistest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// lookLimit bounds one look-up: a paused server fails the test instead of holding it up.
const lookLimit = 5 * time.Second

// CLI runs one command over a connection of its own and returns the reply as text: "(nil)" for nil, the text of an
// error for an error, one line per element for an array. A connection that fails ends the test.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	return s.ask(args...).String()
}

// Keys returns the names of all keys of database 0, sorted; empty when there are none.
func (s *Server) Keys() []string {
	s.t.Helper()
	answer := s.must("KEYS", "*")
	names := make([]string, 0, len(answer.elements))
	for _, element := range answer.elements {
		names = append(names, element.text)
	}
	slices.Sort(names)
	return names
}

// Get returns the string stored at key, "" if there is none.
func (s *Server) Get(key string) string {
	s.t.Helper()
	return s.must("GET", key).text
}

// PTTL returns how long key has left, to the millisecond. As with go-redis, -2 (nanoseconds) means that there is no such
// key and -1 that it has no expiration.
func (s *Server) PTTL(key string) time.Duration {
	s.t.Helper()
	answer := s.must("PTTL", key)
	milliseconds, err := strconv.ParseInt(answer.text, 10, 64)
	if err != nil {
		s.t.Fatalf("redis-server %s: PTTL %q: %s", s.Addr(), key, answer)
	}
	if milliseconds < 0 {
		return time.Duration(milliseconds)
	}
	return time.Duration(milliseconds) * time.Millisecond
}

// Flush deletes all keys of all databases.
func (s *Server) Flush() {
	s.t.Helper()
	s.must("FLUSHALL")
}

// Commands returns how many commands the server has processed since it started (total_commands_processed), without
// those that Commands itself needed: a difference of two calls is what was sent between them. Commands called by scripts
// count too; those that the server refused to run don't.
func (s *Server) Commands() int64 {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.password != "" {
		s.lookUps++ // AUTH
	}
	total, err := strconv.ParseInt(infoField(s.must("INFO", "stats").text, "total_commands_processed"), 10, 64)
	if err != nil {
		s.t.Fatalf("redis-server %s: INFO stats: %v", s.Addr(), err)
	}
	total -= s.lookUps
	s.lookUps++ // INFO counts after its answer was written
	return total
}

func (s *Server) ask(args ...string) reply {
	s.t.Helper()
	if len(args) == 0 {
		s.t.Fatal("redistest: no command")
	}
	replies, err := ask(s.Addr(), s.password, lookLimit, args)
	if err != nil {
		s.t.Fatalf("redis-server %s: %s: %v", s.Addr(), args[0], err)
	}
	return replies[0]
}

// must asks for something that has no reason to fail.
func (s *Server) must(args ...string) reply {
	s.t.Helper()
	answer := s.ask(args...)
	if answer.isError() {
		s.t.Fatalf("redis-server %s: %s: %s", s.Addr(), strings.Join(args, " "), answer)
	}
	return answer
}

// infoField returns one field of INFO's text.
func infoField(info, name string) string {
	for line := range strings.SplitSeq(info, "\r\n") {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return value
		}
	}
	return ""
}
