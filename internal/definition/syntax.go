package definition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// documents reads all YAML documents. The library panics on some inputs; that is an error like any other here.
func documents(in io.Reader) (all []*yaml.Node, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = errors.New("yaml: this text cannot be read")
		}
	}()
	for decoder := yaml.NewDecoder(in); ; {
		document := new(yaml.Node)
		if err := decoder.Decode(document); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, document)
	}
}

// syntaxFinding places an error of the YAML library. The line that it names is that of an enclosing construct, or one
// too few, or missing, so we look for it: the first line that turns the text from readable to unreadable.
func (s *source) syntaxFinding(text []byte, failure error) Finding {
	message := strings.TrimPrefix(failure.Error(), "yaml: ")
	number := 1
	if _, err := fmt.Sscanf(message, "line %d:", &number); err == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	const limit = 256 << 10 // beyond, reading the text again and again takes too long
	if len(text) <= limit {
		number = s.brokenLine(text)
	}
	number = max(1, min(number, len(s.lines)))
	mistake := s.mistake(number, message)
	line := s.lines[mistake.line-1]
	return Finding{Message: "invalid YAML: " + message, Hint: mistake.hint,
		Position: s.clamp(Position{mistake.line, utf8.RuneCountInString(line[:mistake.offset]) + 1})}
}

// brokenLine is the number of the line that makes the text unreadable: all text before it can be read. It looks
// backwards from where the library stopped reading, in growing steps, then halves the last of them.
func (s *source) brokenLine(text []byte) int {
	reader := &hesitant{rest: text}
	if _, err := documents(reader); err == nil {
		return len(s.lines)
	}
	ends := lineEnds(text)
	readable := func(lines int) bool {
		_, err := documents(bytes.NewReader(text[:ends[lines]]))
		return err == nil
	}
	broken, _ := slices.BinarySearch(ends, len(text)-len(reader.rest))
	broken = max(1, min(broken, len(ends)-1))
	good := 0
	for step := 1; broken-step > 0; step *= 2 {
		if readable(broken - step) {
			good = broken - step
			break
		}
		broken -= step
	}
	for broken-good > 1 {
		if middle := (good + broken) / 2; readable(middle) {
			good = middle
		} else {
			broken = middle
		}
	}
	return broken
}

// lineEnds holds at i the offset behind line i, with its break; line 0 is empty.
func lineEnds(text []byte) []int {
	ends := []int{0}
	for at := 0; ; {
		end, width := lineBreak(string(text[at:]))
		at += end + width
		ends = append(ends, at)
		if width == 0 {
			return ends
		}
	}
}

// hesitant hands out one byte at a time, so that what has not been read is what the library had no need for.
type hesitant struct{ rest []byte }

func (h *hesitant) Read(into []byte) (int, error) {
	if len(h.rest) == 0 {
		return 0, io.EOF
	}
	if len(into) == 0 {
		return 0, nil
	}
	into[0] = h.rest[0]
	h.rest = h.rest[1:]
	return 1, nil
}
