// Package locks holds the mutexes that meet other libraries, generated from interop/mutexes.yaml.
package locks

//go:generate go tool mutexgen -config ../mutexes.yaml
