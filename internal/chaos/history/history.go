// Package history is what many processes did with a few locks, told on one clock, and the judges of it: oracles that look
// at intervals, and a model that porcupine checks.
package history

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// Kind is what a record tells.
type Kind string

const (
	// Got: an acquire returned a lock at At, which was asked for at Asked.
	Got Kind = "got"
	// Refused: an acquire returned an error at At.
	Refused Kind = "refused"
	// Held: at At the lock had not ended.
	Held Kind = "held"
	// Letting: at At the holder is about to release the lock.
	Letting Kind = "letting"
	// Over: at At the lock had ended, by release or by loss, and Until is its last.
	Over Kind = "over"
)

// Record is one thing that a worker did or saw. Each is written before the worker goes on, so what a worker that was killed
// did not write, it did not do.
type Record struct {
	Kind    Kind `json:"kind"`
	Process int  `json:"p"`
	Worker  int  `json:"w"`
	// Attempt counts a worker's acquires.
	Attempt int    `json:"n"`
	Mutex   string `json:"mutex,omitempty"`
	Key     string `json:"key,omitempty"`
	Asked   int64  `json:"asked,omitempty"`
	At      int64  `json:"at"`
	// Until is the end of the lock's validity, as it said at At.
	Until int64 `json:"until,omitempty"`
	Token int64 `json:"token,omitempty"`
	// Why is why an acquire was refused, or how a lock ended: see package worker.
	Why string `json:"why,omitempty"`
}

// Journal is a file of one process's records. Each goes there by a write of its own, so that it survives a SIGKILL that comes
// right after.
type Journal struct{ file *os.File }

// NewJournal creates the file.
func NewJournal(path string) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &Journal{file}, nil
}

// Write adds a record. Any goroutine may call it.
func (j *Journal) Write(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// ReadFile returns the records of a journal. Its last line may be torn: a write that a SIGKILL cut short.
func ReadFile(path string) ([]Record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	records, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return records, nil
}

func read(from io.Reader) ([]Record, error) {
	var records []Record
	lines := bufio.NewReader(from)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		switch {
		case err == io.EOF: // with or without a torn line
			return records, nil
		case err != nil:
			return nil, err
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		records = append(records, r)
	}
}

// Hold is one lock that somebody got.
type Hold struct {
	Process, Worker, Attempt int
	Mutex, Key               string
	Token                    int64
	// Asked and Got are when its acquire was called, and when it had returned.
	Asked, Got int64
	// End is when the holder stopped relying on the lock: when it began to release it, saw that it had ended, or died, but no
	// later than the lock's Until. It may lie before Got: a process that was stopped while its acquire returned finds that it
	// has no lock any more.
	End int64
	// How says how it ended: what Record.Why says, or "died".
	How string
}

// Died is how a hold ended whose process was killed.
const Died = "died"

// empty tells whether the lock ended before the holder could rely on it.
func (h *Hold) empty() bool { return h.End <= h.Got }

func (h *Hold) String() string {
	return fmt.Sprintf("%s by %d.%d#%d token %d, asked %s, [%s, %s], %s",
		h.Key, h.Process, h.Worker, h.Attempt, h.Token, seconds(h.Asked), seconds(h.Got), seconds(h.End), h.How)
}

func seconds(t int64) string { return fmt.Sprintf("%.6f", float64(t)/1e9) }

// Holds puts together what the records tell about each lock that was got. Deaths are, by process, a time at which those that
// were killed were still alive.
func Holds(records []Record, deaths map[int]int64) ([]Hold, error) {
	type place struct{ process, worker, attempt int }
	open := make(map[place]*open)
	var order []place
	alive := make(map[int]int64, len(deaths)) // a process may have lived on for a moment, as its records tell
	for process, death := range deaths {
		alive[process] = death
	}
	for _, r := range records {
		if last, died := alive[r.Process]; died {
			alive[r.Process] = max(last, r.At)
		}
		at := place{r.Process, r.Worker, r.Attempt}
		h := open[at]
		switch {
		case r.Kind == Refused:
			continue
		case r.Kind == Got && h == nil:
			h = newOpen(r)
			open[at], order = h, append(order, at)
		case h == nil || r.Kind == Got || h.over:
			return nil, fmt.Errorf("%+v has no place in the history", r)
		}
		h.take(r)
	}
	holds := make([]Hold, 0, len(order))
	for _, at := range order {
		h, err := open[at].close(alive)
		if err != nil {
			return nil, err
		}
		holds = append(holds, h)
	}
	slices.SortFunc(holds, func(a, b Hold) int { return cmp.Compare(a.Got, b.Got) })
	return holds, nil
}

// open is a hold of which more may be told.
type open struct {
	hold    Hold
	until   int64
	letting int64 // zero: the release has not begun
	ended   int64
	over    bool
}

func newOpen(r Record) *open {
	return &open{hold: Hold{
		Process: r.Process, Worker: r.Worker, Attempt: r.Attempt, Mutex: r.Mutex, Key: r.Key,
		Token: r.Token, Asked: r.Asked, Got: r.At,
	}}
}

func (o *open) take(r Record) {
	o.until = r.Until // it may be moved by a renewal at any time, but never after the lock ended
	switch r.Kind {
	case Letting:
		o.letting = r.At
	case Over:
		o.ended, o.over, o.hold.How = r.At, true, r.Why
	}
}

// close reckons the end.
func (o *open) close(deaths map[int]int64) (Hold, error) {
	end := o.until
	if o.letting != 0 {
		end = min(end, o.letting)
	}
	if o.over {
		end = min(end, o.ended)
	} else {
		death, died := deaths[o.hold.Process]
		if !died {
			return Hold{}, fmt.Errorf("how did it end? %v", &o.hold)
		}
		end, o.hold.How = min(end, death), Died
	}
	o.hold.End = end
	return o.hold, nil
}
