package definition

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// What is read of a file: a thousand mutexes take a twentieth of it. The YAML library takes some 600 bytes for a line with a
// field, however short it is, so the lines are counted, and what else may be a value of its own.
const (
	sourceLimit = 4 << 20
	valueLimit  = 200_000
)

const byteOrderMark = "\uFEFF"

// source is the file's text as positions count it: lines broken where YAML breaks them, a leading byte order mark left out.
type source struct {
	lines  []string
	widths []int // of the lines, in runes
}

func newSource(text []byte) *source {
	rest := strings.TrimPrefix(string(text), byteOrderMark)
	s := &source{}
	for {
		end, width := lineBreak(rest)
		if len(s.lines) > valueLimit { // which no position is in
			end, width = len(rest), 0
		}
		s.lines = append(s.lines, rest[:end])
		s.widths = append(s.widths, utf8.RuneCountInString(rest[:end]))
		if width == 0 {
			return s
		}
		rest = rest[end+width:]
	}
}

// lineBreak finds the first line break: LF, CR, CRLF, and the three rarer ones that YAML knows.
func lineBreak(text string) (at, width int) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			return i, 1
		case c == '\r':
			if strings.HasPrefix(text[i+1:], "\n") {
				return i, 2
			}
			return i, 1
		case c == 0xC2 && strings.HasPrefix(text[i:], "\u0085"):
			return i, 2
		case c == 0xE2 && (strings.HasPrefix(text[i:], "\u2028") || strings.HasPrefix(text[i:], "\u2029")):
			return i, 3
		}
	}
	return len(text), 0
}

func (s *source) line(number int) (string, bool) {
	if number < 1 || number > len(s.lines) {
		return "", false
	}
	return s.lines[number-1], true
}

// clamp brings a position into the source: what the YAML library says about it is not taken on trust.
func (s *source) clamp(p Position) Position {
	p.Line = max(1, min(p.Line, len(s.lines)))
	p.Column = max(1, min(p.Column, s.widths[p.Line-1]+1))
	return p
}

// unreadable reports the first thing in the bytes that no YAML can hold.
func (s *source) unreadable(text []byte) (Finding, bool) {
	if len(text) > sourceLimit {
		return Finding{Position: Position{1, 1},
			Message: fmt.Sprintf("the file has %d bytes; at most %d are read", len(text), sourceLimit)}, true
	}
	if len(text) > 1 && (text[0] == 0xFE && text[1] == 0xFF || text[0] == 0xFF && text[1] == 0xFE) {
		return Finding{Position: Position{1, 1}, Message: "the text is UTF-16, not UTF-8", Hint: "save the file as UTF-8"}, true
	}
	if finding, ok := s.tooMuch(); ok {
		return finding, true
	}
	for number, line := range s.lines {
		column := 0
		for offset, r := range line {
			column++
			at := Position{number + 1, column}
			switch {
			case r == utf8.RuneError && !strings.HasPrefix(line[offset:], "\uFFFD"):
				return Finding{Position: at, Message: "the text is not UTF-8", Hint: "save the file as UTF-8"}, true
			case r == 0:
				return Finding{Position: at, Message: "a NUL byte", Hint: "save the file as UTF-8 text"}, true
			case r < ' ' && r != '\t' || r >= 0x7F && r < 0xA0 || r == 0xFFFE || r == 0xFFFF:
				return Finding{Position: at, Message: fmt.Sprintf("control character %U", r),
					Hint: "in double quotes, YAML writes it as an escape"}, true
			}
		}
	}
	return Finding{}, false
}

// tooMuch reports that there may be more values than are read: each begins a line, or stands behind one of these signs.
func (s *source) tooMuch() (Finding, bool) {
	values := 0
	for number, line := range s.lines {
		values++
		for i := range len(line) {
			switch line[i] {
			case ',', '[', '{':
				values++
			case '-', '?':
				if i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t' {
					values++
				}
			}
		}
		if values > valueLimit {
			return Finding{Position: Position{number + 1, 1},
				Message: fmt.Sprintf("the file has too many lines and lists; at most %d values are read", valueLimit)}, true
		}
	}
	return Finding{}, false
}

// within is the position of the offset-th rune of a scalar's value. Where the value's text cannot be followed in the
// source (it goes over several lines, or stands behind an anchor or a tag), it is the scalar's beginning.
func (s *source) within(node *yaml.Node, offset int) Position {
	start := s.clamp(Position{node.Line, node.Column})
	line := s.lines[start.Line-1]
	rest := line[offsetOf(line, start.Column):]
	raw := []rune(rest[:min(len(rest), len(`"\U00000000`)*(len(node.Value)+1))])
	value := []rune(node.Value)
	at := 0
	quote := node.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
	switch {
	case quote == yaml.DoubleQuotedStyle && strings.HasPrefix(string(raw), `"`):
		at++
	case quote == yaml.SingleQuotedStyle && strings.HasPrefix(string(raw), "'"):
		at++
	case quote != 0 || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 || node.Anchor != "":
		return start
	}
	for i := range value {
		if i == offset {
			break
		}
		width := 1
		switch {
		case at >= len(raw):
			return start
		case quote == yaml.DoubleQuotedStyle && raw[at] == '\\':
			width = escapeWidth(raw[at:])
		case quote == yaml.SingleQuotedStyle && raw[at] == '\'':
			width = 2
		case raw[at] != value[i]:
			return start
		}
		at += width
	}
	return s.clamp(Position{start.Line, start.Column + at})
}

// escapeWidth is the length of an escape in a double-quoted scalar.
func escapeWidth(raw []rune) int {
	if len(raw) > 1 {
		switch raw[1] {
		case 'x':
			return 4
		case 'u':
			return 6
		case 'U':
			return 10
		}
	}
	return 2
}
