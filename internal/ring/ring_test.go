package ring

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

// vectors are what ex_hash_ring 3.0.0 itself answered.
type vectors struct {
	KeyPoints []struct {
		Key   string
		Point uint64 `json:",string"`
	} `json:"key_points"`
	Rings []struct {
		Nodes   int
		Items   int
		First   [][2]any `json:"first3"`
		Last    [2]any
		Order   string `json:"order_sha256"`
		Counts  []int  `json:"counts_k0_to_k9999"`
		Choices []struct {
			Key  string
			Node int
		}
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/ring_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.KeyPoints) == 0 || len(v.Rings) == 0 {
		t.Fatal("the file of vectors is empty")
	}
	return v
}

func TestHashIsThatOfExHashRing(t *testing.T) {
	for _, v := range readVectors(t).KeyPoints {
		if got := hash(v.Key); got != v.Point {
			t.Errorf("hash(%q) = %d; want %d", v.Key, got, v.Point)
		}
	}
}

func TestRingIsThatOfExHashRing(t *testing.T) {
	for _, v := range readVectors(t).Rings {
		t.Run(strconv.Itoa(v.Nodes), func(t *testing.T) {
			r := New(v.Nodes)
			if len(r) != v.Items {
				t.Fatalf("%d points; want %d", len(r), v.Items)
			}
			digest := sha256.New()
			for _, p := range r {
				fmt.Fprintf(digest, "%d:%d\n", p.At, p.Group)
			}
			if got := hex.EncodeToString(digest.Sum(nil)); got != v.Order {
				t.Errorf("order has digest %s; want %s", got, v.Order)
			}
			for i, want := range append(v.First, v.Last) {
				p := r[len(r)-1]
				if i < len(v.First) {
					p = r[i]
				}
				if fmt.Sprint(p.At) != want[0] || float64(p.Group) != want[1] {
					t.Errorf("point %d is %v; want %v", i, p, want)
				}
			}
			if len(v.Choices) == 0 {
				t.Error("no choices to compare")
			}
			for _, c := range v.Choices {
				if got := r.Group(c.Key); got != c.Node {
					t.Errorf("group of %q is %d; want %d", c.Key, got, c.Node)
				}
			}
			counts := make([]int, v.Nodes)
			for i := range 10_000 {
				counts[r.Group("k"+strconv.Itoa(i))]++
			}
			if !slices.Equal(counts, v.Counts) {
				t.Errorf("10,000 keys spread as %v; want %v", counts, v.Counts)
			}
		})
	}
}

func TestKeyOnAPointBelongsToTheNext(t *testing.T) {
	r := Ring{{At: hash("a"), Group: 1}, {At: hash("a") + 1, Group: 2}}
	if got := r.Group("a"); got != 2 {
		t.Errorf("group is %d; want that of the first point strictly greater, 2", got)
	}
	r = Ring{{At: 1, Group: 3}, {At: hash("a"), Group: 4}}
	if got := r.Group("a"); got != 3 {
		t.Errorf("past the last point the group is %d; want that of the first, 3", got)
	}
}
