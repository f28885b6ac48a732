package definition

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// urlParameters are the options that go-redis takes from a URL, and the kinds of their values.
var urlParameters = map[string]Kind{
	"db": Count, "protocol": Count, "client_name": Text, "max_retries": Count, "min_retry_backoff": Duration, "max_retry_backoff": Duration,
	"dial_timeout": Duration, "read_timeout": Duration, "write_timeout": Duration, "pool_fifo": Switch, "pool_size": Count,
	"pool_timeout": Duration, "min_idle_conns": Count, "max_idle_conns": Count, "max_active_conns": Count, "max_concurrent_dials": Count,
	"pipeline_pool_size": Count, "pipeline_read_buffer_size": Count, "pipeline_write_buffer_size": Count, "conn_max_idle_time": Duration,
	"idle_timeout": Duration, "conn_max_lifetime": Duration, "max_conn_age": Duration, "conn_max_lifetime_jitter": Duration,
	"skip_verify": Switch,
}

// checkParameters says what is wrong with what stands behind the question mark. The runtime refuses the same, when the
// application starts.
func checkParameters(u *url.URL) (why, hint string) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "the parameters of the URL are malformed", "for example redis://localhost:6379?dial_timeout=5s"
	}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names) // so that it is always the same that is reported first
	for _, name := range names {
		values := query[name]
		kind, known := urlParameters[name]
		if name == "skip_verify" && !strings.EqualFold(u.Scheme, "rediss") {
			return "skip_verify is for rediss://", ""
		}
		if !known || name == "idle_timeout" && query.Has("conn_max_idle_time") || name == "max_conn_age" && query.Has("conn_max_lifetime") {
			if near := Nearest(name, knownParameters()); near != "" && near != name {
				hint = "did you mean " + near + "?"
			}
			return "the URL has an unknown parameter: " + quoted(name), hint
		}
		if value := values[len(values)-1]; !parameterValue(kind, value) {
			return fmt.Sprintf("the value of %s in the URL must be %s", name, kindNames[kind]), ""
		}
		if name == "db" && strings.HasPrefix(values[len(values)-1], "-") {
			return "the database in the URL is negative", ""
		}
	}
	return "", ""
}

func knownParameters() []string {
	names := make([]string, 0, len(urlParameters))
	for name := range urlParameters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parameterValue says whether go-redis takes the value.
func parameterValue(kind Kind, value string) bool {
	_, notNumber := strconv.Atoi(value)
	switch {
	case value == "", kind == Text:
		return true
	case kind == Count:
		return notNumber == nil
	case kind == Duration:
		_, err := time.ParseDuration(value)
		return err == nil || notNumber == nil // of seconds
	}
	return value == "true" || value == "false" || value == "1" || value == "0"
}
