package scenario

import "time"

// Size is how much is measured. Slices are short and many, where time allows.
type Size struct {
	// RampUp precedes what counts, Trial is how long a variant is tried.
	RampUp, Trial time.Duration
	// Limit is what a slice may take in all before its contestant is given up.
	Limit time.Duration

	Pair Slices // one goroutine
	// AllocationPairs is how many pairs the allocations are averaged over.
	AllocationPairs int
	Throughput      Slices // at the numbers of goroutines that have a bar
	Sweep           Slices // at the others, for the chart
	Goroutines      []int  // of the chart; those with a bar among them

	Handover      Slices // at the numbers of waiters that have a bar
	HandoverSweep Slices // at the others
	Waiters       []int

	FaultRounds   int
	Healthy       time.Duration // before the fault
	Faulty        time.Duration // after it
	FaultPatience time.Duration // how long calls that hang are waited for
	// FaultGrace is how long a contestant has to clean up after a node came back; longer than ours leaves a failed node
	// alone, and shorter than the expiration of what the node executed when it came back.
	FaultGrace time.Duration

	Renewed       Slices
	RenewedLocks  int
	RenewedSettle time.Duration // before what counts

	Deadlines     int           // acquires
	DeadlineGrace time.Duration // to clean up; far shorter than the expiration
}

// Slices are a number of rounds and the time of one slice.
type Slices struct {
	Rounds int
	Time   time.Duration
}

// Full is for figures that are to be believed: some eight and a half minutes.
func Full() Size {
	return Size{
		RampUp: 40 * time.Millisecond, Trial: 80 * time.Millisecond, Limit: 12 * time.Second,
		Pair: Slices{9, 100 * time.Millisecond}, AllocationPairs: 1000,
		Throughput: Slices{5, 200 * time.Millisecond}, Sweep: Slices{5, 50 * time.Millisecond},
		Goroutines: []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
		Handover:   Slices{3, 2 * time.Second}, HandoverSweep: Slices{2, 400 * time.Millisecond},
		Waiters:     []int{1, 2, 4, 8, 16, 32, 64, 128},
		FaultRounds: 3, Healthy: 500 * time.Millisecond, Faulty: time.Second,
		FaultPatience: 4 * time.Second, FaultGrace: 2 * time.Second,
		Renewed: Slices{2, 5 * time.Second}, RenewedLocks: 10_000, RenewedSettle: 2 * time.Second,
		Deadlines: 4_000, DeadlineGrace: 1500 * time.Millisecond,
	}
}

// Quick is for a first look, in two or three minutes.
func Quick() Size {
	return Size{
		RampUp: 20 * time.Millisecond, Trial: 40 * time.Millisecond, Limit: 5 * time.Second,
		Pair: Slices{3, 60 * time.Millisecond}, AllocationPairs: 300,
		Throughput: Slices{3, 60 * time.Millisecond}, Sweep: Slices{1, 40 * time.Millisecond},
		Goroutines: []int{1, 8, 64, 512},
		Handover:   Slices{1, 700 * time.Millisecond}, HandoverSweep: Slices{1, 300 * time.Millisecond},
		Waiters:     []int{1, 16, 128},
		FaultRounds: 1, Healthy: 200 * time.Millisecond, Faulty: 500 * time.Millisecond, FaultPatience: time.Second, FaultGrace: 2 * time.Second,
		Renewed: Slices{1, 3 * time.Second}, RenewedLocks: 2_000, RenewedSettle: time.Second,
		Deadlines: 400, DeadlineGrace: 1500 * time.Millisecond,
	}
}

// Smoke shows no more than that everything runs.
func Smoke() Size {
	return Size{
		RampUp: time.Millisecond, Trial: 2 * time.Millisecond, Limit: 5 * time.Second,
		Pair: Slices{1, 5 * time.Millisecond}, AllocationPairs: 20,
		Throughput: Slices{1, 5 * time.Millisecond}, Sweep: Slices{1, 5 * time.Millisecond},
		Goroutines: []int{1, 64},
		Handover:   Slices{1, 50 * time.Millisecond}, HandoverSweep: Slices{1, 50 * time.Millisecond},
		Waiters:     []int{1, 16},
		FaultRounds: 1, Healthy: 20 * time.Millisecond, Faulty: 50 * time.Millisecond, FaultPatience: 50 * time.Millisecond, FaultGrace: 50 * time.Millisecond,
		Renewed: Slices{1, 1200 * time.Millisecond}, RenewedLocks: 20, RenewedSettle: 0,
		Deadlines: 20, DeadlineGrace: 50 * time.Millisecond,
	}
}
