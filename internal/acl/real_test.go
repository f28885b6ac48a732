package acl_test

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/acl"
	"github.com/mutexgen/mutexgen/internal/definition"
	"github.com/mutexgen/mutexgen/internal/redistest"
	"github.com/mutexgen/mutexgen/mutex"
)

const password = "a long password"

// plain and guarded are sets of mutexes; SERVER is where most of them live, and QUORUM three servers, SERVER one of them.
var (
	plain = `
version: 1
defaults: {expiration: 30s, node_timeout: 1s, retry_interval: 5s, renew: true}
mutexes:
- {name: Long, url: "redis://worker:${PASSWORD}@SERVER", key: long}
- {name: Report, url: "redis://worker:${PASSWORD}@SERVER", key: "report:nightly"}
- {name: Account, url: "redis://worker:${PASSWORD}@SERVER/2", key: "account:{id:int64}:transfer"}
- {name: Sku, url: "redis://worker:${PASSWORD}@SERVER/11", key: "sku:{sku:string}"}
- {name: Odd, url: "redis://worker:${PASSWORD}@SERVER?client_name=odd", key: 'it''s [a] * b? "c" \d\ $HOME ` + "`date`" + ` {{x}} ^-ünï日本&~#;!\'}
`
	guarded = `
version: 1
defaults: {expiration: 4s, node_timeout: 1s, retry_interval: 1s, renew: true}
mutexes:
- {name: Long, url: "redis://worker:${PASSWORD}@SERVER", key: long}
- {name: Fenced, url: "redis://worker:${PASSWORD}@SERVER", key: "fenced", fencing: true, restart_guard: off}
- {name: Tagged, url: "redis://worker:${PASSWORD}@SERVER/1", key: "{{tag}}:{id:int64}:x", fencing: true, fencing_memory: forever, restart_guard: off}
- {name: Stock, url: "redis://worker:${PASSWORD}@SERVER", key: "stock:{sku:string}:x", fencing: true, restart_guard: off}
- {name: Guarded, url: "redis://worker:${PASSWORD}@SERVER", key: "guarded", restart_guard: on}
- {name: Both, url: "redis://worker:${PASSWORD}@SERVER/3", key: "both:{id:int64}:y", fencing: true, restart_guard: on}
`
	quorum       = `- {name: Quorum, servers: [QUORUM], key: "quorum:{id:int64}", fencing: false, restart_guard: off}` + "\n"
	fencedQuorum = `- {name: Quorum, servers: [QUORUM], key: "quorum:{id:int64}:z", fencing: true, restart_guard: on}` + "\n"
)

// parse reads definitions on these servers.
func parse(t *testing.T, text string, servers ...*redistest.Server) *definition.File {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, `"redis://worker:${PASSWORD}@`+s.Addr()+`"`)
	}
	text = strings.NewReplacer("SERVER", servers[0].Addr(), "QUORUM", strings.Join(urls, ", ")).Replace(text)
	file, findings := definition.Parse("mutexes.yaml", []byte(text))
	if findings.HasErrors() {
		t.Fatalf("%s\n%+v", text, findings)
	}
	return file
}

// environment tells the URLs' variable.
func environment() mutex.Option {
	return mutex.WithEnv(func(name string) (string, bool) { return strings.ReplaceAll(password, " ", "%20"), name == "PASSWORD" })
}

// apply does what the text of the rules says: it gives each line to a shell, and what that makes of it to the servers that
// stand above it. Of the modifiers, skip is left out.
func apply(t *testing.T, rules []acl.Rule, skip string, servers ...*redistest.Server) {
	t.Helper()
	var text strings.Builder
	if err := acl.Write(&text, rules); err != nil {
		t.Fatal(err)
	}
	comment, applied := "", map[string]bool{}
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "ACL SETUSER worker ") {
			comment += line
			continue
		}
		out, err := exec.Command("sh", "-c", `printf '%s\0' `+line).Output()
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if skip != "" {
			i := slices.Index(words, skip)
			if i < 0 {
				t.Fatalf("there is no %s in %q", skip, words)
			}
			words = slices.Delete(words, i, i+1)
		}
		for _, s := range servers {
			if !strings.Contains(comment, s.Addr()) {
				continue
			}
			applied[s.Addr()] = true
			for range 2 { // the second time changes nothing, above all not the password
				if answer := s.CLI(words...); answer != "OK" {
					t.Fatalf("%q: %s", words, answer)
				}
				if answer := s.CLI("ACL", "SETUSER", "worker", ">"+password); answer != "OK" {
					t.Fatal(answer)
				}
			}
			if answer := s.CLI(words...); answer != "OK" {
				t.Fatalf("%q: %s", words, answer)
			}
		}
		comment = ""
	}
	if len(applied) != len(servers) {
		t.Fatalf("rules for %v only:\n%s", applied, text.String())
	}
}

// denials are what the servers refused to the user.
func denials(servers []*redistest.Server) string {
	var all strings.Builder
	for _, s := range servers {
		all.WriteString(s.CLI("ACL", "LOG"))
	}
	return all.String()
}

// run has the mutexes exercised until the servers have refused something, or else every command of the rules was called.
func run(t *testing.T, file *definition.File, rules []acl.Rule, servers []*redistest.Server) (denied string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	enough := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- exercise(ctx, file, enough, environment()) }()
	uncalled := commands(rules)
	for {
		select {
		case err := <-done:
			if len(uncalled) > 0 && err != nil {
				err = fmt.Errorf("%w; not called: %q", err, uncalled)
			}
			return denials(servers), err
		case <-time.After(20 * time.Millisecond):
		}
		if denied = denials(servers); denied != "" {
			cancel()
			<-done
			return denied, nil
		}
		if len(uncalled) == 0 {
			continue
		}
		for _, s := range servers {
			stats := s.CLI("INFO", "commandstats")
			uncalled = slices.DeleteFunc(uncalled, func(command string) bool { return called(stats, command) })
		}
		if len(uncalled) == 0 {
			close(enough)
		}
	}
}

// commands are those of the rules, as the server's statistics name them.
func commands(rules []acl.Rule) []string {
	var all []string
	for _, r := range rules {
		for _, modifier := range r.Commands {
			command := strings.TrimPrefix(modifier, "+")
			if name, _, _ := strings.Cut(command, "|"); name == "info" || name == "select" {
				command = name
			}
			if !slices.Contains(all, command) {
				all = append(all, command)
			}
		}
	}
	return all
}

func called(stats, command string) bool {
	return regexp.MustCompile(`(?m)^cmdstat_` + regexp.QuoteMeta(command) + `:calls=[1-9]`).MatchString(stats)
}

func TestTheWholeEngineWorksUnderExactlyTheRule(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"plain": plain + quorum, "with fencing and a restart guard": guarded + fencedQuorum} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartN(t, 3)
			file := parse(t, text, servers...)
			rules := acl.Rules(file, "")
			apply(t, rules, "", servers...)
			denied, err := run(t, file, rules, servers)
			if err != nil || denied != "" {
				t.Errorf("%v\nrefused: %s\nrules: %+v", err, denied, rules)
			}
			if len(rules) != 2 {
				t.Errorf("%d rules; want one for the server of all mutexes and one for the other two", len(rules))
			}
		})
	}
}

func TestNothingInTheRuleCanGo(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"plain": plain, "guarded": guarded} {
		t.Run(name, func(t *testing.T) {
			nowhere := redistest.Start(t)
			rules := acl.Rules(parse(t, text, nowhere), "")
			for _, modifier := range slices.Concat(rules[0].Keys, rules[0].Channels, rules[0].Commands) {
				if name == "guarded" && slices.Contains(strings.Fields("+unsubscribe +ping"), modifier) {
					continue // of which a mutex knows nothing, and for which we would have to wait
				}
				t.Run(modifier, func(t *testing.T) {
					t.Parallel()
					server := redistest.Start(t)
					file := parse(t, text, server)
					rules := acl.Rules(file, "")
					apply(t, rules, modifier, server)
					denied, err := run(t, file, rules, []*redistest.Server{server})
					if denied == "" {
						t.Errorf("the server refused nothing; %v", err)
					}
				})
			}
		})
	}
}

func TestAllElseIsDenied(t *testing.T) {
	server := redistest.Start(t)
	rules := acl.Rules(parse(t, guarded+strings.TrimPrefix(plain[strings.Index(plain, "- {name: Report"):], "\n"), server), "")
	apply(t, rules, "", server)
	_, user, _ := strings.Cut(server.CLI("ACL", "GETUSER", "worker"), "\ncommands\n-@all ")
	understood, _, _ := strings.Cut(user, "\n")
	if got, want := slices.Sorted(strings.FieldsSeq(understood)), slices.Sorted(slices.Values(rules[0].Commands)); !slices.Equal(got, want) {
		t.Errorf("the server understands the commands %q as %q", want, got)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "worker", Password: password, DisableIdentity: true, Protocol: 2})
	defer client.Close()
	for _, allowed := range []string{"GET report:nightly", "GET {fenced}:fence", "GET account:7:transfer", "SELECT 2", "INFO server", "PUBLISH mutexgen:engine:x y"} {
		if err := client.Do(t.Context(), arguments(allowed)...).Err(); err != nil && err != redis.Nil {
			t.Errorf("%s: %v", allowed, err)
		}
	}
	for _, denied := range []string{
		"GET report", "GET report:nightly2", "GET xreport:nightly", "GET account:7:transfers", "GET account:7", "GET fenced:fence",
		"GET {account:7:transfer}:fence", "GET mutexgen:death", "GET {report:nightly}:fence", "SET other x",
		"EVAL return 1 other", "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "INFO", "INFO memory",
		"SELECT 4", "SWAPDB 0 1", "CLIENT LIST", "CLIENT KILL id 1", "PUBSUB CHANNELS", "ACL LIST", "SCRIPT FLUSH", "SCRIPT LOAD x",
		"PUBLISH other x", "PUBLISH mutexgen:key:report x", "PUBLISH mutexgen:engines x", "SUBSCRIBE mutexgen:key:other", "PSUBSCRIBE *",
		"PSUBSCRIBE mutexgen:key:*", "SPUBLISH mutexgen:engine:x y", "EXPIRE report:nightly 1", "RENAME report:nightly x", "APPEND report:nightly x",
		"DUMP report:nightly", "MULTI", "MOVE report:nightly 1", "COPY report:nightly other", "FCALL f 0", "EVAL_RO x 0", "SHUTDOWN",
	} {
		words := arguments(denied)
		if strings.HasPrefix(denied, "EVAL return") {
			words = []any{"EVAL", "return 1", 1, "other"}
		}
		err := client.Do(t.Context(), words...).Err()
		if err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%s: %v; want NOPERM", denied, err)
		}
	}
	odd := []any{"GET", strings.ReplaceAll(`it's [a] * b? "c" \d\ $HOME `+"`date`"+` {x} ^-ünï日本&~#;!\`, " ", "_")}
	if err := client.Do(t.Context(), odd...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("a visible character where the key has a space: %v", err)
	}
}

func arguments(text string) []any {
	var words []any
	for word := range strings.FieldsSeq(text) {
		words = append(words, word)
	}
	return words
}
