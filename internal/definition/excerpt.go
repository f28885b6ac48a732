package definition

import (
	"strings"
	"unicode"
)

// The part of a long line that is shown around the column, in runes.
const (
	excerptBefore = 100
	excerptAfter  = 60
)

// excerpt renders a source line for a terminal, and what to print before the caret. Tabs stay tabs in both, so that the
// caret stands right whatever their width. What a terminal might obey instead of show becomes U+FFFD.
func excerpt(line string, column int, secrets []span) (shown, caret string) {
	var text, indent strings.Builder
	first := max(1, column-excerptBefore)
	if first > 1 {
		text.WriteString("…")
		indent.WriteString(" ")
	}
	target := offsetOf(line, column)
	number, begin := first, offsetOf(line, first)
	for offset, r := range line[begin:] {
		if number > column+excerptAfter {
			text.WriteString("…")
			break
		}
		piece, pad := string(r), strings.Repeat(" ", cells(r))
		switch secret, hidden := spanAt(secrets, begin+offset); {
		case hidden && begin+offset > secret.from:
			piece, pad = "", ""
		case hidden:
			piece, pad = "***", ""
			if target >= secret.to { // else the caret stands at its beginning
				pad = "   "
			}
		case r == '\t':
			pad = "\t"
		case !unicode.IsPrint(r):
			piece, pad = "\uFFFD", " "
		}
		text.WriteString(piece)
		if number < column {
			indent.WriteString(pad)
		}
		number++
	}
	return strings.TrimRightFunc(text.String(), unicode.IsSpace), indent.String()
}

// offsetOf is the byte at which a column begins.
func offsetOf(line string, column int) int {
	for offset := range line {
		if column--; column < 1 {
			return offset
		}
	}
	return len(line)
}

// cells is how many columns of a terminal a printable rune takes.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115F, r >= 0x2E80 && r <= 0x303E, r >= 0x3041 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3,
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F, r >= 0xFF00 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6,
		r >= 0x1F300 && r <= 0x1F64F, r >= 0x1F680 && r <= 0x1F6FF, r >= 0x1F900 && r <= 0x1F9FF,
		r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}
