package definition

import (
	"slices"
	"testing"
)

func TestPiecesOfAURL(t *testing.T) {
	for url, want := range map[string][]Piece{
		"":               nil,
		"redis://a":      {{Literal: "redis://a"}},
		"${A}":           {{Reference: true, Name: "A"}},
		"${A:-}":         {{Reference: true, Name: "A", Optional: true}},
		"${A:-b:-c}${D}": {{Reference: true, Name: "A", Optional: true, Fallback: "b:-c"}, {Reference: true, Name: "D"}},
		"x${A}y$z}":      {{Literal: "x"}, {Reference: true, Name: "A"}, {Literal: "y$z}"}},
		"${}":            {{Reference: true}},
		"x${A":           {{Literal: "x${A"}},
	} {
		if got := Pieces(url); !slices.Equal(got, want) {
			t.Errorf("%q is %+v, not %+v", url, got, want)
		}
	}
}
