package checkup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// Scan finds keys that stand on the nodes of a mutex and fit its template, at most limit of them, in order. It uses SCAN, a
// bit at a time, and looks at no more than mostScanned keys of a node. More says that there may be others; an error, that
// a node could not be asked.
func Scan(ctx context.Context, m Mutex, limit int) (keys []string, more bool, err error) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
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
	found := make([]map[string]bool, len(nodes))
	unfinished := make([]bool, len(nodes))
	errs := make([]error, len(nodes))
	together(len(nodes), func(i int) {
		found[i] = make(map[string]bool)
		client, err := connect(ctx, nodes[i], longest)
		if err != nil {
			errs[i] = &ScanError{Node: clean(nodes[i].Name()), Trouble: *troubleOf(err, newNode(nodes[i]).secrets, longest)}
			return
		}
		defer client.Close()
		var mu sync.Mutex // guards found[i] and unfinished[i]: the masters of a cluster are asked side by side
		scan := func(ctx context.Context, one *redis.Client) error {
			var cursor uint64
			for seen := 0; ; seen += scanStep {
				page, next, err := one.Scan(ctx, cursor, template.glob(), scanStep).Result()
				if err != nil {
					return err
				}
				mu.Lock()
				for _, key := range page {
					if fits.MatchString(key) && !isOurs(key) {
						found[i][key] = true
					}
				}
				enough := len(found[i]) > limit || seen >= mostScanned
				unfinished[i] = unfinished[i] || enough && next != 0
				mu.Unlock()
				if cursor = next; cursor == 0 || enough {
					return nil
				}
			}
		}
		err = guarded(func() error {
			switch c := client.(type) {
			case *redis.ClusterClient:
				return c.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error {
					return guarded(func() error { return scan(ctx, one) })
				})
			case *redis.Client:
				return scan(ctx, c)
			}
			return nil
		})
		if err != nil {
			errs[i] = &ScanError{Node: clean(nodes[i].Name()), Trouble: *troubleOf(err, newNode(nodes[i]).secrets, longest)}
		}
	})
	all := make(map[string]bool)
	for i := range nodes {
		for key := range found[i] {
			all[key] = true
		}
		more = more || unfinished[i]
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

// isOurs tells whether a key is no lock, but kept for locks: a fencing counter, or the birth key.
func isOurs(key string) bool {
	locked, isCounter := strings.CutSuffix(key, ":fence")
	if isCounter && strings.HasPrefix(locked, "{") && strings.HasSuffix(locked, "}") {
		return true
	}
	return key == engine.BirthKey || isCounter && engine.CounterKey(locked) == key
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
