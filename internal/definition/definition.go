// Package definition reads mutexes.yaml: YAML bytes become a File of Mutexes, or every error at once, each with its
// position, its source line and, where there is one, a hint.
package definition

import (
	"math"
	"time"
)

// Forever is the Wait of a mutex whose acquire waits until its context ends, and the FencingMemory of one that forgets
// nothing.
const Forever time.Duration = math.MaxInt64

// File is a parsed mutexes.yaml.
type File struct {
	// Package is the Go package that the file asks for; empty if it does not say.
	Package string
	// Mutexes are the definitions, in the order of the file, defaults applied.
	Mutexes []Mutex
}

// Mutex is one definition. Every field holds the value in force: the mutex's own, else that of `defaults`, else the
// built-in default.
type Mutex struct {
	Name string
	Doc  string

	// Exactly one of URL, Servers and Cluster is set, with ${VAR} references as written.
	URL     string
	Servers []string
	Cluster [][]string

	Key        Key
	Expiration time.Duration

	// At most one of Wait and MaxRetry is above zero.
	Wait     time.Duration
	MaxRetry int

	RetryInterval time.Duration
	RetryJitter   time.Duration
	DriftFactor   float64

	// NodeTimeout is zero where the file does not say: the default follows the expiration of each acquisition.
	NodeTimeout          time.Duration
	PoolSize             int
	ReconnectionInterval time.Duration
	Renew                bool

	// MaxHold is zero where renewal may go on without end.
	MaxHold time.Duration

	Fencing bool
	// FencingMemory is Forever where a token is never forgotten. It means nothing without Fencing.
	FencingMemory time.Duration
	RestartGuard  bool

	// Replicas is how many replicas of a node must have acknowledged a lock before the node's vote counts.
	Replicas int

	// Position is where the definition's name stands.
	Position Position

	// places are where the values of its fields stand, in the mutex or in the defaults.
	places map[string]Position
}

// Groups are the URLs of its nodes: one group of them, or those of the cluster. A mutex that no file defines has none.
func (m *Mutex) Groups() [][]string {
	switch {
	case m.URL != "":
		return [][]string{{m.URL}}
	case len(m.Servers) > 0:
		return [][]string{m.Servers}
	}
	return m.Cluster
}

// Quarantine is how long a node that may have lost its data doesn't vote for the mutex, if it has a restart guard. The engine
// reckons the same.
func (m *Mutex) Quarantine() time.Duration {
	if m.Fencing {
		return max(m.Forgotten(), 7*time.Second)
	}
	return m.Forgotten()
}

// Forgotten is how long a lock may still be held that a node has forgotten.
func (m *Mutex) Forgotten() time.Duration {
	return m.Expiration + time.Duration(float64(m.Expiration)*max(m.DriftFactor, 0.01)) + 2*time.Second
}

// URLVariable is the environment variable that overrides the mutex's url when the application opens it.
func (m *Mutex) URLVariable() string { return "MUTEX_" + screamingSnake(m.Name) + "_URL" }

// At is where the value of the first of the fields stands that the mutex or the defaults give; if they give none of them,
// where its name stands.
func (m *Mutex) At(fields ...string) Position {
	for _, field := range fields {
		if at, ok := m.places[field]; ok {
			return at
		}
	}
	return m.Position
}

// Key is a key template: `account:{account_id:int64}:transfer`.
type Key struct {
	// Template is the key as written.
	Template string
	// Parts are its pieces in order; no two neighbours are both literal.
	Parts []Part
}

// Parameters are the key's parameters in order.
func (k Key) Parameters() []Parameter {
	var parameters []Parameter
	for _, part := range k.Parts {
		if part.Parameter != nil {
			parameters = append(parameters, *part.Parameter)
		}
	}
	return parameters
}

// Part is either literal text (braces already unescaped) or a parameter.
type Part struct {
	Literal   string
	Parameter *Parameter
}

// Parameter is a typed key parameter, `{account_id:int64}`.
type Parameter struct {
	// Name is the name as written: account_id.
	Name string
	// GoName is the identifier in generated code: accountID. It is never a keyword, a predeclared name, the name of an
	// import or of another identifier of the generated method.
	GoName string
	// Type is string, int, int64, uint64 or bool, or, if Import is set, the name of an imported type that is a
	// fmt.Stringer: UUID.
	Type string
	// Import is the import path of an imported type: github.com/google/uuid.
	Import string
}

// Position is a place in the file; both counts start at 1, columns count runes.
type Position struct {
	Line   int
	Column int
}
