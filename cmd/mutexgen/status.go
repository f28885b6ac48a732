package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mutexgen/mutexgen/internal/checkup"
	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/mutex"
)

// status is the subcommand that tells who holds what.
func (e environment) status(args []string) int {
	i := e.invoke("status")
	config := i.flags.String("config", "mutexes.yaml", "")
	timeout := i.flags.Duration("timeout", 5*time.Second, "")
	interval := i.flags.Duration("watch", 0, "")
	scan := i.flags.Int("scan", 0, "")
	words, exit, ok := i.parse(withValues(args), math.MaxInt)
	for at := range words {
		words[at] = strings.TrimPrefix(words[at], valueMark)
	}
	given := make(map[string]bool)
	i.flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case !ok:
		return exit
	case *config == "":
		return i.misused(errors.New("-config needs the path of a file"), "")
	case *timeout <= 0:
		return i.misused(errors.New("-timeout must be above zero"), "for example -timeout 5s")
	case given["watch"] && *interval < shortestWatch:
		return i.misused(fmt.Errorf("-watch must be at least %v", shortestWatch), "for example -watch 2s")
	case given["scan"] && (*scan < 1 || *scan > mostScanned):
		return i.misused(fmt.Errorf("-scan must be within 1 and %d", mostScanned), "it is how many keys of a mutex to list at most, for example -scan 100")
	}
	file, set := i.opened(*config)
	if set == nil {
		return i.end(exitInvalid)
	}
	defer set.Close()
	q := question{set: set, scan: *scan}
	if misused := i.ask(&q, file, words); misused != exitOK {
		return misused
	}
	ctx, cancel := i.untilInterrupted()
	defer cancel()
	for {
		within, cancel := context.WithTimeout(ctx, *timeout)
		a, err := q.answer(within)
		cancel()
		if ctx.Err() != nil && given["watch"] {
			return exitOK // what was read then is cut short
		}
		if err == nil {
			err = i.printStatus(a, given["watch"])
		}
		switch {
		case err != nil:
			return i.end(i.fail(err))
		case !given["watch"]:
			return i.end(a.exit())
		}
		select {
		case <-ctx.Done():
			return exitOK
		case <-time.After(*interval):
		}
	}
}

const (
	// shortestWatch keeps -watch from storming the nodes.
	shortestWatch = 10 * time.Millisecond
	// mostScanned bounds -scan.
	mostScanned = 100_000
)

// valueMark goes before words that are values though they look like flags. No argument of a process has it.
const valueMark = "\x00"

// withValues marks negative numbers, and what stands behind --, as no flags.
func withValues(args []string) []string {
	var marked []string
	named := false
	for at, arg := range args {
		_, err := strconv.ParseInt(arg, 10, 64)
		switch {
		case arg == "--":
			for _, value := range args[at+1:] {
				marked = append(marked, valueMark+value)
			}
			return marked
		case err == nil && strings.HasPrefix(arg, "-") && named:
			arg = valueMark + arg
		case !strings.HasPrefix(arg, "-"):
			named = true
		}
		marked = append(marked, arg)
	}
	return marked
}

// question is what to look at, again and again with -watch.
type question struct {
	set     *mutex.Set
	scan    int
	one     bool // one key was asked for
	literal []mutex.Place
	keyed   []*definition.Mutex
}

// ask finds out what the words ask for. It returns exitOK unless they are wrong usage.
func (i *invocation) ask(q *question, file *definition.File, words []string) int {
	if len(words) == 0 {
		for at := range file.Mutexes {
			m := &file.Mutexes[at]
			if len(m.Key.Parameters()) > 0 {
				q.keyed = append(q.keyed, m)
				continue
			}
			key, _ := renderKey(m, nil) // which a key without parameters can't fail
			q.literal = append(q.literal, mutex.Place{Mutex: m.Name, Key: key})
		}
		return exitOK
	}
	var all []string
	for at := range file.Mutexes {
		m := &file.Mutexes[at]
		all = append(all, m.Name)
		if m.Name != words[0] {
			continue
		}
		if len(words) == 1 && q.scan > 0 && len(m.Key.Parameters()) > 0 {
			q.keyed = append(q.keyed, m)
			return exitOK
		}
		if q.scan > 0 {
			return i.misused(errors.New("-scan goes with a mutex with key parameters, and without values for them"), "")
		}
		key, err := renderKey(m, words[1:])
		if err != nil {
			return i.misused(err, "call it as: "+callOf(m)+"; -scan 100 finds the keys that are locked")
		}
		q.one = true
		q.literal = append(q.literal, mutex.Place{Mutex: m.Name, Key: key})
		return exitOK
	}
	hint := "there are: " + names(all)
	if near := definition.Nearest(words[0], all); near != "" {
		hint = "did you mean " + near + "?"
	}
	return i.misused(fmt.Errorf("there is no mutex %q in the definitions", words[0]), hint)
}

// callOf is how to ask for a mutex.
func callOf(m *definition.Mutex) string {
	call := "mutexgen status " + m.Name
	for _, p := range m.Key.Parameters() {
		call += " <" + p.Name + ":" + p.Type + ">"
	}
	return call
}

// renderKey is the key of a mutex with these values for its parameters, as the generated code would have it.
func renderKey(m *definition.Mutex, values []string) (string, error) {
	parameters := m.Key.Parameters()
	if len(values) != len(parameters) {
		want := "no parameters"
		if len(parameters) == 1 {
			want = "1 parameter"
		} else if len(parameters) > 1 {
			want = fmt.Sprintf("%d parameters", len(parameters))
		}
		return "", fmt.Errorf("the key %s takes %s, and %d were given", m.Key.Template, want, len(values))
	}
	key := mutex.NewKey("")
	for _, part := range m.Key.Parts {
		p := part.Parameter
		if p == nil {
			key = key.Text(part.Literal)
			continue
		}
		value := values[0]
		values = values[1:]
		misfit := fmt.Errorf("%s is of type %s, and %q is none", p.Name, p.Type, value)
		switch {
		case p.Import != "" || p.Type == "string":
			key = key.String(p.Name, value)
		case p.Type == "bool":
			if value != "true" && value != "false" {
				return "", misfit
			}
			key = key.Bool(p.Name, value == "true")
		case p.Type == "uint64":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return "", misfit
			}
			key = key.Uint64(p.Name, n)
		default:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return "", misfit
			}
			key = key.Int64(p.Name, n)
		}
	}
	return key.Render()
}

// answer is who holds what.
type answer struct {
	Mutexes []mutex.Status `json:"mutexes"`
	// Keyed are mutexes whose keys were not looked at, or not all, and why.
	Keyed []unseen `json:"keyed,omitempty"`
	one   bool
}

type unseen struct {
	Mutex string `json:"mutex"`
	// Ask is how to ask for one key, More that there are more keys than were listed, Error why there may be.
	Ask   string `json:"ask"`
	More  bool   `json:"more,omitempty"`
	Error string `json:"error,omitempty"`
}

// answer looks, first for keys and then at all of them at once. To look for keys may take half of the time: a node that
// hangs takes all that it is given.
func (q *question) answer(ctx context.Context) (answer, error) {
	a := answer{one: q.one}
	places := slices.Clone(q.literal)
	scanning, cancel := ctx, func() {}
	if end, ok := ctx.Deadline(); ok {
		scanning, cancel = context.WithTimeout(ctx, time.Until(end)/2)
	}
	defer cancel()
	type scanned struct {
		keys []string
		more bool
		err  error
	}
	scans := make([]scanned, len(q.keyed))
	var scanners sync.WaitGroup
	for at, m := range q.keyed {
		if q.scan > 0 {
			scanners.Go(func() {
				s := &scans[at]
				s.keys, s.more, s.err = q.set.Scan(scanning, m.Name, q.scan)
			})
		}
	}
	scanners.Wait()
	for at, m := range q.keyed {
		s := scans[at]
		if q.scan == 0 || s.more || s.err != nil {
			u := unseen{Mutex: m.Name, Ask: callOf(m), More: s.more}
			if s.err != nil {
				u.Error = strings.ReplaceAll(s.err.Error(), "\n", "; ")
			}
			a.Keyed = append(a.Keyed, u)
		}
		for _, key := range s.keys {
			places = append(places, mutex.Place{Mutex: m.Name, Key: key})
		}
	}
	var err error
	a.Mutexes, err = q.set.StatusAt(ctx, places...)
	return a, err
}

// exit is exitFound if of some mutex it could not be told who holds it.
func (a answer) exit() int {
	for _, s := range a.Mutexes {
		if s.State == checkup.Unknown {
			return exitFound
		}
	}
	for _, u := range a.Keyed {
		if u.Error != "" {
			return exitFound
		}
	}
	return exitOK
}
