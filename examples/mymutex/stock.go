package main

import (
	"errors"
	"sync"
)

// stock is what a lock protects: it stands for a table of a database. Each method is one statement of SQL, and as atomic.
//
//	CREATE TABLE stock (item TEXT PRIMARY KEY, count INT NOT NULL, token BIGINT NOT NULL DEFAULT 0)
type stock struct {
	mu   sync.Mutex
	rows map[string]row // guarded by mu
}

type row struct {
	count int
	token int64 // the largest that came
}

// claim keeps out whoever has a smaller token than this, from now on. It tells whether that is so: nobody with a larger
// token, or the same, was here before.
//
//	UPDATE stock SET token = $2 WHERE item = $1 AND token < $2
func (s *stock) claim(item string, token int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[item]
	if !ok || r.token >= token {
		return false
	}
	r.token = token
	s.rows[item] = r
	return true
}

// count is how many of an item there are.
//
//	SELECT count FROM stock WHERE item = $1
func (s *stock) count(item string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[item].count
}

// set stores how many of an item there are, unless somebody with a larger token has claimed it since; it tells which.
//
//	UPDATE stock SET count = $3 WHERE item = $1 AND token = $2
func (s *stock) set(item string, token int64, count int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.rows[item]
	if !ok || r.token != token {
		return false
	}
	r.count = count
	s.rows[item] = r
	return true
}

// errStale is the error of a worker whose lock has gone to another one.
var errStale = errors.New("a worker with a larger token came since")

// take takes so many of an item from the stock, for a worker that holds the lock with this token. Between what it reads
// and what it writes it calls pause, in which anything may happen.
func (s *stock) take(item string, token int64, number int, pause func() error) error {
	if !s.claim(item, token) {
		return errStale
	}
	left := s.count(item) - number
	if err := pause(); err != nil {
		return err
	}
	if !s.set(item, token, left) {
		return errStale
	}
	return nil
}
