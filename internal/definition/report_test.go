package definition

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// hard is a finding whose texts would break a format that does not escape them.
var hard = Finding{Severity: Warning, File: "a,b:c%.yaml", Position: Position{2, 3}, Code: "key-changed",
	Message: "100% \"odd\",\r\nor <not>: ::error::", Hint: "line one\nline two",
	Related: []Related{{"old.yaml", Position{7, 1}, "it was here"}}}

func TestJSONIsOneObjectWithAllFindings(t *testing.T) {
	var out strings.Builder
	if err := (Report{Format: FormatJSON}).Write(&out, Findings{hard, {Message: "of no file"}}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Findings []map[string]any `json:"findings"`
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got.Findings) != 2 {
		t.Fatalf("%v: %s", err, out.String())
	}
	want := map[string]any{"severity": "warning", "file": hard.File, "line": 2.0, "column": 3.0, "code": hard.Code,
		"message": hard.Message, "hint": hard.Hint}
	for name, value := range want {
		if got.Findings[0][name] != value {
			t.Errorf("%s is %v, not %v", name, got.Findings[0][name], value)
		}
	}
	related := got.Findings[0]["related"].([]any)[0].(map[string]any)
	if related["file"] != "old.yaml" || related["line"] != 7.0 || related["message"] != "it was here" {
		t.Errorf("related is %v", related)
	}
	if _, ok := got.Findings[1]["file"]; ok || got.Findings[1]["severity"] != "error" {
		t.Errorf("the finding of no file is %v", got.Findings[1])
	}

	out.Reset()
	if err := (Report{Format: FormatJSON}).Write(&out, nil); err != nil || out.String() != "{\n  \"findings\": []\n}\n" {
		t.Errorf("nothing to say is %q (%v)", out.String(), err)
	}
}

func TestAnAnnotationIsOneEscapedLine(t *testing.T) {
	var out strings.Builder
	r := Report{Format: FormatGitHub, Path: func(name string) string { return "sub/" + name }}
	if err := r.Write(&out, Findings{hard, {Message: "of no file"}}); err != nil {
		t.Fatal(err)
	}
	want := "::warning file=sub/a%2Cb%3Ac%25.yaml,line=2,col=3,title=mutexgen%3A key-changed::" +
		"100%25 \"odd\",%0D%0Aor <not>: ::error::%0Asub/old.yaml:7:1: it was here%0Ahint: line one%0Aline two\n" +
		"::error title=mutexgen::of no file\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestColoursSurroundTheText(t *testing.T) {
	findings := Findings{{File: "f", Position: Position{1, 1}, Message: "wrong", Hint: "do right"}, hard}
	var with, without strings.Builder
	r := report("f", "abc")
	if err := r.Write(&without, findings); err != nil {
		t.Fatal(err)
	}
	r.Colour = true
	if err := r.Write(&with, findings); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(with.String(), "\x1b[1;31m^\x1b[0m") || !strings.Contains(with.String(), "\x1b[1;33mwarning:\x1b[0m") {
		t.Errorf("it has no colours: %q", with.String())
	}
	bare := strings.NewReplacer(bold, "", red, "", yellow, "", cyan, "", plain, "").Replace(with.String())
	if bare != without.String() {
		t.Errorf("without colours it would be %q, not %q", bare, without.String())
	}
}

func TestFormatsHaveNames(t *testing.T) {
	for i, name := range FormatNames {
		if f, ok := FormatOf(name); !ok || int(f) != i {
			t.Errorf("%s is %v, %v", name, f, ok)
		}
	}
	if _, ok := FormatOf("xml"); ok {
		t.Error("xml is a format")
	}
}

func TestANodeIsTheSameUnderManyURLs(t *testing.T) {
	for url, want := range map[string]string{
		"redis://h":                   "h:6379/0",
		"redis://h/1?db=2":            "h:6379/2",
		"redis://u:p@H:6379/0":        "h:6379/0",
		"rediss://h:6380/3":           "h:6380/3",
		"redis://[::1]/2":             "::1:6379/2",
		"unix:///run/redis.sock?db=1": "/run/redis.sock/1",
		"${REDIS_URL}/1":              "${REDIS_URL}/1",

		"redis+sentinel://s1/m":                                   "m@s1:26379/0",
		"REDISS+Sentinel://u:p@S2:26379,s1:1/m/3?ca_file=/a,b":    "m@s1:1,s2:26379/3",
		"redis+sentinel://s1,s2,s1/m?db=4":                        "m@s1:26379,s2:26379/4",
		"redis+sentinel://[::1],[::2]:1/m-n/01":                   "m-n@[::1]:26379,[::2]:1/1",
		"redis+sentinel://:${PW:-a@b/c}@${S1},${S2:-s:1}/${M}/0":  "${M}@${S1},${S2:-s:1}/0",
		"redis+sentinel://${HOST}:1/m/${DB}?sentinel_password=pw": "m@${HOST}:1/${DB}",
		"redis+cluster://c2,c1:7000":                              "redis+cluster://c1:7000,c2:6379/0",
		"rediss+cluster://u:p@C1/0?server_name=x":                 "redis+cluster://c1:6379/0",
	} {
		if got := NodeOf(url); got.String() != want {
			t.Errorf("NodeOf(%q) is %s, not %s", url, got, want)
		}
	}
}

func TestNodesOnOneServerHaveAPlaceInCommon(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"redis://h", "redis://h/1", true},
		{"redis://h", "redis://i", false},
		{"redis+sentinel://s1,s2/m", "redis+sentinel://s3,s2/m/1", true},
		{"redis+sentinel://s1,s2/m", "redis+sentinel://s1,s2/n", false},
		{"redis+sentinel://s1,s2/m", "redis+sentinel://s3,s4/m", false},
		{"redis+sentinel://s1/m", "redis://s1:26379", false},
		{"redis+sentinel://${A},${B}/m", "redis+sentinel://:${PW}@${B},${C}/m", true},
		{"redis+sentinel://${A}/m", "redis+sentinel://${B}/m", false},
		{"redis+cluster://c1,c2", "redis+cluster://c2,c3", true},
		{"redis+cluster://c1,c2", "redis+cluster://c3,c4", false},
		{"redis+cluster://c1,c2", "redis://c2/0", true},
	} {
		a, b := NodeOf(test.a), NodeOf(test.b)
		if got := slices.ContainsFunc(a.Places(), func(place string) bool { return slices.Contains(b.Places(), place) }); got != test.want {
			t.Errorf("%s and %s: %v", test.a, test.b, got)
		}
	}
}

func TestTextHasOneLineForEachPart(t *testing.T) {
	finding := Finding{File: "a\n::error::b\x1b[31m\xff.go", Message: "no\rfile \u202e", Hint: "see\n::warning::x é日",
		Related: []Related{{File: "c\n.go", Label: "d\n"}}}
	const want = `a\n::error::b\x1b[31m\xff.go: no\rfile \u202e` + "\n" + `  c\n.go: d\n` + "\n" + `  hint: see\n::warning::x é日` + "\n"
	var out strings.Builder
	if err := (Report{}).Write(&out, Findings{finding}); err != nil || out.String() != want {
		t.Errorf("%v, got\n%swant\n%s", err, out.String(), want)
	}
}
