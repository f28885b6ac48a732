package engine

import "time"

// renewalHeap is a heap of renewals, the one that is due first at its top. It is container/heap's with the times beside
// one another instead of behind pointers and interfaces: with many locks, ordering them is a good part of the work.
type renewalHeap []plannedRenewal

type plannedRenewal struct {
	due time.Duration // on the monotonic clock
	*renewal
}

func (h *renewalHeap) add(r *renewal, due time.Duration) {
	*h = append(*h, plannedRenewal{due, r})
	h.up(len(*h) - 1)
}

// move gives the renewal at place i another time.
func (h *renewalHeap) move(i int, due time.Duration) {
	(*h)[i].due = due
	h.up(h.down(i))
}

// remove takes out the renewal at place i.
func (h *renewalHeap) remove(i int) {
	old := *h
	old[i].place = -1
	last := len(old) - 1
	moved := old[last]
	old[last] = plannedRenewal{}
	*h = old[:last]
	if i < last {
		(*h)[i] = moved
		h.up(h.down(i))
	}
}

// up moves what stands at place i up to where it belongs.
func (h renewalHeap) up(i int) {
	r := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].due <= r.due {
			break
		}
		h.put(i, h[parent])
		i = parent
	}
	h.put(i, r)
}

// down moves what stands at place i down to where it belongs, and returns that place.
func (h renewalHeap) down(i int) int {
	r := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if next := child + 1; next < len(h) && h[next].due < h[child].due {
			child = next
		}
		if r.due <= h[child].due {
			break
		}
		h.put(i, h[child])
		i = child
	}
	h.put(i, r)
	return i
}

func (h renewalHeap) put(i int, r plannedRenewal) {
	h[i] = r
	r.place = i
}
