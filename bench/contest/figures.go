package contest

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Median is the middle of the values, NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Percentile is the smallest of the durations that p percent of them do not exceed; zero of none. It sorts them.
func Percentile(durations []time.Duration, p float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	rank := int(math.Ceil(p / 100 * float64(len(durations))))
	return durations[min(max(rank, 1), len(durations))-1]
}

// Figure is a number that was measured once per round.
type Figure struct {
	Median, Min, Max float64
}

// Of gathers the figure that each slice of an outcome has.
func Of[S any](o Outcome[S], figure func(S) float64) Figure {
	values := make([]float64, len(o.Slices))
	for i, s := range o.Slices {
		values[i] = figure(s)
	}
	return of(values)
}

// Ratio is how much larger the figure is for o than for base: the median, least and largest of the ratios within each
// round that both took part in.
func Ratio[S any](o, base Outcome[S], figure func(S) float64) Figure {
	var ratios []float64
	for i := range min(len(o.Slices), len(base.Slices)) {
		ratios = append(ratios, figure(o.Slices[i])/figure(base.Slices[i]))
	}
	return of(ratios)
}

func of(values []float64) Figure {
	f := Figure{Median: Median(values), Min: math.NaN(), Max: math.NaN()}
	if len(values) > 0 {
		f.Min, f.Max = slices.MinFunc(values, cmp.Compare[float64]), slices.MaxFunc(values, cmp.Compare[float64])
	}
	return f
}

// Known says that there was anything to measure.
func (f Figure) Known() bool { return !math.IsNaN(f.Median) && !math.IsInf(f.Median, 0) }
