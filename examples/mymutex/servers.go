package main

import (
	"errors"

	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/mutex/mutextest"
)

// servers are the Redis servers that the mutexes live on.
type servers struct {
	description string
	options     []mutex.Option
	// embedded are the nodes inside this program; nil if the servers are the user's own.
	embedded *mutextest.Quorum
}

// chooseServers takes the servers that the environment names: three, else one, else three embedded nodes.
func chooseServers(getenv func(name string) string) (servers, error) {
	named := 0
	for _, name := range []string{"REDIS_A", "REDIS_B", "REDIS_C"} {
		if getenv(name) != "" {
			named++
		}
	}
	switch {
	case named == 3:
		// Nothing to do: mutexes.yaml refers to these variables.
		return servers{description: "The mutexes live on the servers of REDIS_A, REDIS_B and REDIS_C."}, nil
	case named > 0:
		return servers{}, errors.New("set all of REDIS_A, REDIS_B and REDIS_C, or none")
	case getenv("REDIS_URL") != "":
		return servers{
			description: "The mutexes live on the server of REDIS_URL.",
			options:     []mutex.Option{mutex.WithURL(mutex.AllMutexes, "${REDIS_URL}")},
		}, nil
	}
	embedded, err := mutextest.StartQuorum(3)
	if err != nil {
		return servers{}, err
	}
	return servers{
		description: "The mutexes live on three Redis nodes inside this program.",
		options:     []mutex.Option{embedded.Option()},
		embedded:    embedded,
	}, nil
}

func (s servers) close() {
	if s.embedded != nil {
		s.embedded.Close()
	}
}
