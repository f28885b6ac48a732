package acl

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestWhatAURLSays(t *testing.T) {
	for text, want := range map[string]address{
		"redis://h":                           {places: []string{"h:6379"}, shown: "h:6379"},
		"rediss://H:6380/":                    {places: []string{"h:6380"}, shown: "h:6380"},
		"redis://":                            {places: []string{"localhost:6379"}, shown: "localhost:6379"},
		"redis://[::1]/7":                     {places: []string{"::1:6379"}, shown: "::1:6379", database: 7},
		"redis://u:p@h:1/2":                   {places: []string{"h:1"}, shown: "h:1", user: "u", database: 2},
		"redis://u:p/w@h:1/2":                 {places: []string{"h:1"}, shown: "h:1", user: "u", database: 2},
		"redis://:p@h":                        {places: []string{"h:6379"}, shown: "h:6379"},
		"redis://u:${PW}@h/1":                 {places: []string{"h:6379"}, shown: "h:6379", user: "u", database: 1},
		"redis://u:${PW:-x@y}@h/1":            {places: []string{"h:6379"}, shown: "h:6379", user: "u", database: 1},
		"redis://${U}:${PW}@h/1":              {places: []string{"h:6379"}, shown: "h:6379", database: 1},
		"redis://h/1?db=2":                    {places: []string{"h:6379"}, shown: "h:6379", database: 2},
		"redis://h/01":                        {places: []string{"h:6379"}, shown: "h:6379", database: 1},
		"redis://h/${DB}":                     {places: []string{"h:6379"}, shown: "h:6379", anyDatabase: true},
		"redis://h?db=${DB}":                  {places: []string{"h:6379"}, shown: "h:6379", anyDatabase: true},
		"redis://h/${DB:-4}":                  {places: []string{"h:6379"}, shown: "h:6379", database: 4, undecided: true},
		"redis://h/3?db=${DB:-4}":             {places: []string{"h:6379"}, shown: "h:6379", database: 4, undecided: true},
		"redis://h/${DB:-3}?db=4":             {places: []string{"h:6379"}, shown: "h:6379", database: 4},
		"redis://h/1?db=2&db=3":               {places: []string{"h:6379"}, shown: "h:6379", database: 3},
		"redis://h/1?db=2&db=":                {places: []string{"h:6379"}, shown: "h:6379", database: 1},
		"redis://h?${PARAMETERS}":             {places: []string{"h:6379"}, shown: "h:6379", undecided: true},
		"redis://h/1?${PARAMETERS:-db=2}":     {places: []string{"h:6379"}, shown: "h:6379", database: 2, undecided: true},
		"${URL}?protocol=3":                   {places: []string{"${URL}"}, shown: "${URL}", undecided: true},
		"${URL}?db=3":                         {places: []string{"${URL}"}, shown: "${URL}", database: 3},
		"redis://h?client_name=${NAME:-}":     {places: []string{"h:6379"}, shown: "h:6379", named: true},
		"redis://h?client_name=x":             {places: []string{"h:6379"}, shown: "h:6379", named: true},
		"redis://h?client_name=${NAME}":       {places: []string{"h:6379"}, shown: "h:6379", named: true},
		"redis://${HOST}":                     {places: []string{"${HOST}"}, shown: "${HOST}"},
		"redis://${HOST}:1/3":                 {places: []string{"${HOST}:1"}, shown: "${HOST}:1", database: 3},
		"redis://${HOST:-h}/3":                {places: []string{"${HOST}"}, shown: "${HOST:-h}", database: 3},
		"${URL}":                              {places: []string{"${URL}"}, shown: "${URL}", undecided: true},
		"${URL}/1":                            {places: []string{"${URL}"}, shown: "${URL}", database: 1},
		"${URL:-redis://h}":                   {places: []string{"${URL}"}, shown: "${URL:-redis://h}", undecided: true},
		"${URL:-redis://u:p@h/5}":             {places: []string{"${URL}"}, shown: "${URL:-redis://h/5}", database: 5, undecided: true},
		"${URL:-redis://h?client_name=x}":     {places: []string{"${URL}"}, shown: "${URL:-redis://h?client_name=x}", named: true, undecided: true},
		"${A}:secret@h":                       {places: []string{"h:6379"}, shown: "h:6379"},
		"unix:///run/redis.sock":              {places: []string{"/run/redis.sock"}, shown: "/run/redis.sock"},
		"unix://u:p@/run/redis.sock?db=6":     {places: []string{"/run/redis.sock"}, shown: "/run/redis.sock", user: "u", database: 6},
		"unix://${DIR:-/run}/redis.sock?db=6": {places: []string{"${DIR}/redis.sock"}, shown: "${DIR:-/run}/redis.sock", database: 6},
		"${SCHEME:-redis}://u@h:1/2":          {places: []string{"h:1"}, shown: "h:1", user: "u", database: 2},
		"redis+sentinel://u:p@S1,s2:1/m/3?client_name=x": {places: []string{"m@s1:26379", "m@s2:1"}, shown: "m@s1:26379,s2:1", user: "u", database: 3,
			kind: sentinelMaster, named: true, sentinels: &address{places: []string{"sentinel s1:26379", "sentinel s2:1"}, shown: "s1:26379, s2:1"}},
		"rediss+sentinel://:${PW:-a@b/c}@${S:-u:geheim@s}:1,s2/${M}/${DB:-4}?sentinel_username=w&sentinel_password=geheim": {
			places: []string{"${M}@${S}:1", "${M}@s2:26379"}, shown: "${M}@${S:-s}:1,s2:26379", database: 4, undecided: true, kind: sentinelMaster,
			sentinels: &address{places: []string{"sentinel ${S}:1", "sentinel s2:26379"}, shown: "${S:-s}:1, s2:26379", user: "w"}},
		"redis+sentinel://s1/m?sentinel_username=${U}&db=${DB}": {places: []string{"m@s1:26379"}, shown: "m@s1:26379", anyDatabase: true,
			kind: sentinelMaster, sentinels: &address{places: []string{"sentinel s1:26379"}, shown: "s1:26379"}},
		"${URL:-redis+sentinel://u:geheim@s1/m/2?sentinel_password=geheim&db=3}": {places: []string{"${URL}"}, database: 3, undecided: true,
			shown: "${URL:-redis+sentinel://s1/m/2?sentinel_password=***&db=3}", kind: sentinelMaster,
			sentinels: &address{places: []string{"sentinel ${URL}"}, shown: "the sentinels of ${URL:-redis+sentinel://s1/m/2?sentinel_password=***&db=3}"}},
		"rediss+cluster://u:${P}@c2,C1:7?ca_file=x": {places: []string{"c2:6379", "c1:7"}, shown: "redis+cluster://c2:6379,c1:7", user: "u", kind: redisCluster},
		"redis+cluster://${C1},${C2:-c2}":           {places: []string{"${C1}", "${C2}"}, shown: "redis+cluster://${C1},${C2:-c2}", kind: redisCluster},
		"${URL:-redis+cluster://c1}":                {places: []string{"${URL}"}, shown: "${URL:-redis+cluster://c1}", kind: redisCluster},
		"${S:-redis}+cluster://c1":                  {places: []string{"c1:6379"}, shown: "redis+cluster://c1:6379", kind: redisCluster},
		"redis://h/" + strings.Repeat("9", 30):      {places: []string{"h:6379"}, shown: "h:6379"},
	} {
		got := parseURL(text)
		if strings.HasPrefix(text, "redis://h/9") {
			got.database = 0
		}
		if !reflect.DeepEqual(got, want) {
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
		"redis+sentinel://u:hunter2@s1,s2/m", "redis+sentinel://s1/m?sentinel_password=hunter2", "redis+cluster://:hunter2@c1,c2",
		"${URL:-redis+sentinel://s1/m?sentinel_password=hunter2}", "redis+sentinel://s1/m?sentinel_username=a:hunter2", "redis+sentinel://s1,u:hunter2@s2/m",
		"redis+sentinel://${S1:-u:hunter2@s1},s2/m", "redis+cluster://c1,c2?sentinel_password=hunter2", "redis+sentinel://u:hunter2/x@s1,s2/m",
		"${URL:-redis+cluster://u:hunter2@c1,c2}", "redis+sentinel://u:x,hunter2@s1/m", "${S}+sentinel://u:hunter2@s1/m?sentinel_password=hunter2",
	} {
		a := parseURL(text)
		if all := fmt.Sprintf("%+v %+v", a, a.sentinels); strings.Contains(all, secret) {
			t.Errorf("%s: %+v", text, a)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"redis://u:p@h:1/2?db=3", "${URL:-redis://u:p@h}/1", "unix://${A}/b", "${", "${}", "\x000\x00", "://@", "redis://[::1",
		"redis+sentinel://u:p@s1,${S}/m/2?sentinel_username=w", "redis+cluster://,${C:-a,b}", "${U:-redis+sentinel://s/m}", "redis+sentinel://@,/@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := parseURL(text)
		if a.database < 0 || a.user != "" && CheckUser(a.user) != nil || a.anyDatabase && a.undecided {
			t.Errorf("%+v", a)
		}
	})
}
