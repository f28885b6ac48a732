// Package mutants proves that the tests of the engine can fail: it puts one bug after another into the engine's source,
// and demands that the simulation, or the comparison of the simulated node with the scripts, finds it.
package mutants
