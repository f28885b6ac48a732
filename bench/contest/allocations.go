package contest

import "runtime"

// Allocations is how many allocations one call of f makes, on the average of many, rounded down as by
// testing.AllocsPerRun: now and then something else allocates. Those of goroutines that f leaves behind count as well.
func Allocations(calls int, f func() error) (float64, error) {
	for range 10 { // what is allocated only once
		if err := f(); err != nil {
			return 0, err
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range calls {
		if err := f(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / uint64(calls)), nil
}
