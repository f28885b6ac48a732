package definition

import (
	"fmt"
	"go/token"
	"go/types"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzKeyTemplate looks for templates that are read as what they don't say, and for those that make one key of different
// values without a word about it.
func FuzzKeyTemplate(f *testing.F) {
	for _, seed := range []string{
		"report:nightly", "account:{account_id:int64}:transfer", "{a:string}:{b:string}", "{a:string}-{b:int}", "{{{a:int}}}",
		"{{{{a}}}}", "{a:int}1{b:int}", "{a:int}{b:int}", "{type:int}:{typeParam:bool}", "{a:github.com/google/uuid.UUID}:{uuid:int}",
		"{", "}", "{}", "{a}", "{a:}", "{:int}", "${A}", "a\x00b", "日本{a:x/y.T}", "{user_ids:string}{{", "{a:string}-1{b:int64}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, template string) {
		key, problems := parseKey(template)
		sound, unambiguous := true, true
		for _, p := range problems {
			if p.message == "" || p.offset < 0 || p.offset > utf8.RuneCountInString(template) {
				t.Errorf("the problem %+v has no message, or is outside", p)
			}
			sound = sound && p.Severity != Error
			unambiguous = unambiguous && p.Severity != Warning
		}
		if !sound {
			return
		}
		checkParts(t, key)
		checkGoNames(t, key)
		if unambiguous {
			if why := collision(key); why != "" {
				t.Errorf("%s: %s, and no warning", template, why)
			}
		}
	})
}

// checkParts writes the parts as a template again.
func checkParts(t *testing.T, key Key) {
	var again strings.Builder
	for i, part := range key.Parts {
		switch p := part.Parameter; {
		case p == nil && part.Literal == "", i > 0 && (p == nil) == (key.Parts[i-1].Parameter == nil):
			t.Errorf("%q has the parts %v", key.Template, key.Parts)
		case p == nil:
			again.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(part.Literal))
		case p.Import != "":
			again.WriteString("{" + p.Name + ":" + p.Import + "." + p.Type + "}")
		default:
			again.WriteString("{" + p.Name + ":" + p.Type + "}")
		}
	}
	if utf8.ValidString(key.Template) && again.String() != key.Template {
		t.Errorf("%q is read as %q", key.Template, again.String())
	}
}

func checkGoNames(t *testing.T, key Key) {
	nameParameters([]*draft{{Mutex: Mutex{Key: key}}})
	seen := map[string]bool{}
	for _, p := range key.Parameters() {
		if seen[p.GoName] || !token.IsIdentifier(p.GoName) || token.IsExported(p.GoName) || types.Universe.Lookup(p.GoName) != nil {
			t.Errorf("%q has a parameter with the Go name %s", key.Template, p.GoName)
		}
		seen[p.GoName] = true
	}
}

// collision tries values that are made to be mistaken for each other, and returns the first key that two make.
func collision(key Key) string {
	choices := make([][]string, len(key.Parts))
	count := 1
	for i, part := range key.Parts {
		if part.Parameter == nil {
			choices[i] = []string{part.Literal}
			continue
		}
		texts := []string{"1", "-1", "11", "0", "true", "a"}
		for _, at := range []int{i - 1, i + 1} {
			if at < 0 || at >= len(key.Parts) {
				continue
			}
			text := key.Parts[at].Literal
			texts = append(texts, text, "1"+text+"1", "a"+text, text+"1", "-"+text+"1", "a"+text+"1", "-1"+text+"1")
			if dash := strings.LastIndexByte(text, '-'); dash >= 0 {
				texts = append(texts, text[dash:]+"1", "a"+strings.TrimSuffix(text, text[:dash]))
			}
		}
		for _, text := range texts {
			if isValue(part.Parameter, text) && !slices.Contains(choices[i], text) {
				choices[i] = append(choices[i], text)
			}
		}
		if count *= len(choices[i]); count > 3000 || part.Parameter.Import != "" {
			return "" // too much to try, or trusted
		}
	}
	made := map[string]string{}
	for n := range count {
		var rendered, values strings.Builder
		for _, texts := range choices {
			rendered.WriteString(texts[n%len(texts)])
			fmt.Fprintf(&values, "%q ", texts[n%len(texts)])
			n /= len(texts)
		}
		if other, ok := made[rendered.String()]; ok {
			return fmt.Sprintf("%q is made of %sand of %s", rendered.String(), other, values.String())
		}
		made[rendered.String()] = values.String()
	}
	return ""
}

// isValue says whether a parameter can have the text.
func isValue(p *Parameter, text string) bool {
	switch p.Type {
	case "int", "int64":
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == text
	case "uint64":
		n, err := strconv.ParseUint(text, 10, 64)
		return err == nil && strconv.FormatUint(n, 10) == text
	case "bool":
		return text == "true" || text == "false"
	}
	return text != ""
}

func TestATemplateThatMakesOneKeyOfDifferentValuesIsWarnedOf(t *testing.T) {
	const can = "different values of a and b can make the same key: "
	for template, want := range map[string]string{
		"{a:string}:{b:string}":           can + "either may contain the text between them",
		"{a:string}:{n:int}:{b:string}":   can + "either may contain the text between them",
		"{a:string}-{b:int}":              can + `"a--1" is that of "a" and -1, and of "a-" and 1`,
		"{a:string}--{b:int64}":           can + `"a---1" is that of "a" and -1, and of "a-" and 1`,
		"{a:string}-12{b:int}":            can + `"a-12-121" is that of "a" and -121, and of "a-12" and 1`,
		"{a:string}1{b:uint64}":           can + `"11111" is that of "1" and 111, and of "111" and 1`,
		"{a:int}0{b:int}":                 can + `"10101" is that of 1 and 101, and of 101 and 1`,
		"{a:int}7{b:string}":              can + `"17171" is that of 1 and "171", and of 171 and "1"`,
		"{a:int}12345678901234567{b:int}": can + "they are hard to tell from the digits between them",
		"{a:string}:{b:int}":              "",
		"{a:string}-{b:uint64}":           "",
		"{a:string}:-{b:int}":             "",
		"{a:string}-0{b:int}":             "",
		"{a:string}1{b:bool}":             "",
		"{a:int}-{b:int}":                 "",
		"{a:int}5-{b:int}":                "",
		"{a:int}1{b:bool}":                "",
		"{a:bool}1{b:int}":                "",
		"{a:string}-{b:bool}":             "",
		"{a:string}:{u:x.U}:{b:int}":      "",
		"{a:string}-{b:x.U}":              "",
		"{a:x.U}1{b:x.V}":                 "",
	} {
		key, problems := parseKey(template)
		got := ""
		for _, p := range problems {
			got += p.message
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", template, got, want)
		}
		if why := collision(key); want == "" && why != "" {
			t.Errorf("%s: %s", template, why)
		}
	}
}

// Neither more nor less than what collides is warned of.
func TestNoCollisionIsMissed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	warned := 0
	for range 3000 {
		template := pick("", "", "1", "-", "a")
		for i := range 2 + random.IntN(2) {
			if i > 0 {
				for range 1 + random.IntN(3) {
					template += pick("-", "-", "1", "2", "0", ":", "a", "e")
				}
			}
			template += fmt.Sprintf("{p%d:%s}", i, pick("int", "uint64", "bool", "string"))
		}
		key, problems := parseKey(template)
		said := ""
		for _, p := range problems {
			said += p.message
		}
		// Of two strings, the values that collide may be longer than those that are tried.
		why := collision(key)
		if (why != "") != (said != "") && !strings.Contains(said, "either may") {
			t.Errorf("%s: %q, and said is %q", template, why, said)
		}
		if len(problems) > 0 {
			warned++
		}
	}
	if warned < 500 || warned > 2500 {
		t.Errorf("%d of 3000 are warned of: the test says little", warned)
	}
}
