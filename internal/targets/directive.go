package targets

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// directive is a go:generate line, as go generate understands it.
type directive struct {
	Line
	text string
	// words are the command and its arguments; none if the line runs nothing.
	words []string
	// refused says why go generate stops here.
	refused error
}

// longestDirective is how many bytes of a line go generate reads, its end included.
const longestDirective = 4096

// directives are the go:generate lines of a file. Go generate finds them at the beginning of a line, also where the Go source
// has a comment or a string around them, and ignores files of no package. It stops at the first line that it refuses; here the
// others follow.
func (f *finder) directives(name string, content []byte, goPackage string) (all []directive) {
	if goPackage == "" {
		return nil
	}
	aliases := map[string][]string{}
	number := 0
	for text := range strings.Lines(string(content)) {
		number++
		rest, ok := strings.CutPrefix(text, "//go:generate")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		d := directive{text: text}
		d.File, d.Line.Line, d.Column = name, number, 1
		rest, ended := strings.CutSuffix(rest, "\n")
		switch {
		case len(text) > longestDirective:
			d.refused = errors.New("it is longer than 4096 bytes")
		case !ended:
			d.refused = errors.New("the file ends without a newline behind it")
		default:
			d.words, d.refused = split(strings.TrimSuffix(rest, "\r"))
		}
		if d.refused == nil {
			d.words, d.refused = f.understood(d.words, aliases, d.Line, goPackage)
		}
		all = append(all, d)
	}
	return all
}

// understood are the words with aliases and variables replaced, or none if they define an alias.
func (f *finder) understood(words []string, aliases map[string][]string, line Line, goPackage string) ([]string, error) {
	if len(words) > 0 && aliases[words[0]] != nil {
		words = append(aliases[words[0]][:len(aliases[words[0]]):len(aliases[words[0]])], words[1:]...)
	}
	words = f.expanded(words, line, goPackage)
	switch {
	case len(words) == 0:
		return nil, errors.New("it has no command")
	case words[0] != "-command":
		return words, nil
	case len(words) == 1:
		return nil, errors.New("-command has no name")
	case aliases[words[1]] != nil:
		return nil, errors.New("its -command is defined already")
	}
	aliases[words[1]] = words[2:]
	return nil, nil
}

// split splits a line into words: at blanks, with "…" as in Go.
func split(text string) ([]string, error) {
	var words []string
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return words, nil
		}
		if text[0] != '"' {
			end := strings.IndexAny(text, " \t")
			if end < 0 {
				end = len(text)
			}
			words, text = append(words, text[:end]), text[end:]
			continue
		}
		end := closingQuote(text)
		if end < 0 {
			return nil, errors.New(`a " has no other that closes it`)
		}
		word, err := strconv.Unquote(text[:end])
		if err != nil {
			return nil, errors.New("what is quoted is no string of Go")
		}
		words, text = append(words, word), text[end:]
		if text != "" && text[0] != ' ' && text[0] != '\t' {
			return nil, errors.New(`there is no space behind a closing "`)
		}
	}
}

// closingQuote is the index behind the quote that ends the one with which text begins, or -1.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// expanded are the words with $NAME and ${NAME} replaced.
func (f *finder) expanded(words []string, line Line, goPackage string) []string {
	known := map[string]string{"GOFILE": filepath.Base(line.File), "GOLINE": strconv.Itoa(line.Line), "GOPACKAGE": goPackage,
		"DOLLAR": "$", "PWD": f.absolute(filepath.Dir(line.File))}
	byDefault := map[string]string{"GOOS": runtime.GOOS, "GOARCH": runtime.GOARCH}
	expanded := make([]string, len(words)) // an alias keeps its own
	for i, word := range words {
		expanded[i] = os.Expand(word, func(name string) string {
			if value, ok := known[name]; ok {
				return value
			}
			if value, _ := f.environment(name); value != "" {
				return value
			}
			return byDefault[name]
		})
	}
	return expanded
}
