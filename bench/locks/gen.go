// Package locks holds the mutexes of the benchmark, generated from bench/mutexes.yaml.
package locks

//go:generate go tool mutexgen -config ../mutexes.yaml
