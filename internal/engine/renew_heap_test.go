package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestRenewalsComeInTheOrderInWhichTheyAreDue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h renewalHeap
	due := make(map[*renewal]time.Duration)
	check := func() {
		t.Helper()
		if len(h) != len(due) {
			t.Fatalf("%d are planned; want %d", len(h), len(due))
		}
		for i, p := range h {
			if p.place != i || due[p.renewal] != p.due {
				t.Fatalf("what stands at %d thinks it stands at %d, due at %v instead of %v", i, p.place, p.due, due[p.renewal])
			}
			if i > 0 && p.due < h[(i-1)/2].due {
				t.Fatalf("what is due at %v stands below what is due at %v", p.due, h[(i-1)/2].due)
			}
		}
	}
	for range 5000 {
		at := time.Duration(random.IntN(1000))
		switch op := random.IntN(10); {
		case op < 4 || len(h) == 0:
			r := &renewal{place: -1}
			due[r] = at
			h.add(r, at)
		case op < 8:
			i := random.IntN(len(h))
			due[h[i].renewal] = at
			h.move(i, at)
		default:
			i := random.IntN(len(h))
			r := h[i].renewal
			delete(due, r)
			h.remove(i)
			if r.place != -1 {
				t.Fatal("what was removed still has a place")
			}
		}
		check()
	}
	var order []time.Duration
	for len(h) > 0 {
		order = append(order, h[0].due)
		delete(due, h[0].renewal)
		h.remove(0)
		check()
	}
	if !slices.IsSorted(order) {
		t.Error("they came out of order")
	}
}
