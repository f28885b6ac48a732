package checkup

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textLimit is how many characters of a server's own words are shown.
const textLimit = 200

// clean is a text that came over the network, fit to be shown: what a terminal might obey is escaped, what is long cut.
func clean(text string) string {
	var b strings.Builder
	n := 0
	for len(text) > 0 {
		if n == textLimit {
			b.WriteString("…")
			break
		}
		r, width := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && width == 1 || !unicode.IsPrint(r) {
			quoted := strconv.Quote(text[:width])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:width])
		}
		text = text[width:]
		n++
	}
	return b.String()
}

// conceal replaces secrets in a text.
func conceal(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
