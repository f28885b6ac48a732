package templates

import (
	"fmt"
	"go/doc/comment"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dave/jennifer/jen"
)

// commentWidth is where lines of a comment are broken, counted without the `// `.
const commentWidth = 97

// emitComment writes text as // comments. It is the only way of a text from the YAML into a comment.
func emitComment(group *jen.Group, text string) {
	for _, line := range commentLines(text) {
		group.Comment(line)
	}
}

// commentLines are the lines of text, each with our own `// ` before it, so that nothing in them can be more than text:
// not a directive (those have no space), not the end of the comment, not a character that Go source may not contain.
func commentLines(text string) []string {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(lineBreaks.Replace(text)), "\n") {
		for _, part := range wrap(strings.TrimRightFunc(printable(line), unicode.IsSpace), commentWidth) {
			// go/printer moves a `// +build` line, wherever it stands, to the top of the file and turns it into a
			// build constraint; vet complains of it. With a backslash it is text.
			if trimmed := strings.TrimLeftFunc(part, unicode.IsSpace); strings.HasPrefix(trimmed, "+build") {
				part = part[:len(part)-len(trimmed)] + `\` + trimmed
			}
			lines = append(lines, strings.TrimRight("// "+part, " "))
		}
	}
	return lines
}

// lineBreaks turns all that an editor or a terminal shows as a new line into one.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\f", "\n",
	"\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// printable spells out the characters of line that cannot be seen, as \x00 or \u202e: the compiler refuses some of
// them, others (right-to-left overrides) would make the source look like something it is not.
func printable(line string) string {
	if strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return line
	}
	var b strings.Builder
	for i, width := 0, 0; i < len(line); i += width {
		var r rune
		r, width = utf8.DecodeRuneInString(line[i:])
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, line[i])
		case r == '\t' || unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// onOneLine is text as part of a sentence: unchanged if it can be read there, else quoted.
func onOneLine(text string) string {
	if text == "" || printable(text) != text || strings.ContainsAny(text, "\t") || strings.TrimSpace(text) != text {
		return strconv.QuoteToGraphic(text)
	}
	return text
}

// wrap breaks a line of prose at spaces. An indented line is somebody's layout and stays as it is.
func wrap(line string, width int) []string {
	if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	var lines []string
	var current strings.Builder
	length := 0
	for word := range strings.FieldsSeq(line) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, current.String())
			current.Reset()
			length = 0
		}
		if length > 0 {
			current.WriteByte(' ')
			length++
		}
		current.WriteString(word)
		length += n
	}
	return append(lines, current.String())
}

// typeDoc is the doc of a mutex as the doc of the Go identifier name: it begins with the name, as Go's docs do.
func typeDoc(name, doc string) string {
	doc = settled(strings.TrimSpace(lineBreaks.Replace(doc)))
	word, _, _ := strings.Cut(strings.Join(strings.Fields(doc), " "), " ")
	switch rest, named := strings.CutPrefix(doc, name); {
	case doc == "":
		return ""
	case named && !startsIdentifier(rest):
		return doc
	case isVerb(word):
		return name + " " + doc
	default:
		return name + ": " + doc
	}
}

// settled is doc in the layout that gofmt gives doc comments. gofmt needs several passes over some layouts, and whoever
// saves the generated file would see it change.
func settled(doc string) string {
	const passes = 8 // more than were ever seen
	for range passes {
		var parser comment.Parser
		var printer comment.Printer
		laidOut := strings.TrimSpace(string(printer.Comment(parser.Parse(doc))))
		if laidOut == doc {
			break
		}
		doc = laidOut
	}
	return doc
}

// firstParagraph is what stands before the first blank line.
func firstParagraph(text string) string {
	paragraph, _, _ := strings.Cut(text, "\n\n")
	return paragraph
}

func startsIdentifier(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return text != "" && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// isVerb tells "makes sure that …" from "a lock for …": a verb of the third person, or one that has no s.
func isVerb(word string) bool {
	switch word {
	case "can", "cannot", "may", "must", "will", "should":
		return true
	case "this", "its", "as", "always", "us", "yes", "various", "previous", "redis", "plus", "access":
		return false
	}
	for _, r := range word {
		if r < 'a' || r > 'z' {
			return false
		}
	}
	return len(word) > 1 && strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss")
}
