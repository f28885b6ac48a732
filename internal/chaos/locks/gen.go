// Package locks holds the mutexes that faults are tried on, generated from internal/chaos/mutexes.yaml.
package locks

//go:generate go tool mutexgen -config ../mutexes.yaml
