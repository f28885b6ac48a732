package engine

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"strconv"
	"strings"
	"sync"
)

// ownerBytes is how much randomness an owner value starts with: 160 bits, as many as nobody guesses.
const ownerBytes = 20

// idLength is how many characters of an owner value tell one release from another in a message.
const idLength = 8

// owners makes owner values: "N2h…  host 4711 @kW3…", the random part first, then who holds it for people who look at a
// key, then the engine's name, by which others' waiters reach it.
type owners struct {
	// name is this engine's among all engines: unique, but no secret.
	name string
	// suffix follows the random part.
	suffix string

	mu sync.Mutex // guards what follows
	// random is a stock of random bytes, of which the first used ones are spent: one call of the system fills it for many.
	random [ownerBytes * 64]byte
	used   int
}

func newOwners() *owners {
	var name [9]byte
	rand.Read(name[:]) // never fails: the program would end
	o := &owners{name: base64.RawURLEncoding.EncodeToString(name[:])}
	o.suffix = " " + hostname() + " " + strconv.Itoa(os.Getpid()) + " @" + o.name
	o.used = len(o.random)
	return o
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '@' {
			return '-'
		}
		return r
	}, host)
	return host[:min(len(host), 40)]
}

// next returns an owner value that no other attempt, of this process or another, has or can guess.
func (o *owners) next() string {
	const characters = (ownerBytes*8 + 5) / 6
	var owner [characters + 96]byte
	o.mu.Lock()
	if o.used == len(o.random) {
		rand.Read(o.random[:])
		o.used = 0
	}
	random := o.random[o.used : o.used+ownerBytes]
	base64.RawURLEncoding.Encode(owner[:], random)
	clear(random) // what is in use elsewhere need not lie about here
	o.used += ownerBytes
	o.mu.Unlock()
	return string(append(owner[:characters], o.suffix...))
}
