package acl

import (
	"strings"
	"testing"
)

func TestWhatAURLSays(t *testing.T) {
	for text, want := range map[string]address{
		"redis://h":                            {server: "h:6379", shown: "h:6379"},
		"rediss://H:6380/":                     {server: "h:6380", shown: "h:6380"},
		"redis://":                             {server: "localhost:6379", shown: "localhost:6379"},
		"redis://[::1]/7":                      {server: "::1:6379", shown: "::1:6379", database: 7},
		"redis://u:p@h:1/2":                    {server: "h:1", shown: "h:1", user: "u", database: 2},
		"redis://u:p/w@h:1/2":                  {server: "h:1", shown: "h:1", user: "u", database: 2},
		"redis://:p@h":                         {server: "h:6379", shown: "h:6379"},
		"redis://u:${PW}@h/1":                  {server: "h:6379", shown: "h:6379", user: "u", database: 1},
		"redis://u:${PW:-x@y}@h/1":             {server: "h:6379", shown: "h:6379", user: "u", database: 1},
		"redis://${U}:${PW}@h/1":               {server: "h:6379", shown: "h:6379", database: 1},
		"redis://h/1?db=2":                     {server: "h:6379", shown: "h:6379", database: 2},
		"redis://h/01":                         {server: "h:6379", shown: "h:6379", database: 1},
		"redis://h/${DB}":                      {server: "h:6379", shown: "h:6379", anyDatabase: true},
		"redis://h?db=${DB}":                   {server: "h:6379", shown: "h:6379", anyDatabase: true},
		"redis://h/${DB:-4}":                   {server: "h:6379", shown: "h:6379", database: 4, undecided: true},
		"redis://h/3?db=${DB:-4}":              {server: "h:6379", shown: "h:6379", database: 4, undecided: true},
		"redis://h/${DB:-3}?db=4":              {server: "h:6379", shown: "h:6379", database: 4},
		"redis://h/1?db=2&db=3":                {server: "h:6379", shown: "h:6379", database: 3},
		"redis://h/1?db=2&db=":                 {server: "h:6379", shown: "h:6379", database: 1},
		"redis://h?${PARAMETERS}":              {server: "h:6379", shown: "h:6379", undecided: true},
		"redis://h/1?${PARAMETERS:-db=2}":      {server: "h:6379", shown: "h:6379", database: 2, undecided: true},
		"${URL}?protocol=3":                    {server: "${URL}", shown: "${URL}", undecided: true},
		"${URL}?db=3":                          {server: "${URL}", shown: "${URL}", database: 3},
		"redis://h?client_name=${NAME:-}":      {server: "h:6379", shown: "h:6379", named: true},
		"redis://h?client_name=x":              {server: "h:6379", shown: "h:6379", named: true},
		"redis://h?client_name=${NAME}":        {server: "h:6379", shown: "h:6379", named: true},
		"redis://${HOST}":                      {server: "${HOST}", shown: "${HOST}"},
		"redis://${HOST}:1/3":                  {server: "${HOST}:1", shown: "${HOST}:1", database: 3},
		"redis://${HOST:-h}/3":                 {server: "${HOST}", shown: "${HOST:-h}", database: 3},
		"${URL}":                               {server: "${URL}", shown: "${URL}", undecided: true},
		"${URL}/1":                             {server: "${URL}", shown: "${URL}", database: 1},
		"${URL:-redis://h}":                    {server: "${URL}", shown: "${URL:-redis://h}", undecided: true},
		"${URL:-redis://u:p@h/5}":              {server: "${URL}", shown: "${URL:-redis://h/5}", database: 5, undecided: true},
		"${URL:-redis://h?client_name=x}":      {server: "${URL}", shown: "${URL:-redis://h?client_name=x}", named: true, undecided: true},
		"${A}:secret@h":                        {server: "h:6379", shown: "h:6379"},
		"unix:///run/redis.sock":               {server: "/run/redis.sock", shown: "/run/redis.sock"},
		"unix://u:p@/run/redis.sock?db=6":      {server: "/run/redis.sock", shown: "/run/redis.sock", user: "u", database: 6},
		"unix://${DIR:-/run}/redis.sock?db=6":  {server: "${DIR}/redis.sock", shown: "${DIR:-/run}/redis.sock", database: 6},
		"${SCHEME:-redis}://u@h:1/2":           {server: "h:1", shown: "h:1", user: "u", database: 2},
		"redis://h/" + strings.Repeat("9", 30): {server: "h:6379", shown: "h:6379"},
	} {
		got := parseURL(text)
		if strings.HasPrefix(text, "redis://h/9") {
			got.database = 0
		}
		if got != want {
			t.Errorf("%s:\n%+v; want\n%+v", text, got, want)
		}
	}
}

func TestNoPasswordIsShown(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"redis://u:hunter2@h", "redis://:hunter2@h", "redis://u:x@hunter2@h", "redis://u:hunter2/x@h", "redis://u:hunter2?x@h/1",
		"redis://u:hunter2#x@h/1", "redis://u:${PW:-hunter2}@h", "${URL:-redis://u:hunter2@h}", "${URL:-redis://u:x/hunter2@h/1}",
		"${BASE}:hunter2@h", "${BASE}hunter2@h", "redis://u:hunter2://x@h", "unix://u:hunter2@/run/redis.sock", "u:hunter2@h",
		"${URL:-redis://u:hunter2@h", "redis://u:hunter2@", "${A:-redis://u:hunter2@${B}}",
	} {
		a := parseURL(text)
		if all := a.server + a.shown + a.user; strings.Contains(all, secret) {
			t.Errorf("%s: %+v", text, a)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"redis://u:p@h:1/2?db=3", "${URL:-redis://u:p@h}/1", "unix://${A}/b", "${", "${}", "\x000\x00", "://@", "redis://[::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := parseURL(text)
		if a.database < 0 || a.user != "" && CheckUser(a.user) != nil || a.anyDatabase && a.undecided {
			t.Errorf("%+v", a)
		}
	})
}
