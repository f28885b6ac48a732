package engine

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"strconv"
	"strings"
)

// ownerBytes is how much randomness an owner value starts with: 160 bits, as many as nobody guesses.
const ownerBytes = 20

// holder names this process to people who look at a key: " host 4711". It follows the random part.
var holder = func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, host)
	return " " + host[:min(len(host), 40)] + " " + strconv.Itoa(os.Getpid())
}()

// newOwner returns an owner value that no other attempt, of this process or another, has or can guess.
func newOwner() string {
	var random [ownerBytes]byte
	rand.Read(random[:]) // never fails: the program would end
	owner := make([]byte, 0, 96)
	owner = base64.RawURLEncoding.AppendEncode(owner, random[:])
	return string(append(owner, holder...))
}
