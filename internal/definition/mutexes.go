package definition

import (
	"fmt"
	"time"
)

// draft is a mutex on its way to being one, with the places that messages about it name.
type draft struct {
	Mutex
	// in holds the settings in force, the mutex's own and those of the defaults.
	in settings
	// key is the value of the field key; its Node is nil if there is none.
	key value
}

// at is where the field's value stands, in the mutex or in the defaults; where nobody gives one, the mutex's name.
func (d *draft) at(field string) Position {
	if s, ok := d.in[field]; ok {
		return s.entry.value.at
	}
	return d.Position
}

// sound says whether none of the fields has a wrong value.
func (d *draft) sound(fields ...string) bool {
	for _, field := range fields {
		if s, ok := d.in[field]; ok && s.content == nil {
			return false
		}
	}
	return true
}

func (p *parser) mutexes(items []value, defaults settings) []*draft {
	p.combined(nil, defaults) // what contradicts itself there does so also if no mutex relies on it
	builtIn := builtIns()
	var drafts []*draft
	for _, item := range items {
		p.unmerged = false
		entries, ok := p.fields(item, "a mutex")
		if !ok {
			continue
		}
		own := p.settings(p.known(entries, InMutex))
		d := &draft{Mutex: builtIn, in: p.combined(own, defaults)}
		d.Position = item.at
		if s, ok := own["name"]; ok {
			d.Position = s.entry.value.at
		} else if !p.unmerged {
			p.errorf(item.at, "for example name: NightlyReport", "a mutex without a name")
		}
		if !d.in.has(oneLocation) && !p.unmerged {
			p.errorf(d.Position, "give it url, servers or cluster, or put one of them in defaults",
				"a mutex without url, servers or cluster")
		}
		for i := range fields {
			if s, ok := d.in[fields[i].Name]; ok && s.content != nil && s.field.set != nil {
				s.field.set(&d.Mutex, s.content)
			}
		}
		if s, ok := own["key"]; ok {
			d.key = s.entry.value
		}
		p.times(d)
		p.holds(d, own)
		p.tokens(d, own)
		p.guard(d, own)
		p.replication(d)
		drafts = append(drafts, d)
	}
	p.names(drafts)
	claims := p.claims(drafts)
	p.sameKeys(claims)
	p.bookkeeping(claims)
	nameParameters(drafts)
	return drafts
}

// builtIns is a mutex of built-in defaults: those of the table of fields, and no others.
func builtIns() Mutex {
	var m Mutex
	for i := range fields {
		f := &fields[i]
		if f.Default == "" || f.set == nil {
			continue
		}
		if f.Kind == KeyTemplate {
			key, _ := parseKey(f.Default)
			f.set(&m, key)
			continue
		}
		tag := map[Kind]string{Switch: "!!bool", OnOff: "!!str", Count: "!!int", Fraction: "!!float"}[f.Kind]
		if content, _, err := scalar(f, f.Default, tag); err == nil {
			f.set(&m, content)
		}
	}
	return m
}

// combined are the settings in force. A field of a mutex replaces what the defaults say about it and about the others of
// its group, and so does a field that stands in the mapping itself with one of its group that a merge key brings.
func (p *parser) combined(own, defaults settings) settings {
	in := settings{}
	for _, level := range []settings{own, defaults} {
		for _, group := range []string{oneLocation, oneExpiration, oneWaiting} {
			p.one(group, level, in)
		}
		for name, s := range level {
			if _, ok := in[name]; !ok && s.field.OneOf == "" {
				in[name] = s
			}
		}
	}
	return in
}

// one puts the level's field of the group in force, unless another of the group is already; two in one level are an
// error.
func (p *parser) one(group string, level, in settings) {
	if in.has(group) {
		return
	}
	var first *setting
	for i := range fields {
		s, ok := level[fields[i].Name]
		switch {
		case !ok || s.field.OneOf != group:
		case first == nil || first.entry.merged && !s.entry.merged:
			if first != nil {
				delete(in, first.field.Name)
			}
			first = &s
			in[s.field.Name] = s
		case s.entry.merged && !first.entry.merged:
		default:
			a, b := first, &s
			if b.entry.at.compare(a.entry.at) < 0 {
				a, b = b, a
			}
			p.report(Finding{Position: b.entry.at,
				Message: fmt.Sprintf("%s stands beside %s; a mutex has one of them", b.field.Name, a.field.Name),
				Related: []Related{{Position: a.entry.at, Label: "the other one"}}})
		}
	}
}

// times checks what fields say about each other.
func (p *parser) times(d *draft) {
	_, given := d.in["retry_jitter"]
	switch {
	case !d.sound("retry_interval", "retry_jitter"):
	case !given:
		d.RetryJitter = min(d.RetryJitter, d.RetryInterval/2)
	case d.RetryJitter > d.RetryInterval:
		finding := Finding{Position: d.at("retry_jitter"), Message: fmt.Sprintf("retry_jitter is %v, more than retry_interval, "+
			"which is %v", d.RetryJitter, d.RetryInterval)}
		if _, ok := d.in["retry_interval"]; ok {
			finding.Related = []Related{{Position: d.at("retry_interval"), Label: "retry_interval"}}
		}
		p.report(finding)
	}
	if !d.sound("expiration", "expiration_in_seconds", "drift_factor", "node_timeout") {
		return
	}
	drift := time.Duration(float64(d.Expiration)*d.DriftFactor) + 2*time.Millisecond
	budget, which := d.NodeTimeout, "node_timeout"
	if budget == 0 {
		budget, which = defaultNodeTimeout(d.Expiration), "the default node_timeout"
	}
	var message, hint string
	switch {
	case drift >= d.Expiration:
		message = fmt.Sprintf("expiration %v is too short: the drift takes %v of it, and no validity is left", d.Expiration, drift)
		hint = "a longer expiration, or a smaller drift_factor"
	case drift+budget >= d.Expiration:
		message = fmt.Sprintf("expiration %v is too short for %s, which is %v, and a drift of %v", d.Expiration, which, budget,
			drift)
		hint = "a longer expiration, or a shorter node_timeout"
		if drift > budget {
			hint = "a longer expiration, or a smaller drift_factor"
		}
	default:
		return
	}
	finding := Finding{Message: message, Hint: hint}
	for _, field := range []string{"expiration", "expiration_in_seconds", "node_timeout", "drift_factor"} {
		s, ok := d.in[field]
		switch {
		case !ok:
		case finding.Position == (Position{}):
			finding.Position = s.entry.value.at
		default:
			finding.Related = append(finding.Related, Related{Position: s.entry.value.at, Label: field})
		}
	}
	p.report(finding)
}

// holds checks max_hold against what it limits. A max_hold that no lock ever reaches is an error, for whoever wrote it
// counts on it. Where renew is off it is of use to AcquireLock alone; in the defaults, and in what a merge key brings, that
// is nobody's mistake.
func (p *parser) holds(d *draft, own settings) {
	if d.MaxHold == 0 || !d.sound("max_hold", "renew", "expiration", "expiration_in_seconds") {
		return
	}
	s, ok := own["max_hold"]
	meant := ok && !s.entry.merged
	if !d.Renew {
		if !meant {
			return
		}
		p.report(Finding{Severity: Warning, Position: d.at("max_hold"),
			Message: "max_hold does not concern Synchronize, which renews no lock with renew: false",
			Related: []Related{{Position: d.at("renew"), Label: "renew"}},
			Hint:    "remove one of them, unless it is for AcquireLock with mutex.WithRenewal"})
	}
	if d.MaxHold > d.Expiration {
		return
	}
	finding := Finding{Position: d.at("max_hold"), Hint: "a shorter expiration, for renewal makes a lock outlast it, or a longer max_hold"}
	whose := "the default expiration"
	for _, field := range []string{"expiration", "expiration_in_seconds"} {
		s, ok := d.in[field]
		if !ok {
			continue
		}
		whose = "its expiration"
		other := Related{Position: s.entry.value.at, Label: field}
		if _, its := own[field]; its && !meant { // each mutex that the defaults don't suit is a finding of its own
			other, finding.Position = Related{Position: finding.Position, Label: "max_hold"}, other.Position
		}
		finding.Related = append(finding.Related, other)
	}
	finding.Message = fmt.Sprintf("max_hold is %v, but a lock lasts for %s anyway, which is %v", d.MaxHold, whose, d.Expiration)
	p.report(finding)
}

// defaultNodeTimeout is 5 % of the expiration within 10 ms and 1 s, but never above half of the expiration.
func defaultNodeTimeout(expiration time.Duration) time.Duration {
	return min(max(expiration/20, 10*time.Millisecond), time.Second, expiration/2)
}
