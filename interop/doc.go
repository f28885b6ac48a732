// Package interop has this library and each of the others lock the same keys of the same servers at the same time, in
// one run, and an independent arbiter judge whether two ever held one lock. It is a module of its own, for its
// dependencies are.
package interop
