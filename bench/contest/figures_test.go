package contest

import (
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		given := append([]float64(nil), c.values...)
		if got := Median(c.values); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", given, got, c.want)
		}
		for i := range given {
			if given[i] != c.values[i] {
				t.Errorf("Median changed %v to %v", given, c.values)
			}
		}
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("Median of nothing is %v", got)
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i) // 100 to 1
	}
	for _, c := range []struct {
		durations []time.Duration
		p         float64
		want      time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 50, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{2, 1}, 50, 1},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
	} {
		if got := Percentile(c.durations, c.p); got != c.want {
			t.Errorf("percentile %v of %d values is %d, want %d", c.p, len(c.durations), got, c.want)
		}
	}
}

func outcome(values ...float64) Outcome[float64] { return Outcome[float64]{Slices: values} }

func itself(x float64) float64 { return x }

func TestARatioComparesWithinTheRounds(t *testing.T) {
	// The machine became half as fast after the second round; the ratio doesn't know.
	got := Ratio(outcome(200, 220, 100, 110), outcome(100, 100, 50, 50), itself)
	if got.Median != 2.1 || got.Min != 2 || got.Max != 2.2 {
		t.Errorf("the ratio is %+v", got)
	}
	if got := Ratio(outcome(10, 10, 10), outcome(5), itself); got.Median != 2 || got.Min != 2 || got.Max != 2 {
		t.Errorf("with one round in common: %+v", got)
	}
	for name, f := range map[string]Figure{
		"of nobody":     Ratio(outcome(), outcome(1), itself),
		"to nobody":     Ratio(outcome(1), outcome(), itself),
		"to nothing":    Ratio(outcome(1), outcome(0), itself),
		"of no figures": Of(outcome(), itself),
	} {
		if f.Known() {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestAFigureHasItsRange(t *testing.T) {
	if got := Of(outcome(3, 1, 2), itself); got != (Figure{2, 1, 3}) || !got.Known() {
		t.Errorf("%+v", got)
	}
}
