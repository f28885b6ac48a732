package mutex_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mutexgen/mutexgen/mutex"
)

// openError is what OpenSet says about a definition; a set that opens is closed at once.
func openError(d mutex.Definition, options ...mutex.Option) error {
	set, err := mutex.OpenSet([]mutex.Definition{d}, options...)
	if err != nil {
		return err
	}
	return set.Close()
}

func TestNonsenseURLsAreErrorsOfOpen(t *testing.T) {
	t.Parallel()
	const (
		noURL  = "this is no URL"
		scheme = "must begin with redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
		form   = "does not fit the form"
		escape = "special characters as %XX"
	)
	tests := []struct{ url, want string }{
		{"", "the URL is empty"},
		{" ", scheme},
		{"localhost", scheme},
		{"localhost:6379", scheme},
		{"127.0.0.1:6379", noURL},
		{"//localhost:6379", scheme},
		{"/var/run/redis.sock", scheme},
		{"http://localhost:6379", scheme},
		{"redis", scheme},
		{"redis:", scheme},
		{"redis:localhost:6379", scheme},
		{"redis:/localhost", scheme},
		{"rediss:localhost", scheme},
		{"unix:redis.sock", scheme},
		{"redis-cluster://localhost", scheme},
		{"redis+sentinels://localhost/m", scheme},
		{"unix+sentinel://localhost/m", scheme},
		{"redis+://localhost", scheme},
		{"redis+sentinel:localhost/m", scheme},
		{"redis+sentinel://", "does not name the master"},
		{"redis+sentinel://localhost", "does not name the master"},
		{"redis+sentinel://localhost/", "does not name the master"},
		{"redis+sentinel:///m", "names no host"},
		{"redis+sentinel://user:pw@/m", "names no host"},
		{"redis+sentinel://a,/m", "an empty place in its list"},
		{"redis+sentinel://a,,b/m", "an empty place in its list"},
		{"redis+sentinel://a,:26379/m", "a port without a host"},
		{"redis+sentinel://a,A:26379/m", "names a host twice"},
		{"redis+sentinel://a:0,b/m", "port"},
		{"redis+sentinel://a:x,b/m", noURL},
		{"redis+sentinel://::1,b/m", "in brackets"},
		{"redis+sentinel://a b/m", noURL},
		{"redis+sentinel://a/m/x", "redis+sentinel://user:password@host"},
		{"redis+sentinel://a/m/1/2", "redis+sentinel://user:password@host"},
		{"redis+sentinel://a/m/-1", "database"},
		{"redis+sentinel://a/m?db=x", "redis+sentinel://user:password@host"},
		{"redis+sentinel://a/my%20master", "a master's name"},
		{"redis+sentinel://a/m@b", escape},
		{"redis+sentinel://a/m?master_name=x", `unknown parameter: "master_name"`},
		{"redis+sentinel://a/m?sentinel_username=x", "sentinel_username without a sentinel_password"},
		{"redis+sentinel://a/m?skip_verify=true", `unknown parameter: "skip_verify"`},
		{"redis://a?sentinel_password=x", `unknown parameter: "sentinel_password"`},
		{"redis://a,b:1", "names several hosts"},
		{"redis+cluster://", "names no host"},
		{"redis+cluster://a,", "an empty place in its list"},
		{"redis+cluster://a,a:6379", "names a host twice"},
		{"redis+cluster://a/1", "no database but 0"},
		{"redis+cluster://a?db=1", "no database but 0"},
		{"redis+cluster://a/x", "redis+cluster://user:password@host"},
		{"redis+cluster://a?sentinel_password=x", `unknown parameter: "sentinel_password"`},
		{"valkey://localhost", scheme},
		{"tcp://localhost:6379", scheme},
		{"javascript:alert(1)", scheme},
		{"://localhost", noURL},
		{" redis://localhost", noURL},
		{"redis://localhost ", noURL},
		{"redis://local host", noURL},
		{"redis://localhost\n", noURL},
		{"redis://local\x00host", noURL},
		{"redis://localhost\x7f", noURL},
		{"redis://\x1b[31mred", noURL},
		{"redis://localhost:port", noURL},
		{"redis://localhost:-1", noURL},
		{"redis://localhost:0", "port"},
		{"redis://localhost:65536", "port"},
		{"redis://localhost:99999999999999999999", "port"},
		{"redis://[::1", noURL},
		{"redis://::1", "in brackets"},
		{"redis://[::1]extra", noURL},
		{"redis://localhost/one", form},
		{"redis://localhost/1/2", form},
		{"redis://localhost/-1", "database"},
		{"redis://localhost?db=-1", "database"},
		{"redis://localhost/99999999999999999999", form},
		{"redis://localhost/1.5", form},
		{"redis://localhost?db=one", form},
		{"redis://localhost?protocol=three", form},
		{"redis://localhost?read_timeout=soon", form},
		{"redis://localhost?pool_fifo=maybe", form},
		{"redis://localhost?databse=1", `unknown parameter: "databse"`},
		{"redis://localhost?skip_verify=true", `unknown parameter: "skip_verify"`},
		{"redis://localhost?db=1;x=2", form},
		{"redis://localhost?db=%zz", form},
		{"redis://localhost/0#1", escape},
		{"redis://localhost#", escape},
		{"redis://%zz@localhost", noURL},
		{"redis://:p%@localhost", noURL},
		{"unix://", form},
		{"unix:///", "socket"},
		{"${URL", "never closed"},
		{"${}", "no name of a variable"},
		{"${UNSET_VARIABLE_OF_A_TEST}", "UNSET_VARIABLE_OF_A_TEST is not set"},
		{"redis://${UNSET_VARIABLE_OF_A_TEST:-local host}", noURL},
		{"$REDIS_URL", scheme},
		{strings.Repeat("redis://", 10_000), ""},
		{"redis://" + strings.Repeat("a", 1<<20) + ":x", noURL},
		{"\xff\xfe://localhost", ""},
		{"redis://\xff:\xff", ""},
	}
	for _, test := range tests {
		err := openError(on(test.url))
		if err == nil {
			t.Errorf("%.60q opens; want an error with %q", test.url, test.want)
			continue
		}
		text := err.Error()
		if !strings.HasPrefix(text, "Counter: url: ") || !strings.Contains(text, test.want) {
			t.Errorf("%.60q: error %q; want it to name Counter, its url and %q", test.url, text, test.want)
		}
		if len(text) > 300 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\n\r") {
			t.Errorf("%.60q: error %.400q is not one line of text", test.url, text)
		}
	}
}

func TestURLsThatOpen(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://localhost", "redis://localhost:6379", "redis://localhost/", "redis://localhost:6379/15", "redis://localhost?db=15",
		"rediss://localhost:6380", "REDIS://LOCALHOST", "redis://[::1]", "redis://[::1]:6379/1", "redis://:secret@localhost",
		"redis://user:secret@localhost:6379/1?protocol=2&client_name=locks", "redis://user@localhost",
		"redis://:p%40ss%2Fw%3Ard%23%3F%25@localhost", "redis://:p@ss@localhost", "rediss://localhost?skip_verify=true",
		"unix:///var/run/redis.sock", "unix://user:secret@/var/run/redis.sock?db=1",
		// What go-redis would take for itself, and the library sets: none of it counts, or does harm.
		"redis://localhost?pool_size=99999999999&max_retries=9&read_timeout=1ns&dial_timeout=1ns&min_idle_conns=99999999999",
		"redis://localhost?max_active_conns=99999999999", "redis://localhost?max_idle_conns=99999999999",
		"redis://localhost?pipeline_pool_size=99999999999", "redis://localhost?pipeline_read_buffer_size=9223372036854775807",
		"redis://localhost?max_concurrent_dials=9223372036854775807", "redis://localhost?pool_size=-1&max_active_conns=-1",
	} {
		if err := openError(on(url)); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// The password of these URLs is made of pieces that stand nowhere else, so that any of them in a text is a leak. They are
// written as people write them who never heard of percent-encoding, and worse.
func TestErrorsOfOpenShowNothingOfAPassword(t *testing.T) {
	t.Parallel()
	pieces := []string{"Qqpwz", "Xxkvj", "4271", "8356"}
	join := func(separator string) string { return strings.Join(pieces, separator) }
	var passwords []string
	for _, separator := range []string{
		"", "@", "/", "?", "#", ":", " ", "%", "&", "=", ";", "\\", "\"", "'", "\n", "\x00", "[", "]", "{", "}", "$", "+", "^", "|", "<", "`",
		"é", "\xff", "@/", "/@", "?@", "#@", "@:", "@?", "@#", ":@", "//", "://", "?x=", "?x=@", "&x=", "%2", "%zz", "#?", "?#", "/?",
	} {
		passwords = append(passwords, join(separator))
	}
	// A number may be taken for a port.
	for _, separator := range []string{"@", "/", "?", "#", "?@", "#@", "/@"} {
		passwords = append(passwords, "4271"+separator+"Qqpwz"+separator+"8356")
	}
	opened := 0
	for _, password := range passwords {
		for _, format := range []string{
			"redis://:%s@localhost:6379/0", "redis://user:%s@localhost", "rediss://:%s@localhost", "unix://:%s@/var/run/redis.sock",
			"redis+sentinel://:%s@a,b/m", "rediss+cluster://:%s@a", "redis+sentinel://a/m?sentinel_password=%s",
			"redis+sentinel://:%s@", "redis+sentinel://:%s@a", "redis+cluster://:%s@a,", "redis+sentinel://a,:%s@b/m",
			"redis://:%s@", "redis://:%s@local host", "redis://:%s@localhost:port", "redis://:%s@localhost/x",
			"redis://:%s@localhost?x=1", "http://:%s@localhost", "redis:%s@localhost", ":%s@localhost:6379", "%s",
		} {
			url := fmt.Sprintf(format, password)
			err := openError(on(url))
			if err == nil {
				opened++
				continue
			}
			for _, piece := range pieces {
				if strings.Contains(err.Error(), piece) {
					t.Errorf("%q: error %q shows %q", url, err, piece)
				}
			}
		}
	}
	if opened == 0 || opened > len(passwords)*9 {
		t.Errorf("%d URLs opened of %d passwords", opened, len(passwords))
	}
}

// A set that opens shows its nodes' addresses in every later error. Where a part of a password would pass for an address,
// it must not open.
func TestPasswordIsNeverTakenForAnAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://:p@ss?w=rd@localhost", "redis://:p@ss/w:rd@localhost", "redis://:p@ss/1@localhost", "redis://:p@ss/1?w=rd@localhost", "redis://:p@ss#rd@localhost",
		"redis://:12#34@localhost", "redis://:12/3@localhost", "redis://:12?3@localhost", "redis://user:12?db=3@localhost",
		"redis+sentinel://:p@ss/w:rd@a/m", "redis+sentinel://:p/m@a", "redis+sentinel://:12,b/m@a", "redis+cluster://:p?w@a", "redis+cluster://:p#w@a",
		"redis://user:12/3?db=@localhost", "rediss://:p@ss#@localhost", "redis:p@ss@localhost",
	} {
		wantText(t, openError(on(url)), "Counter: url: ")
	}
}

// Whatever stands in a URL, Open returns, and an error is one line that begins with the place.
func FuzzURL(f *testing.F) {
	for _, url := range []string{
		"redis://localhost:6379/1?protocol=2", "rediss://user:p%40ss@[::1]", "unix:///var/run/redis.sock?db=1", "${URL:-redis://:${P}@h}",
		"redis://h?max_active_conns=99999999999&pool_size=-1", "redis:h", "redis://:p@ss?w=rd#@h", "redis://h:0", "\x00", "redis://%zz",
		"redis+sentinel://u:p@a,b:1/m/2?sentinel_password=x", "rediss+cluster://a,b?ca_file=c&cert_file=d&key_file=e&server_name=f&skip_verify=true",
	} {
		f.Add(url, "redis://h")
	}
	f.Fuzz(func(t *testing.T, url, variable string) {
		err := openError(on(url), mutex.WithEnv(func(name string) (string, bool) { return variable, name != "MUTEX_COUNTER_URL" }))
		if err == nil {
			return
		}
		if text := err.Error(); !strings.HasPrefix(text, "Counter: url: ") || strings.ContainsAny(text, "\r\n\x00\x1b") || !utf8.ValidString(text) {
			t.Errorf("%q: error %q", url, text)
		}
	})
}
