package compat

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// What else one can do about a break.
const drain = "stop all old instances before the first new one starts"

// remedy is what to do where a mutex locks something else, which `with` describes.
func remedy(p pair, with string) string {
	if p.before.Fencing && p.after.Fencing {
		// Counters begin anew, with clocks that may differ: see the engine's leastQuarantine. Two locks would have two tokens.
		return "stop all old instances, and start the new ones 7s later, so that their tokens are larger"
	}
	return drain + "; or deploy in two steps: first add a mutex " + with + " under another name beside this one as it was, and take " +
		"both locks, this one first; then drop this one"
}

// key reports a mutex that locks other keys than before.
func (c *comparison) key(p pair) {
	was, is := p.before.Key, p.after.Key
	label := "key " + quoted(was.Template)
	exclude := "old and new instances do not exclude each other"
	switch before, after := was.Parameters(), is.Parameters(); {
	case shape(was) == shape(is):
		if name, from, to := moved(before, after); name != "" {
			c.breaks(p, "parameters-reordered",
				fmt.Sprintf("parameter %s was the %s and is the %s now: calls that pass it there lock other keys than before", name,
					ordinal(from), ordinal(to)),
				"if calls pass their arguments in the order of before, and only names changed, nothing breaks; else "+
					remedy(p, "with the new key"), label, "key")
		}
	case skeleton(was) == skeleton(is):
		c.types(p, before, after, label)
	default:
		s := statement{severity: definition.Error, code: "key-changed", at: p.after.At("key"), was: p.before.At("key"), label: label,
			text: "the key is " + quoted(is.Template) + " now: " + exclude, hint: remedy(p, "with the new key")}
		switch {
		case isLiteral(was) && !isLiteral(is) && makes(is, literal(was)):
			s.text = fmt.Sprintf("the key is %s now: only where it makes %s, old and new instances exclude each other",
				quoted(is.Template), quoted(literal(was)))
		case isLiteral(is) && !isLiteral(was) && makes(was, literal(is)):
			s.text = fmt.Sprintf("the key is %s now: only where the old one made that, old and new instances exclude each other",
				quoted(is.Template))
		}
		var heir *definition.Mutex
		if s.more, heir = c.lockers(p.before); heir != nil {
			s.hint = fmt.Sprintf("if whoever used %s uses %s now, nothing breaks; else %s", p.before.Name, heir.Name, s.hint)
		}
		c.say(s, p.after.Name)
	}
}

// types reports parameters of other types, in a key that is the same but for them.
func (c *comparison) types(p pair, before, after []definition.Parameter, label string) {
	severity, differ := definition.Warning, ""
	for i := range before {
		was, is := before[i], after[i]
		if textsOf(was) == textsOf(is) {
			continue
		}
		changed := fmt.Sprintf("parameter %s is of type %s now, not %s: ", is.Name, typeName(is), typeName(was))
		both := textsOf(was) + " " + textsOf(is)
		switch {
		case both == "int64 uint64" || both == "uint64 int64":
			if differ == "" {
				differ = changed + "the keys are the same for all values that both types have, that is not for negative ones"
			}
			continue
		case both == "bool int64" || both == "int64 bool" || both == "bool uint64" || both == "uint64 bool":
			c.breaks(p, "parameter-type-changed", changed+"old and new instances do not exclude each other",
				remedy(p, "with the new key"), label, "key")
			return
		case severity == definition.Warning:
			severity, differ = definition.Error, changed+
				"old and new instances exclude each other only if each value has the same text as before"
		}
	}
	switch {
	case severity == definition.Error:
		c.breaks(p, "parameter-type-changed", differ, "if the texts are the same, such as 7 for the number 7, nothing breaks; else "+
			remedy(p, "with the new key"), label, "key")
	case differ != "":
		c.warns(p, "parameter-type-changed", differ, "see that no value is negative", label, "key")
	}
}

// moved finds a parameter that keeps its name, but stands elsewhere.
func moved(before, after []definition.Parameter) (name string, from, to int) {
	places := map[string]int{}
	for i, parameter := range before {
		places[parameter.GoName] = i
	}
	for i, parameter := range after {
		if at, ok := places[parameter.GoName]; ok && at != i {
			return parameter.Name, at, i
		}
	}
	return "", 0, 0
}

func ordinal(index int) string {
	if index < 3 {
		return [...]string{"first", "second", "third"}[index]
	}
	return fmt.Sprintf("%dth", index+1)
}

// shape is the same for templates that make the same keys of the same arguments.
func shape(key definition.Key) string { return written(key, textsOf) }

// skeleton is the same for templates that differ only in the types and names of their parameters.
func skeleton(key definition.Key) string {
	return written(key, func(definition.Parameter) string { return "" })
}

func written(key definition.Key, of func(definition.Parameter) string) string {
	var b strings.Builder
	for _, part := range key.Parts {
		if part.Parameter != nil {
			b.WriteString("{" + of(*part.Parameter) + "}")
		} else {
			// Braces are escaped, so that no text looks like a parameter.
			b.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(part.Literal))
		}
	}
	return b.String()
}

// textsOf is the same for types of which values have the same texts.
func textsOf(parameter definition.Parameter) string {
	if name := typeName(parameter); name != "int" {
		return name
	}
	return "int64"
}

func typeName(parameter definition.Parameter) string {
	if parameter.Import == "" {
		return parameter.Type
	}
	return parameter.Import + "." + parameter.Type
}

func isLiteral(key definition.Key) bool { return len(key.Parameters()) == 0 }

// literal is the only key of a template without parameters.
func literal(key definition.Key) string {
	var b strings.Builder
	for _, part := range key.Parts {
		b.WriteString(part.Literal)
	}
	return b.String()
}

// makes says whether a template can make the key.
func makes(template definition.Key, key string) bool {
	if len(template.Parts) > 0 && !strings.HasPrefix(key, template.Parts[0].Literal) {
		return false
	}
	var b strings.Builder
	for _, part := range template.Parts {
		switch of := part.Parameter; {
		case of == nil:
			b.WriteString(regexp.QuoteMeta(part.Literal))
		case of.Type == "bool" && of.Import == "":
			b.WriteString("(true|false)")
		case of.Type == "uint64" && of.Import == "":
			b.WriteString("[0-9]+")
		case of.Type != "string" && of.Import == "":
			b.WriteString("-?[0-9]+")
		default:
			b.WriteString("(?s:.+)")
		}
	}
	matched, err := regexp.MatchString(`\A(?:`+b.String()+`)\z`, key)
	return matched || err != nil
}
