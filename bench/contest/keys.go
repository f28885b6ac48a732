package contest

import "fmt"

// Keys are the keys of workers, made before anything is measured. Contestants have the same keys, in databases of their
// own.
type Keys [][]string

// ringSize is how many keys the workers have together, leastKeys how many each of them has at least. No key comes back
// soon: a library that returns before every node has answered may leave a key behind, and would meet it there.
const (
	ringSize  = 1 << 16
	leastKeys = 128
)

// NewKeys returns keys for so many workers.
func NewKeys(workers int) Keys {
	keys := make(Keys, workers)
	for i := range keys {
		keys[i] = make([]string, max(ringSize/workers, leastKeys))
		for j := range keys[i] {
			keys[i][j] = fmt.Sprintf("account:%03d:%05d", i, j)
		}
	}
	return keys
}

// Cursor is where a contestant's workers are in their keys.
type Cursor struct {
	keys Keys
	at   []position
}

type position struct {
	next int
	_    [56]byte // a cache line for each worker
}

// Cursor returns a new cursor at the workers' first keys.
func (k Keys) Cursor() *Cursor { return &Cursor{keys: k, at: make([]position, len(k))} }

// Next is the worker's next key. Different workers may call it at the same time.
func (c *Cursor) Next(worker int) string {
	p := &c.at[worker]
	key := c.keys[worker][p.next]
	if p.next++; p.next == len(c.keys[worker]) {
		p.next = 0
	}
	return key
}
