package mutex

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// This file holds what generated code needs. An application has no use for it.

// GeneratedCodeVersion1 stands in every generated file. A library that no longer supports the file doesn't have it, and
// the file doesn't compile: generate it again.
const GeneratedCodeVersion1 = true

// Definition is one mutex of mutexes.yaml. The fields are those of the file, which the README describes; none has a
// default here, generated code names every value.
type Definition struct {
	Name string
	Doc  string

	// Exactly one of these is set. References to variables are as written.
	URL     string
	Servers []string
	Cluster [][]string

	// Key is the template.
	Key                  string
	Expiration           time.Duration
	Wait                 time.Duration
	MaxRetry             int
	RetryInterval        time.Duration
	RetryJitter          time.Duration
	DriftFactor          float64
	NodeTimeout          time.Duration // zero: 5 % of the expiration within 10 ms and 1 s
	PoolSize             int
	ReconnectionInterval time.Duration
	Renew                bool
	MaxHold              time.Duration // zero: no limit
	Fencing              bool
	FencingMemory        time.Duration // Forever: no end; without Fencing it means nothing
	RestartGuard         bool
	Replicas             int
}

// Set is all the mutexes of one Open. It is for generated code.
type Set struct {
	engine *engine.Engine
	opened []*Opened
}

// Opened is one definition, opened. It is for generated code.
type Opened struct {
	definition Definition
	engine     *engine.Mutex
}

// At is the mutex of a definition at a key. It is for generated code.
func At[M any](opened *Opened, key Key) Mutex[M] {
	return Mutex[M]{opened: opened, key: key}
}

// OpenSet opens the definitions. It does no I/O, and reports every error at once. It is for generated code.
func OpenSet(definitions []Definition, options ...Option) (*Set, error) {
	c := newConfig(options)
	fleet := newFleet(c)
	var errs []error
	names := make([]string, len(definitions))
	for i := range definitions {
		names[i] = definitions[i].Name
		errs = append(errs, fleet.add(&definitions[i])...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.places)) {
		if name != AllMutexes && !slices.Contains(names, name) {
			errs = append(errs, fmt.Errorf("an option names the mutex %s, but there is none; there are: %s", name, strings.Join(names, ", ")))
		}
	}
	if len(errs) == 0 && c.tls != nil && !fleet.secure {
		errs = append(errs, errors.New("WithTLS: no node's URL asks for TLS: it begins with rediss://, rediss+sentinel:// or rediss+cluster:// then"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	set := &Set{engine: engine.New(engine.Options{Logger: c.logger, Trace: c.trace})}
	if err := fleet.launch(set, definitions); err != nil {
		set.Close()
		return nil, err
	}
	return set, nil
}

// Opened is the definition of that name.
func (s *Set) Opened(name string) *Opened {
	if s == nil {
		return nil
	}
	for _, o := range s.opened {
		if o.definition.Name == name {
			return o
		}
	}
	return nil
}

// Close ends the mutexes. Acquires that wait return ErrClosed; locks still held are lost to their holders, and their
// keys stay until they expire.
func (s *Set) Close() error {
	if s == nil || s.engine == nil {
		return nil
	}
	return s.engine.Close()
}

// All are the definitions, in the order of the file.
func (s *Set) All() []Definition {
	if s == nil {
		return nil
	}
	all := make([]Definition, len(s.opened))
	for i, o := range s.opened {
		all[i] = o.definition
		all[i].Servers = slices.Clone(o.definition.Servers)
		all[i].Cluster = slices.Clone(o.definition.Cluster)
		for j, group := range all[i].Cluster {
			all[i].Cluster[j] = slices.Clone(group)
		}
	}
	return all
}

// Held are the locks that this process holds now, the oldest first.
func (s *Set) Held() []Held {
	if s == nil || s.engine == nil {
		return nil
	}
	var held []Held
	for _, l := range s.engine.Held() {
		held = append(held, Held{Mutex: l.Mutex(), Key: l.Key(), Until: l.Until()})
	}
	return held
}
