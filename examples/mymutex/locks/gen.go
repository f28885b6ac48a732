// Package locks holds the mutexes of the example, generated from the mutexes.yaml at the top of the repository.
package locks

//go:generate go run ../../../cmd/mutexgen -config ../../../mutexes.yaml
