package compat

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

func TestRingIsTheEngines(t *testing.T) {
	raw, err := os.ReadFile("../engine/testdata/ring_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Rings []struct {
			Nodes   int
			Counts  []int `json:"counts_k0_to_k9999"`
			Choices []struct {
				Key  string
				Node int
			}
		}
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Rings) == 0 {
		t.Fatal("the file of vectors is empty")
	}
	for _, v := range vectors.Rings {
		r := newRing(v.Nodes)
		for _, choice := range v.Choices {
			if got := r.group(choice.Key); got != choice.Node {
				t.Errorf("of %d groups %q is in %d; want %d", v.Nodes, choice.Key, got, choice.Node)
			}
		}
		counts := make([]int, v.Nodes)
		for i := range 10_000 {
			counts[r.group("k"+strconv.Itoa(i))]++
		}
		for i, want := range v.Counts {
			if counts[i] != want {
				t.Errorf("of %d groups %d has %d keys; want %d", v.Nodes, i, counts[i], want)
			}
		}
	}
}

func TestMovesAreThoseOfManyKeys(t *testing.T) {
	for _, n := range [][2]int{{1, 2}, {2, 1}, {2, 3}, {3, 3}, {12, 13}, {5, 2}} {
		before, after := newRing(n[0]), newRing(n[1])
		parts := moves(before, after)
		const keys = 20_000
		sampled := map[move]float64{}
		for i := range keys {
			key := "key:" + strconv.Itoa(i)
			sampled[move{before.group(key), after.group(key)}] += 1.0 / keys
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
