package model

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// stairs is a machine that climbs by one or three, in a circle, and must not reach a certain stair.
type stairs struct{ circle, never int }

type climb int

func (c climb) String() string { return strings.Repeat("+", int(c)) }

func (m stairs) begin(emit func(*int)) { emit(new(int)) }

func (m stairs) next(s *int, emit func(climb, *int)) {
	for _, by := range []climb{1, 3} {
		t := (*s + int(by)) % m.circle
		emit(by, &t)
	}
}

func (m stairs) key(s *int) int { return *s }

func (m stairs) state(k int) int { return k }

func (m stairs) broken(s *int) property {
	if *s == m.never {
		return order
	}
	return nothing
}

func (m stairs) show(s *int) string { return string('a' + rune(*s)) }

func TestTheShortestWayIsFound(t *testing.T) {
	r, err := explore(stairs{circle: 20, never: 7}, 100)
	if err != nil || r.broken != order || r.depth != 3 || len(r.trace) != 4 {
		t.Fatalf("%v %+v", err, r)
	}
	if first, last := strings.Fields(r.trace[0]), strings.Fields(r.trace[3]); first[0] != "a" || last[2] != "h" {
		t.Errorf("from %v to %v", first, last)
	}
	if long := strings.Count(strings.Join(r.trace, ""), "+++"); long != 2 {
		t.Errorf("%d long steps: %v", long, r.trace)
	}
}

func TestEverythingIsExplored(t *testing.T) {
	r, err := explore(stairs{circle: 5000, never: -1}, 5000)
	if err != nil || r.broken != nothing || r.states != 5000 || r.steps != 10000 || len(r.trace) > 0 {
		t.Errorf("%v %+v", err, r)
	}
	r, err = explore(stairs{circle: 20, never: 0}, 100)
	if err != nil || r.broken != order || r.depth != 0 || len(r.trace) != 1 {
		t.Errorf("what is broken from the beginning: %v %+v", err, r)
	}
}

func TestTooManyStatesAreAnError(t *testing.T) {
	if _, err := explore(stairs{circle: 5000, never: -1}, 4000); !errors.Is(err, errTooMany) {
		t.Error(err)
	}
}

// exact notes of each state that it meets one form that is the same for all states that differ in names alone: the
// smallest of all orders of attempts.
type exact struct {
	*fence
	plain bool // no state is taken for another, and nothing is forgotten
	met   map[key]bool
}

func (e exact) key(s *state) key {
	var order, smallest = [maxAttempts]uint8{0, 1, 2, 3}, key{}
	tidy := *s
	e.tidy(&tidy)
	permute(order[:e.attempts], 0, func(order []uint8) {
		if k := e.pack(&tidy, order, true); smallest == (key{}) || slices.Compare(k[:], smallest[:]) < 0 {
			smallest = k
		}
	})
	e.met[smallest] = true
	if e.plain {
		return e.pack(s, order[:e.attempts], false)
	}
	return e.fence.key(s)
}

func permute(order []uint8, from int, use func([]uint8)) {
	if from == len(order) {
		use(order)
		return
	}
	for i := from; i < len(order); i++ {
		order[from], order[i] = order[i], order[from]
		permute(order, from+1, use)
		order[from], order[i] = order[i], order[from]
	}
}

// TestNoStateIsMissed compares what is explored with what would be if nodes, and attempts, were not taken for each other,
// and nothing were forgotten.
func TestNoStateIsMissed(t *testing.T) {
	for _, b := range []bounds{
		{nodes: 1, attempts: 2, doubles: 1, extensions: 1, handovers: true},
		{nodes: 1, attempts: 3, losses: 1, ticks: 1},
		{nodes: 3, attempts: 2, handovers: true},
		{nodes: 3, attempts: 1, extensions: 1, losses: 1, ticks: 1},
	} {
		if b.nodes > 1 && raceDetector() {
			break
		}
		reduced := exact{newFence(b, protocol{}), false, make(map[key]bool)}
		plain := exact{newFence(b, protocol{}), true, make(map[key]bool)}
		plain.remember = true
		few, err := explore(reduced, most)
		if err != nil {
			t.Fatal(err)
		}
		many, err := explore(plain, most)
		if err != nil {
			t.Fatal(err)
		}
		if few.broken != nothing || many.broken != nothing {
			t.Errorf("%v: %q and %q", b, few.broken, many.broken)
		}
		missed := 0
		for k := range plain.met {
			if !reduced.met[k] {
				missed++
			}
		}
		if missed > 0 || len(plain.met) != len(reduced.met) {
			t.Errorf("%v: %d of %d states missed, %d met", b, missed, len(plain.met), len(reduced.met))
		}
		t.Logf("%-60v %7d states, %7d explored, %7d with names and memories", b, len(plain.met), few.states, many.states)
		if few.states < len(reduced.met) || many.states <= few.states {
			t.Errorf("%v: nothing was reduced", b)
		}
	}
}

func TestKeysHoldStatesWhole(t *testing.T) {
	b := bounds{nodes: 3, attempts: 3, counters: 2, doubles: 1, extensions: 1, losses: 1, ticks: 1, handovers: true}
	f := newFence(b, protocol{})
	seen := 0
	var visit func(s *state, depth int)
	visit = func(s *state, depth int) {
		order := []uint8{0, 1, 2}
		if back := f.state(f.pack(s, order, false)); back != *s {
			t.Fatalf("%+v\n%+v", *s, back)
		}
		k := f.key(s)
		back := f.state(k)
		if f.key(&back) != k {
			t.Fatalf("%+v has another key as it comes back", *s)
		}
		seen++
		i := 0
		f.next(s, func(_ event, u *state) {
			if i++; depth > 0 && (i+depth)%3 == 0 {
				v := *u
				visit(&v, depth-1)
			}
		})
	}
	f.begin(func(s *state) { visit(s, 9) })
	if seen < 1000 {
		t.Errorf("only %d states", seen)
	}
}

func TestBoundsThatAreTooLargeAreRefused(t *testing.T) {
	others := []bounds{{nodes: 1, attempts: 1}, {nodes: 3, attempts: 4, counters: 2, doubles: 1}}
	for _, b := range append(others, ours...) {
		if err := b.check(); err != nil {
			t.Errorf("%v: %v", b, err)
		}
	}
	for _, b := range []bounds{
		{},
		{nodes: 3},
		{attempts: 2},
		{nodes: 2, attempts: 2},
		{nodes: 7, attempts: 2},
		{nodes: -1, attempts: 2},
		{nodes: 3, attempts: 5},
		{nodes: 3, attempts: -1},
		{nodes: 3, attempts: 3, counters: -1},
		{nodes: 3, attempts: 3, ticks: -1},
		{nodes: 3, attempts: 3, counters: 13},
		{nodes: 3, attempts: 3, counters: 2, doubles: 11},
		{nodes: 3, attempts: 3, ticks: 1 << 20},
		{nodes: 3, attempts: 3, ticks: 8},
		{nodes: 3, attempts: 3, extensions: 4},
		{nodes: 5, attempts: 4, extensions: 1, losses: 3, ticks: 3},
	} {
		if b.check() == nil {
			t.Errorf("%v is allowed", b)
		}
	}
}
