package checkup

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// read asks for what the server tells of itself.
func (v *visitor) read(ctx context.Context) error {
	p := v.client.Pipeline()
	info := p.Info(ctx)
	server := p.Info(ctx, "server")
	config := []string{"appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy"}
	var settings []*redis.MapStringStringCmd
	for _, name := range config {
		settings = append(settings, p.ConfigGet(ctx, name))
	}
	birth := p.Get(ctx, engine.BirthKey)
	clock := p.Time(ctx)
	if _, err := p.Exec(ctx); err != nil && !isReply(err) && !errors.Is(err, redis.Nil) {
		return err
	}
	if info.Err() != nil {
		v.unread("info")
		v.info(server.Val()) // which the rule of a restart guard allows
	} else {
		v.info(info.Val())
	}
	got := make(map[string]string)
	for i, setting := range settings {
		if value, ok := setting.Val()[config[i]]; setting.Err() == nil && ok {
			got[config[i]] = value
		} else {
			v.unread("config|get")
		}
	}
	v.settings(got)
	if born, err := strconv.ParseFloat(birth.Val(), 64); birth.Err() == nil && err == nil && clock.Err() == nil {
		age := time.Duration(float64(clock.Val().UnixMilli())-born) * time.Millisecond
		v.DataAge = &age
	}
	return nil
}

// info reads the text of INFO.
func (v *visitor) info(text string) {
	fields := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":"); ok {
			fields[name] = value
		}
	}
	number := func(name string) (int64, bool) {
		n, err := strconv.ParseInt(fields[name], 10, 64)
		return n, err == nil && n >= 0
	}
	if version := fields["redis_version"]; version != "" {
		v.Version = clean(version)
	}
	if role := fields["role"]; role != "" {
		v.Role = clean(role)
	}
	if host := fields["master_host"]; host != "" {
		v.MasterAt = clean(host + ":" + fields["master_port"])
	}
	v.RunID = clean(fields["run_id"])
	if uptime, ok := number("uptime_in_seconds"); ok {
		d := time.Duration(min(uptime, int64(engine.MaxExpiration/time.Second))) * time.Second
		v.Uptime = &d
	}
	if connected, ok := number("connected_slaves"); ok {
		v.Replicas = int(connected)
	}
	if limit, ok := number("maxmemory"); ok {
		used, _ := number("used_memory")
		v.Memory = &Memory{Used: used, Max: limit, Policy: clean(fields["maxmemory_policy"])}
	}
	if aof, ok := number("aof_enabled"); ok {
		v.Persistence = &Persistence{AOF: aof == 1}
	}
	if fields["loading"] == "1" {
		v.Trouble = troubleOf(reply("LOADING Redis is loading the dataset in memory"), nil, 0) // in case it doesn't say so itself
	}
}

// settings reads the answers to CONFIG GET.
func (v *visitor) settings(got map[string]string) {
	if aof, ok := got["appendonly"]; ok && v.Persistence == nil {
		v.Persistence = &Persistence{AOF: aof == "yes"}
	}
	if p := v.Persistence; p != nil {
		save, known := got["save"]
		p.Fsync, p.Save, p.SaveKnown = clean(got["appendfsync"]), clean(save), known
	}
	if limit, err := strconv.ParseInt(got["maxmemory"], 10, 64); err == nil && v.Memory == nil {
		v.Memory = &Memory{Max: limit, Policy: clean(got["maxmemory-policy"])}
	}
}
