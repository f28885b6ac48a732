package definition

import "strings"

// Piece is literal text of a URL, or a reference to a variable.
type Piece struct {
	// Literal is the text where Reference is false.
	Literal string
	// Reference says that it is ${Name}, or, with Optional, ${Name:-Fallback}.
	Reference, Optional bool
	Name, Fallback      string
}

// Pieces takes a URL apart. What is no whole reference is literal text; the parser accepts none of those.
func Pieces(url string) []Piece {
	var all []Piece
	literal := func(text string) {
		if text != "" {
			all = append(all, Piece{Literal: text})
		}
	}
	for {
		before, rest, found := strings.Cut(url, "${")
		content, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			literal(url)
			return all
		}
		literal(before)
		p := Piece{Reference: true}
		p.Name, p.Fallback, p.Optional = strings.Cut(content, ":-")
		all = append(all, p)
		url = after
	}
}
