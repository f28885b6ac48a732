package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// document is the schema as any program reads it.
func schemaDocument(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(definition.Schema(), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// eachObject visits all objects in a value, with the way to them.
func eachObject(value any, way string, visit func(way string, object map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		visit(way, value)
		for name, inner := range value {
			eachObject(inner, way+"/"+name, visit)
		}
	case []any:
		for i, inner := range value {
			eachObject(inner, fmt.Sprintf("%s/%d", way, i), visit)
		}
	}
}

func TestTheSchemaIsValidDraft07(t *testing.T) {
	meta, err := jsonschema.NewCompiler().Compile("http://json-schema.org/draft-07/schema")
	if err != nil {
		t.Fatal(err)
	}
	document := schemaDocument(t)
	if err := meta.Validate(document); err != nil {
		t.Error(err)
	}
	if document["$schema"] != "http://json-schema.org/draft-07/schema#" {
		t.Errorf("$schema is %v", document["$schema"])
	}
	schemaOf(t)
}

func TestTheSchemaIsTheSameEveryTime(t *testing.T) {
	first := definition.Schema()
	if !bytes.Equal(first, definition.Schema()) {
		t.Error("two schemas differ")
	}
	if !bytes.HasPrefix(first, []byte("{\n  \"$schema\"")) || !bytes.HasSuffix(first, []byte("\n}\n")) {
		t.Errorf("not indented, or no line of its own at the end: %.40q … %q", first, first[len(first)-10:])
	}
}

func TestNoNameStandsTwiceInAnObjectOfTheSchema(t *testing.T) {
	decoder := json.NewDecoder(bytes.NewReader(definition.Schema()))
	var read func()
	read = func() {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		delim, ok := token.(json.Delim)
		if !ok {
			return
		}
		seen := map[any]bool{}
		for decoder.More() {
			if delim == '{' {
				name, _ := decoder.Token()
				if seen[name] {
					t.Errorf("%v at byte %d stands there twice", name, decoder.InputOffset())
				}
				seen[name] = true
			}
			read()
		}
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if _, err := decoder.Token(); err != io.EOF {
		t.Errorf("more than one value: %v", err)
	}
}

func TestEveryFieldIsInTheSchemaWhereItMayStandAndNoOther(t *testing.T) {
	document := schemaDocument(t)
	at := func(way ...string) map[string]any {
		value := document
		for _, name := range way {
			value, _ = value[name].(map[string]any)
		}
		return value
	}
	for place, properties := range map[definition.Place]map[string]any{
		definition.InFile:     at("properties"),
		definition.InDefaults: at("properties", "defaults", "properties"),
		definition.InMutex:    at("definitions", "mutex", "properties"),
	} {
		count := 0
		for _, f := range definition.Fields() {
			if f.In&place == 0 {
				continue
			}
			count++
			if properties[f.Name] == nil {
				t.Errorf("%s is missing in place %d", f.Name, place)
			}
			described := at("definitions", f.Name)
			if place == definition.InFile {
				described = at("properties", f.Name)
			}
			if described["description"] != f.Description {
				t.Errorf("%s: %v", f.Name, described["description"])
			}
			if (described["default"] != nil) != (f.Default != "") {
				t.Errorf("%s: the default is %v", f.Name, described["default"])
			}
			if examples, _ := described["examples"].([]any); len(examples) != len(f.Examples) && f.Kind != definition.Cluster || slices.Contains(examples, nil) {
				t.Errorf("%s: the examples are %v", f.Name, examples)
			}
			if markdown, _ := described["markdownDescription"].(string); !strings.Contains(markdown, reference+f.Name) {
				t.Errorf("%s: %s", f.Name, markdown)
			}
		}
		if len(properties) != count {
			t.Errorf("%d properties where %d fields may stand", len(properties), count)
		}
	}
}

func TestEditorsShowWhatIsToBeTypedAsSuch(t *testing.T) {
	for description, want := range map[string]string{
		"${VAR} and ${VAR:-default} are":       "`${VAR}` and `${VAR:-default}` are",
		"else $GOPACKAGE, else":                "else `$GOPACKAGE`, else",
		"{param:type}; {{ and }} are":          "`{param:type}`; `{{` and `}}` are",
		"At most retry_interval; the":          "At most `retry_interval`; the",
		"such as github.com/google/uuid.UUID.": "such as `github.com/google/uuid.UUID`.",
		"any field but name, doc and key":      "any field but name, doc and key",
		"5 % of it, at most 1 s":               "5 % of it, at most 1 s",
	} {
		if got := (definition.Field{Description: description}).Markdown(); got != want {
			t.Errorf("%s became %s", description, got)
		}
	}
}

// The dialects of regular expressions differ in what these mean, or whether they know them.
func TestThePatternsAreForEveryDialect(t *testing.T) {
	count := 0
	eachObject(schemaDocument(t), "", func(way string, object map[string]any) {
		pattern, ok := object["pattern"].(string)
		if !ok {
			return
		}
		count++
		if found := regexp.MustCompile(`\(\?|\\[dDwWsSbBpPuU]|\\[zZA]|\{,|[^\\]\[\^?\]`).FindString(pattern); found != "" {
			t.Errorf("%s: %s in %s", way, found, pattern)
		}
		// With the flag u, JavaScript takes no brace for itself.
		plain := regexp.MustCompile(`\[[^\]]*\]|\\.|\{[0-9]+(,[0-9]*)?\}`).ReplaceAllString(pattern, "")
		if strings.ContainsAny(plain, "{}") {
			t.Errorf("%s: a bare brace in %s", way, pattern)
		}
	})
	if count < 20 {
		t.Errorf("%d patterns only", count)
	}
}

// A refusal is a condition, and a const that no value which meets it is.
func TestNoMessageMeetsTheConditionThatItIsAbout(t *testing.T) {
	count := 0
	eachObject(schemaDocument(t), "", func(way string, object map[string]any) {
		then, _ := object["then"].(map[string]any)
		message, ok := then["const"].(string)
		if !ok {
			return
		}
		count++
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("urn:condition", object["if"]); err != nil {
			t.Fatal(err)
		}
		condition, err := compiler.Compile("urn:condition")
		if err != nil {
			t.Fatal(err)
		}
		if condition.Validate(message) == nil {
			t.Errorf("%s: %q meets %v", way, message, object["if"])
		}
	})
	if count < 10 {
		t.Errorf("%d refusals only", count)
	}
}

func TestSnippetsFilledInAreValid(t *testing.T) {
	places := regexp.MustCompile(`\$\{[0-9]+:([^}]*)\}`)
	filled := func(body any) string {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return places.ReplaceAllString(string(text), "$1")
	}
	document := schemaDocument(t)
	mutex := document["definitions"].(map[string]any)["mutex"].(map[string]any)
	var texts []string
	for _, snippet := range document["defaultSnippets"].([]any) {
		texts = append(texts, filled(snippet.(map[string]any)["body"]))
	}
	for _, snippet := range mutex["defaultSnippets"].([]any) {
		texts = append(texts, `{"version": 1, "defaults": {"url": "redis://a"}, "mutexes": [`+
			filled(snippet.(map[string]any)["body"])+`]}`)
	}
	if len(texts) < 3 {
		t.Errorf("%d snippets only", len(texts))
	}
	for _, text := range texts {
		accepted(t, text)
		if why := schemaRefusal(t, []byte(text)); why != "" {
			t.Error(why)
		}
	}
}

// fieldText is a file with a field, and what the field needs beside it.
func fieldText(f *definition.Field, value string) string {
	switch f.Name {
	case "version":
		return "version: " + value + "\nmutexes: [{name: A, url: redis://a}]\n"
	case "package":
		return "version: 1\npackage: " + value + "\nmutexes: [{name: A, url: redis://a}]\n"
	}
	text := "version: 1\nmutexes:\n  - " + f.Name + ": " + value + "\n"
	if f.Name != "name" {
		text += "    name: A\n"
	}
	if f.OneOf != oneLocation {
		text += "    url: redis://a\n"
	}
	if f.Name == "retry_jitter" {
		text += "    retry_interval: 24h\n"
	}
	if f.Name == "fencing_memory" {
		text += "    fencing: true\n    restart_guard: off\n"
	}
	if f.Name == "max_hold" {
		text += "    expiration: 9ms\n" // a limit of its own is not hidden by that
	}
	return text
}

func TestTheExamplesAndDefaultsAreValid(t *testing.T) {
	for _, f := range definition.Fields() {
		values := f.Examples
		if f.Default != "" {
			values = append(slices.Clone(values), f.Default)
		}
		for _, value := range values {
			text := strings.Replace(fieldText(&f, value), "expiration: 9ms", "expiration: 1h", 1)
			if file, findings := definition.Parse("", []byte(text)); file == nil {
				t.Errorf("%s\n%v", text, findings)
			}
			if why := schemaRefusal(t, []byte(text)); why != "" {
				t.Errorf("%s\n%s", text, why)
			}
		}
	}
}

// Limits are the same here and there. A step beyond one is in its own unit, for that is as far as a pattern sees.
func TestTheLimitsOfTheSchemaAreThoseOfTheParser(t *testing.T) {
	step := func(value string, by int) string {
		var number int
		var unit string
		fmt.Sscanf(value, "%d%s", &number, &unit)
		return fmt.Sprint(number+by) + unit
	}
	count := 0
	for _, f := range definition.Fields() {
		for _, test := range []struct {
			value string
			ok    bool
		}{{f.Least, true}, {step(f.Least, -1), false}, {f.Most, true}, {step(f.Most, 1), false}, {f.Below, false}} {
			if f.Least == "" || test.value == "" || f.Most == "" && test.value == "1" {
				continue
			}
			count++
			text := fieldText(&f, test.value)
			_, findings := definition.Parse("mutexes.yaml", []byte(text))
			if beyond := slices.ContainsFunc(findings, func(finding definition.Finding) bool {
				return strings.HasPrefix(finding.Message, f.Name+" must be ")
			}); beyond == test.ok {
				t.Errorf("%s: %s: %v", f.Name, test.value, findings)
			}
			text = strings.Replace(text, "    expiration: 9ms\n", "", 1)
			if why := schemaRefusal(t, []byte(text)); (why == "") != test.ok {
				t.Errorf("%s: %s: %s", f.Name, test.value, why)
			}
		}
	}
	if count < 40 {
		t.Errorf("%d limits only", count)
	}
}

func TestWhatWeHaveIsValid(t *testing.T) {
	files, err := filepath.Glob("../../../templates/testdata/scenarios/*/mutexes.yaml")
	if err != nil || len(files) < 90 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	files = append(files, "../../../mutexes.yaml", "../../../templates/scaffold/definitions.yaml")
	count := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if file, _ := definition.Parse(name, text); file == nil {
			if !strings.Contains(name, "scenarios") {
				t.Errorf("%s is refused", name)
			}
			continue
		}
		count++
		if why := schemaRefusal(t, text); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	if count < 40 {
		t.Errorf("%d files only", count)
	}
}

func TestASchemaIsRecognised(t *testing.T) {
	ours := definition.Schema()
	for _, test := range []struct {
		content string
		ok      bool
	}{
		{string(ours), true},
		{strings.ReplaceAll(string(ours), "\n", "\r\n"), true},
		{`{"$id": "` + schemaID + `", "title": "from long ago"}`, true},
		{string(ours[:len(ours)/2]), false},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "title": "mutexes.yaml"}`, false},
		{`{"$comment": "` + schemaID + `"}`, false},
		{`{"definitions": {"a": {"$id": "` + schemaID + `"}}}`, false},
		{`{"$id": 7}`, false},
		{`["` + schemaID + `"]`, false},
		{"null", false},
		{"", false},
		{"\x00", false},
	} {
		if definition.IsSchema([]byte(test.content)) != test.ok {
			t.Errorf("%.60q is ours: %t", test.content, !test.ok)
		}
	}
	if definition.IsSchema(nil) {
		t.Error("nothing at all is ours")
	}
}
