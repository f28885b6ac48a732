package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/redistest"
)

// TestDoctorLooksAtSentinelsAndTLS has a mutex on one node, which is as the case says.
func TestDoctorLooksAtSentinelsAndTLS(t *testing.T) {
	own, other := redistest.NewAuthority(t), redistest.NewAuthority(t)
	plain := redistest.StartSentinels(t, redistest.SentinelOptions{Password: "hunter1", ServerPassword: "hunter2", ServerArgs: sound})
	secure := redistest.StartSentinels(t, redistest.SentinelOptions{Password: "hunter1", Authority: own, ServerArgs: sound})
	server := func(t *testing.T, ago time.Duration, names ...string) string {
		cert, key := own.Certificate(ago, names...)
		return redistest.StartTLSWith(t, own, cert, key, sound...).TLSURL()
	}
	replace := func(old, new string) func(*testing.T) string {
		return func(*testing.T) string { return strings.Replace(plain.URL(), old, new, 1) }
	}
	hosts := strings.Join(secure.SentinelAddrs(), ",")
	ca, foreign := "?ca_file="+own.File, "?ca_file="+other.File
	for name, test := range map[string]struct {
		url    func(t *testing.T) string
		fields string
		want   string // severity and code; none if it is well
		names  string // stands in the finding
	}{
		"sentinels":                {url: replace("", "")},
		"sentinels, with replicas": {url: replace("", ""), fields: "    replicas: 2\n"},
		"one sentinel of three": {url: func(*testing.T) string {
			return strings.Replace(plain.URL(), strings.Join(plain.SentinelAddrs()[1:], ","), "", 1)
		}},
		"sentinels with TLS":           {url: func(*testing.T) string { return secure.URL() }, fields: "    replicas: 1\n"},
		"a server with TLS":            {url: func(t *testing.T) string { return server(t, 0, "127.0.0.1") + ca }},
		"a server with TLS and a name": {url: func(t *testing.T) string { return server(t, 0, "redis.example") + ca + "&server_name=redis.example" }},

		"a master's name that is wrong":       {url: replace("/mymaster", "/other"), want: "error sentinel-master", names: "master"},
		"a sentinels' password that is wrong": {url: replace("sentinel_password=hunter1", "sentinel_password=hunter3"), want: "error wrong-password", names: "sentinel"},
		"a sentinels' password that is missing": {url: replace("?sentinel_password=hunter1", ""), want: "error password-needed",
			names: "sentinel"},
		"a servers' password that is wrong":   {url: replace(":hunter2@", ":hunter3@"), want: "error wrong-password", names: "password"},
		"a servers' password that is missing": {url: replace(":hunter2@", ""), want: "error password-needed", names: "password"},
		"too few replicas":                    {url: replace("", ""), fields: "    replicas: 3\n", want: "error too-few-replicas", names: "3"},
		"a server in a sentinel's place": {url: func(t *testing.T) string {
			return "redis+sentinel://" + soundServer(t).Addr() + "/mymaster"
		}, want: "error refused", names: "sentinel"},
		"fewer sentinels than their quorum": {url: func(t *testing.T) string {
			few := redistest.StartSentinels(t, redistest.SentinelOptions{ServerArgs: sound})
			for _, one := range few.Sentinels {
				cli(t, one, "SENTINEL", "SET", few.Name, "quorum", "4")
			}
			return few.URL()
		}, want: "error sentinel-quorum", names: "quorum"},
		"sentinels without a majority": {url: func(t *testing.T) string {
			few := redistest.StartSentinels(t, redistest.SentinelOptions{ServerArgs: sound})
			few.Sentinels[1].Kill()
			few.Sentinels[2].Kill()
			waitUntil(t, "the other has seen it", func() bool {
				return strings.HasPrefix(few.Sentinels[0].CLI("SENTINEL", "CKQUORUM", few.Name), "NOQUORUM")
			})
			return "redis+sentinel://" + few.SentinelAddrs()[0] + "/" + few.Name
		}, want: "error sentinel-quorum", names: "quorum"},
		"sentinels with TLS that nobody knows": {url: func(*testing.T) string {
			return "rediss+sentinel://" + hosts + "/mymaster" + foreign + "&sentinel_password=hunter1"
		}, want: "error tls-certificate", names: "nobody"},
		"sentinels with TLS, asked without": {url: func(*testing.T) string {
			return "redis+sentinel://" + hosts + "/mymaster?sentinel_password=hunter1"
		}, want: "error tls-needed", names: "TLS"},
		"sentinels without TLS, asked with it": {url: func(*testing.T) string {
			return strings.Replace(plain.URL(), "redis+", "rediss+", 1)
		}, want: "error tls", names: "TLS"},
		"an expired certificate":         {url: func(t *testing.T) string { return server(t, 2*time.Hour, "127.0.0.1") + ca }, want: "error tls-certificate", names: "expired"},
		"a certificate for another name": {url: func(t *testing.T) string { return server(t, 0, "redis.example") + ca }, want: "error tls-certificate", names: "name"},
		"a certificate of another's":     {url: func(t *testing.T) string { return server(t, 0, "127.0.0.1") + foreign }, want: "error tls-certificate"},
		"a client certificate is asked for": {url: func(t *testing.T) string {
			return redistest.StartTLS(t, own, append([]string{"--tls-auth-clients", "yes"}, sound...)...).TLSURL() + ca
		}, want: "error tls", names: "client certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := strings.Replace(test.url(t), ",/", "/", 1)
			s := newSandbox(t, "version: 1\nmutexes:\n  - name: Lock\n    key: lock\n    url: ${U}\n    expiration: 2s\n    node_timeout: 300ms\n"+test.fields)
			s.variables = map[string]string{"U": url}
			result, code := s.diagnose("-timeout", "5s")
			var found []string
			for _, f := range result.Files[0].Findings {
				if f.Severity == "note" {
					continue
				}
				found = append(found, string(f.Severity)+" "+f.Code)
				if text := f.Message + " " + f.Hint; f.Hint == "" || !strings.Contains(text, test.names) {
					t.Errorf("the finding says too little: %q", text)
				}
			}
			if got := strings.Join(found, "; "); got != test.want {
				t.Errorf("found %q, want %q: %+v", got, test.want, result.Files[0].Findings)
			}
			if strings.HasPrefix(test.want, "error") != (code == 1) {
				t.Errorf("exit code %d", code)
			}
			if all := s.stdout.String() + s.stderr.String(); strings.Contains(all, "hunter") {
				t.Errorf("a password is shown:\n%s", all)
			}
		})
	}
}

func TestStatusAsksTheMasterThatSentinelsNameAndServersWithTLS(t *testing.T) {
	own := redistest.NewAuthority(t)
	set := redistest.StartSentinels(t, redistest.SentinelOptions{Password: "hunter1", ServerPassword: "hunter2", Authority: own, ServerArgs: sound})
	server := redistest.StartTLS(t, own, sound...)
	cli(t, set.Master(), "SET", "lock", "somebody", "PX", "60000")
	cli(t, server.Server, "SET", "lock", "somebody", "PX", "60000")
	for _, url := range []string{set.URL(), server.TLSURL() + "?ca_file=" + own.File} {
		s := newSandbox(t, "version: 1\nmutexes:\n  - name: Lock\n    key: lock\n    url: ${U}\n")
		s.variables = map[string]string{"U": url}
		if code := s.run("status", "Lock"); code != 0 || !strings.Contains(s.stdout.String(), "held") {
			t.Errorf("exit code %d\n%s%s", code, &s.stdout, &s.stderr)
		}
		s.variables = map[string]string{"U": strings.ReplaceAll(strings.Replace(url, "hunter1", "hunter3", 1), own.File, redistest.NewAuthority(t).File)}
		code := s.run("status", "Lock")
		if all := s.stdout.String() + s.stderr.String(); code != 1 || strings.Contains(all, "hunter") || strings.Contains(all, "redis: 2") {
			t.Errorf("exit code %d\n%s", code, all)
		}
	}
}
