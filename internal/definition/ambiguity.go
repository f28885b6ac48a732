package definition

import (
	"fmt"
	"slices"
	"strings"
)

// ambiguities warns of different values that make the same key. That is so of two strings, whatever stands between them,
// for one can contain it; of values with nothing but digits between them, where one of the two is a number; and of a
// string with a minus between it and a number that may have one of its own. Imported types are trusted to have texts that
// keep to a form, as identifiers and addresses do.
func (r *keyReader) ambiguities() {
	earlier := -1 // the last string
	parts := r.key.Parts
	offsets := r.offsets
	for i, part := range parts {
		if part.Parameter == nil {
			continue
		}
		offset := offsets[0]
		offsets = offsets[1:]
		if earlier >= 0 && part.Parameter.Type == "string" {
			r.ambiguous(offset, parts[earlier].Parameter, part.Parameter, "either may contain the text between them",
				"a parameter of type int64, uint64 or bool has no such text; or make sure that the values don't")
		} else if i > 1 && parts[i-2].Parameter != nil {
			r.between(offset, parts[i-2].Parameter, parts[i-1].Literal, part.Parameter)
		}
		if part.Parameter.Type == "string" {
			earlier = i
		}
	}
}

// between warns of two parameters, not both strings, that a text doesn't keep apart.
func (r *keyReader) between(offset int, left *Parameter, text string, right *Parameter) {
	isNumber := func(p *Parameter) bool {
		return slices.Contains([]string{"int", "int64", "uint64"}, p.Type) && p.Import == ""
	}
	isString := func(p *Parameter) bool { return p.Type == "string" && p.Import == "" }
	show := func(p *Parameter, value string) string {
		if isString(p) {
			return quoted(value)
		}
		return value
	}
	warn := func(left1, right1, left2, right2, hint string) {
		r.ambiguous(offset, left, right, fmt.Sprintf("%s is that of %s and %s, and of %s and %s", quoted(left1+text+right1),
			show(left, left1), show(right, right1), show(left, left2), show(right, right2)), hint)
	}
	if !isNumber(left) && !isNumber(right) || !isNumber(left) && !isString(left) || !isNumber(right) && !isString(right) {
		return
	}
	if strings.Trim(text, "0123456789") == "" {
		const longest = 16 // with the ones still an int64
		if inner := "1" + text + "1"; len(text) <= longest {
			warn("1", inner, inner, "1", "a colon between them keeps them apart")
		} else {
			r.ambiguous(offset, left, right, "they are hard to tell from the digits between them", "a colon between them keeps them apart")
		}
		return
	}
	// Behind the last minus there are but digits. It can be the sign of the number on the right if what stands before the
	// sign then can be read as that text up to its minus.
	before, after, ok := cutLast(text, "-")
	if ok && isString(left) && right.Type != "uint64" && strings.Trim(after, "0123456789") == "" && !strings.HasPrefix(after, "0") &&
		strings.HasSuffix(text, before) {
		warn("a", "-"+after+"1", "a"+strings.TrimSuffix(text, before), "1",
			"a colon between them keeps them apart, and so does the type uint64")
	}
}

func (r *keyReader) ambiguous(offset int, left, right *Parameter, why, hint string) {
	r.problems = append(r.problems, problem{Warning, offset,
		fmt.Sprintf("different values of %s and %s can make the same key: %s", left.Name, right.Name, why), hint})
}

func cutLast(text, separator string) (before, after string, ok bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}
