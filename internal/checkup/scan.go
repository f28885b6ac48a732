package checkup

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Scan finds keys that stand on the nodes of a mutex and fit its template, at most limit of them, in order. It uses SCAN, a
// bit at a time, and looks at no more than mostScanned keys of a node. More says that there may be others; an error, that
// a node could not be asked.
func Scan(ctx context.Context, m Mutex, limit int) (keys []string, more bool, err error) {
	ctx, timeout, cancel := limited(ctx)
	defer cancel()
	limit = max(limit, 0)
	template := parseTemplate(m.Key)
	fits := template.expression()
	var nodes []*engine.Node
	for _, group := range m.Engine.Groups() {
		for _, n := range group {
			if !slices.Contains(nodes, n) {
				nodes = append(nodes, n)
			}
		}
	}
	scans := make([]scan, len(nodes))
	errs := make([]error, len(nodes))
	together(len(nodes), func(i int) {
		scans[i] = scan{glob: template.glob(), fits: fits, limit: limit, found: make(map[string]bool)}
		n := newNode(nodes[i])
		if err := guarded(func() error { return scans[i].node(ctx, n, timeout) }); err != nil {
			errs[i] = &ScanError{Node: n.Name, Trouble: *troubleOf(err, n.secrets, timeout)}
		}
	})
	all := make(map[string]bool)
	for i := range scans {
		for key := range scans[i].found {
			all[key] = true
		}
		more = more || scans[i].unfinished
	}
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(keys) > limit {
		keys, more = keys[:limit], true
	}
	return keys, more, errors.Join(errs...)
}

// scan is one of a node.
type scan struct {
	glob  string
	fits  *regexp.Regexp
	limit int

	mu         sync.Mutex // guards what follows: the masters of a cluster are asked side by side
	found      map[string]bool
	unfinished bool
}

func (s *scan) node(ctx context.Context, n *node, timeout time.Duration) error {
	if n.Kind != "cluster" {
		client, err := n.connect(ctx, timeout)
		if err != nil {
			return err
		}
		defer client.Close()
		return s.server(ctx, client)
	}
	c := n.askCluster(ctx, timeout)
	if c.Trouble != nil {
		return c.Trouble
	}
	errs := make([]error, len(c.Masters))
	together(len(errs), func(i int) {
		client := n.at.VisitServer(ctx, c.Masters[i], timeout)
		defer client.Close()
		errs[i] = guarded(func() error { return s.server(ctx, client) })
	})
	for i, err := range errs {
		if err != nil {
			t := troubleOf(err, n.secrets, timeout)
			return &Trouble{t.Code, c.Masters[i] + ": " + t.Message, t.Hint}
		}
	}
	return nil
}

func (s *scan) server(ctx context.Context, client *redis.Client) error {
	var cursor uint64
	for seen := 0; ; seen += scanStep {
		page, next, err := client.Scan(ctx, cursor, s.glob, scanStep).Result()
		if err != nil {
			return err
		}
		if cursor = next; s.take(page, seen, next == 0) {
			return nil
		}
	}
}

// take takes in a page of keys, and tells whether that was enough.
func (s *scan) take(page []string, seen int, last bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range page {
		if s.fits.MatchString(key) && !isOurs(key) {
			s.found[key] = true
		}
	}
	enough := len(s.found) > s.limit || seen >= mostScanned
	s.unfinished = s.unfinished || enough && !last
	return enough || last
}

// isOurs tells whether a key is no lock, but kept for locks: a fencing counter, or the birth key.
func isOurs(key string) bool {
	return key == engine.BirthKey || engine.IsCounterKey(key)
}

const (
	// scanStep is how many keys a server looks at for one SCAN, mostScanned for all of them.
	scanStep    = 1000
	mostScanned = 10_000_000
)

// ScanError is why a node's keys could not be listed.
type ScanError struct {
	Node    string
	Trouble Trouble
}

func (e *ScanError) Error() string { return e.Node + ": " + e.Trouble.Message }
