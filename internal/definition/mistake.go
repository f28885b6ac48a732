package definition

import (
	"strings"
)

// mistake is what probably made the YAML library give up, and where.
type mistake struct {
	line   int
	offset int // in the line, in bytes
	hint   string
}

// mistake guesses from the line that cannot be read, and from what the library says about it. Hints quote nothing of the
// line: there may be a password in it.
func (s *source) mistake(number int, message string) mistake {
	line := s.lines[number-1]
	content := strings.TrimLeft(line, " \t")
	begin := len(line) - len(content)
	here := func(offset int, hint string) mistake { return mistake{number, offset, hint} }
	says := func(text string) bool { return strings.Contains(message, text) }
	reference := strings.Index(line, "${")
	opened := unclosed(line)
	switch {
	case says("unknown anchor '"):
		alias := "*" + strings.SplitN(message, "'", 3)[1]
		return here(max(strings.Index(line, alias), begin),
			"an anchor (&name) stands before the alias (*name) that uses it; text that begins with * needs quotes")
	case strings.Contains(line[:begin], "\t"):
		return here(strings.IndexByte(line, '\t'), "YAML indents with spaces, not with tabs")
	case says("cannot start any token"):
		return here(valueBegins(line, "@`%"), "put text that begins with this character in quotes")
	case says("expected alphabetic or numeric character"):
		return here(valueBegins(line, "*&"), "put text that begins with * or & in quotes")
	case says("unknown escape character"):
		return here(unknownEscape(line), `in double quotes, a backslash is written \\; in single quotes it is plain text`)
	case reference >= 0 && strings.Contains(line[:reference], "["):
		return here(reference, `inside [ ] put ${VAR} in quotes: ["${REDIS_A}", "${REDIS_B}"]`)
	case opened >= 0 && says("did not find expected"):
		closing := map[byte]string{'[': "]", '{': "}"}[line[opened]]
		return here(opened, "what begins here has no "+closing+" at its end")
	case strings.Contains(line, ": {"):
		return here(strings.Index(line, ": {")+2, `put text that begins with { in quotes: key: "{id:int64}"`)
	case says("mapping values are not allowed"):
		if before, after, ok := strings.Cut(line, ": "); ok && strings.Contains(after, ": ") {
			return here(len(before)+2+len(after)-len(strings.TrimLeft(after, " ")), "put text with a colon and a space in it in quotes")
		}
		if number > 1 && dashWithoutBlank(s.lines[number-2]) {
			return mistake{number - 1, strings.IndexByte(s.lines[number-2], '-') + 1, "a space belongs behind the - that begins a mutex"}
		}
		return here(begin, "check the indentation; text with a colon and a space in it needs quotes")
	case says("could not find expected ':'"):
		if colon := strings.IndexByte(content, ':'); colon > 0 {
			return here(begin+colon+1, "a space belongs behind the colon")
		}
		return here(begin, "a field is written with a colon and a space: name: value")
	case says("unexpected end of stream"):
		return here(valueBegins(line, `"'`), "a quote that opens here does not close")
	case says("block sequence entries are not allowed"):
		return here(valueBegins(line, "-"), "a list begins on a line of its own; text that begins with - needs quotes")
	case says("expected key") && behindQuote(line) > 0:
		return here(behindQuote(line), "a quote closes before this: one inside the text is doubled in single quotes, and \\\" in double quotes")
	case says("expected key"), says("expected '-' indicator"):
		return here(begin, "check the indentation: the fields of one mutex begin in one column")
	case says("incompatible YAML document"):
		return here(begin, "remove this line")
	}
	return here(begin, "")
}

// valueBegins is the offset of the last value of the line that begins with one of the characters; where there is none, of
// the line's text.
func valueBegins(line, characters string) int {
	for i := len(line) - 1; i >= 0; i-- {
		if strings.IndexByte(characters, line[i]) >= 0 && (i == 0 || strings.IndexByte(" \t[{,-", line[i-1]) >= 0) {
			return i
		}
	}
	return len(line) - len(strings.TrimLeft(line, " \t"))
}

// behindQuote is the offset of what stands behind a field's value in quotes, on the same line; -1 if nothing does.
func behindQuote(line string) int {
	_, text, ok := strings.Cut(line, ": ")
	text = strings.TrimLeft(text, " ")
	if !ok || text == "" || text[0] != '"' && text[0] != '\'' {
		return -1
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"', text[i] == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		case text[i] == text[0]:
			rest := strings.TrimLeft(text[i+1:], " ")
			if rest == "" || rest[0] == '#' {
				return -1
			}
			return len(line) - len(rest)
		}
	}
	return -1
}

// unclosed is the offset of the last bracket or brace of the line that opens and is not closed in it; -1 if there is none.
// Those in quotes don't count.
func unclosed(line string) int {
	var open []int
	quote := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && strings.IndexByte(" [{,", line[i-1]) >= 0:
			quote = c
		case c == '[' || c == '{':
			open = append(open, i)
		case (c == ']' || c == '}') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}

// unknownEscape is the offset of the first backslash with a character behind it that makes no escape of YAML's.
func unknownEscape(line string) int {
	for i := 0; i+1 < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		if strings.IndexByte("0abt\tnvfe \"'\\N_LPxuU", line[i+1]) < 0 {
			return i
		}
		i++
	}
	return 0
}

// dashWithoutBlank says whether a line is like "-name: NightlyReport".
func dashWithoutBlank(line string) bool {
	text, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "-")
	return ok && text != "" && isWord(text[0]) && strings.Contains(text, ":")
}
