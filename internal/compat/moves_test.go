package compat

import (
	"math"
	"strconv"
	"testing"

	"github.com/mutexgen/mutexgen/internal/ring"
)

func TestMovesAreThoseOfManyKeys(t *testing.T) {
	for _, n := range [][2]int{{1, 2}, {2, 1}, {2, 3}, {3, 3}, {12, 13}, {5, 2}} {
		before, after := ring.New(n[0]), ring.New(n[1])
		parts := moves(before, after)
		const keys = 20_000
		sampled := map[move]float64{}
		for i := range keys {
			key := "key:" + strconv.Itoa(i)
			sampled[move{before.Group(key), after.Group(key)}] += 1.0 / keys
		}
		sum := 0.0
		for m, part := range parts {
			sum += part
			if math.Abs(part-sampled[m]) > 0.02 {
				t.Errorf("%d to %d groups: %v has %.3f of all keys, but %.3f of a sample", n[0], n[1], m, part, sampled[m])
			}
		}
		for m := range sampled {
			if _, ok := parts[m]; !ok {
				t.Errorf("%d to %d groups: %v is missing", n[0], n[1], m)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%d to %d groups: all parts are %v", n[0], n[1], sum)
		}
	}
}
