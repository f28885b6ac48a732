package scenario

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/mutexgen/mutexgen/bench/contest"
	"github.com/mutexgen/mutexgen/bench/contestant"
	"github.com/mutexgen/mutexgen/bench/redisserver"
	"github.com/mutexgen/mutexgen/bench/report"
)

const (
	// renewedExpiration is short, so that each lock is renewed several times.
	renewedExpiration = 3 * time.Second
	// renewedWorkers acquire and release the locks.
	renewedWorkers = 64
)

// renewedSample is what one slice of holding many renewed locks measured.
type renewedSample struct {
	// microseconds is the processor time that the client spent on one extension.
	microseconds float64
	// extensions is how often a lock was extended in a second.
	extensions float64
	goroutines int
	// bytes is the heap that one lock takes.
	bytes float64
	lost  int
}

func (s renewedSample) cpu() float64 { return s.microseconds }

// renewals is many locks that are renewed for a while. What their extensions cost is compared with as many extensions
// that the limit L2 sends as fast as it can.
func renewals(r *Run) (Result, error) {
	t := &report.Table{
		Name:  "renewal",
		Title: fmt.Sprintf("%s locks with an expiration of %v, renewed", report.Count(float64(r.Size.RenewedLocks)), renewedExpiration),
		Columns: []report.Column{
			report.Text("contestant"), report.Number("client CPU an extension, µs"), report.Number("× L2"), report.Number("in the rounds"),
			report.Number("extensions of a lock per s"), report.Number("client CPU a lock and s, µs"), report.Number("goroutines"), report.Number("bytes of heap a lock"),
			report.Number("lost"), report.Text("bar"), report.Text("result"),
		},
	}
	type renewing struct {
		name string
		kind report.Kind
		open func(contestant.Use) (contestant.Renewing, error)
	}
	all := []renewing{
		{pipelinesName, report.Limit, nil},
		{contestant.OursName, report.Us, contestant.OursRenewing},
		{contestant.RueidislockReadmeName, report.Peer, func(use contestant.Use) (contestant.Renewing, error) {
			return contestant.RueidislockRenewing(contestant.RueidislockReadme, use)
		}},
		{contestant.RueidislockDefaultName, report.Peer, func(use contestant.Use) (contestant.Renewing, error) {
			return contestant.RueidislockRenewing(contestant.RueidislockDefault, use)
		}},
	}
	keys := make([]string, r.Size.RenewedLocks)
	for i := range keys {
		keys[i] = fmt.Sprintf("session:%05d", i)
	}
	entrants := make([]contest.Entrant[renewedSample], len(all))
	for i, c := range all {
		entrants[i] = contest.Entrant[renewedSample]{Name: c.name, Slice: func(ctx context.Context) (renewedSample, error) {
			if c.open == nil {
				return r.renewByHand(ctx, keys)
			}
			return r.renew(ctx, keys, c.open)
		}}
		if c.kind == report.Peer {
			entrants[i].Rounds = (r.Size.Renewed.Rounds + 1) / 2
		}
	}
	limit := r.Size.Limit + r.Size.RenewedSettle + r.Size.Renewed.Time
	outcomes, err := contest.Run(r.Context, r.Size.Renewed.Rounds, limit, entrants)
	if err != nil {
		return Result{}, err
	}
	result := Result{Tables: []*report.Table{t}}
	base := outcomeOf(outcomes, pipelinesName)
	var entries []entry
	var ratios []contest.Figure
	for i, c := range all {
		entries = append(entries, entry{name: c.name, kind: c.kind})
		ratios = append(ratios, contest.Ratio(outcomes[i], base, renewedSample.cpu))
	}
	for i, c := range all {
		o := outcomes[i]
		median := func(figure func(renewedSample) float64) float64 { return contest.Of(o, figure).Median }
		bytes := median(func(s renewedSample) float64 { return s.bytes })
		goroutines := median(func(s renewedSample) float64 { return float64(s.goroutines) })
		most := 0
		for _, s := range o.Slices {
			most = max(most, s.lost)
		}
		lost := unknownIfNone(most, o)
		perSecond := median(func(s renewedSample) float64 { return s.microseconds * s.extensions })
		row := []string{c.name, report.Decimal(median(renewedSample.cpu), 2), report.Decimal(ratios[i].Median, 2),
			report.Range(ratios[i].Min, ratios[i].Max, 2), report.Decimal(median(func(s renewedSample) float64 { return s.extensions }), 2), report.Decimal(perSecond, 1)}
		if c.kind == report.Limit {
			row[4], row[5] = "–", "–"
		} else {
			row = append(row, report.Count(goroutines), report.Count(bytes), report.Count(lost))
		}
		if c.kind == report.Us {
			where := fmt.Sprintf("%s locks", report.Count(float64(r.Size.RenewedLocks)))
			bars := []report.Bar{
				report.AtMost(t.Name, where+", client CPU", 1.5, "× L2", ratios[i].Median),
				report.AtMost(t.Name, where, 16, "goroutines", goroutines),
				report.AtMost(t.Name, where, 600, "bytes of heap a lock", bytes),
				report.AtMost(t.Name, where, 0, "lost locks", lost),
			}
			bars[0].Peer = leastPeerFigure(entries, ratios)
			want, came := report.Cells(bars...)
			row = append(row, want, came)
			result.Bars = append(result.Bars, bars...)
		}
		t.Add(row...)
		if o.Err != nil {
			t.Note("%s: %v.", o.Name, o.Err)
		}
	}
	return result, nil
}

// renew holds the locks of a library for a while.
func (r *Run) renew(ctx context.Context, keys []string, open func(contestant.Use) (contestant.Renewing, error)) (renewedSample, error) {
	var s renewedSample
	servers, err := r.Fleet.Start(ctx, 1)
	if err != nil {
		return s, err
	}
	defer servers.Close()
	before := settledGoroutines(ctx)
	library, err := open(contestant.Use{Addrs: servers.Addrs(), Workers: renewedWorkers, Expiration: renewedExpiration})
	if err != nil {
		return s, err
	}
	defer library.Close()
	// The connection and what else is made only once doesn't count as a lock's.
	first, err := library.Hold(ctx, "first")
	if err != nil {
		return s, err
	}
	if err := first.Release(ctx); err != nil {
		return s, err
	}
	held := make([]contestant.Held, len(keys))
	heap := heapInUse()
	err = together(len(keys), func(i int) (err error) { held[i], err = library.Hold(ctx, keys[i]); return err })
	if err != nil {
		return s, err
	}
	contest.Pause(ctx, r.Size.RenewedSettle)
	s.goroutines = runtime.NumGoroutine() - before
	s.bytes = float64(heapInUse()-heap) / float64(len(keys))

	askedBefore, err := servers.Count(ctx)
	if err != nil {
		return s, err
	}
	cpu, start := processorTime(), time.Now()
	contest.Pause(ctx, r.Size.Renewed.Time)
	spent, took := processorTime()-cpu, time.Since(start)
	askedAfter, err := servers.Count(ctx)
	if err != nil {
		return s, err
	}
	extensions := expirationsWritten(askedAfter.Since(askedBefore, len(servers)))
	if extensions == 0 {
		return s, errors.New("no lock was extended")
	}
	s.microseconds = float64(spent) / float64(time.Microsecond) / float64(extensions)
	s.extensions = float64(extensions) / float64(len(keys)) / took.Seconds()

	standing, err := servers.Keys(ctx)
	if err != nil {
		return s, err
	}
	for _, h := range held {
		if h.Lost() {
			s.lost++
		}
	}
	s.lost = max(s.lost, len(keys)-len(standing))
	return s, together(len(held), func(i int) error { return held[i].Release(ctx) })
}

// renewByHand is the limit L2: as many extensions as the slice asks of the others, without a pause.
func (r *Run) renewByHand(ctx context.Context, keys []string) (renewedSample, error) {
	var s renewedSample
	servers, err := r.Fleet.Start(ctx, 1)
	if err != nil {
		return s, err
	}
	defer servers.Close()
	pipelines, err := contestant.OpenPipelines(contestant.Use{Addrs: servers.Addrs(), Workers: 1, Expiration: renewedExpiration})
	if err != nil {
		return s, err
	}
	defer pipelines.Close()
	each := func(do func(context.Context, []string) error) error {
		for from := 0; from < len(keys); from += contestant.PipelineSize {
			if err := do(ctx, keys[from:min(from+contestant.PipelineSize, len(keys))]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := each(pipelines.Set); err != nil {
		return s, err
	}
	if err := each(pipelines.Extend); err != nil { // until the client and the server have warmed up
		return s, err
	}
	times := max(1, int(3*r.Size.Renewed.Time/renewedExpiration))
	cpu := processorTime()
	for range times {
		if err := each(pipelines.Extend); err != nil {
			return s, err
		}
	}
	s.microseconds = float64(processorTime()-cpu) / float64(time.Microsecond) / float64(times*len(keys))
	return s, nil
}

// expirationsWritten counts the commands that give a key its expiration: nothing but extensions does while the locks are
// held. A script may extend many locks in one call, so that its calls say nothing.
func expirationsWritten(c redisserver.Count) int64 {
	return c["pexpire"] + c["pexpireat"] + c["expire"] + c["expireat"] + c["set"] + c["psetex"] + c["getex"]
}

// together runs f for 0 to n-1 in several goroutines.
func together(n int, f func(i int) error) error {
	errs := make([]error, renewedWorkers)
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = f(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// heapInUse is what is reachable on the heap.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one had finalized, and what pools kept over it
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// processorTime is what this process has used of the processors; its servers are other processes.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// leastPeerFigure is the peer with the smallest figure, as text.
func leastPeerFigure(entries []entry, figures []contest.Figure) string {
	values := make([]float64, len(figures))
	for i, f := range figures {
		values[i] = f.Median
	}
	return leastPeer(entries, values, 2)
}
