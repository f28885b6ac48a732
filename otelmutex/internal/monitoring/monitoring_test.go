// Package monitoring keeps what docs says about metrics true: the dashboard, the alerts and the page about them. It is a
// module of its own because it reads queries with Prometheus's parser.
package monitoring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace/noop"
	"gopkg.in/yaml.v3"

	"github.com/mutexgen/mutexgen/mutex"
	"github.com/mutexgen/mutexgen/otelmutex"
)

const docs = "../../../docs/"

// exported is what otelmutex exports: the series' names and their labels as Prometheus gets them, by way of the exporter,
// and the metrics as OpenTelemetry has them. Under a name and a label, with a space between, are the label's values.
func exported(t *testing.T) (map[string][]string, []metricdata.Metrics) {
	t.Helper()
	registry, reader := prometheus.NewRegistry(), sdkmetric.NewManualReader()
	export, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := otelmutex.NewTrace(
		otelmutex.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(export), sdkmetric.WithReader(reader))),
		otelmutex.WithTracerProvider(noop.NewTracerProvider()),
	)
	if err != nil {
		t.Fatal(err)
	}
	trace.NodeOpened("node")
	trace.Acquired(t.Context(), mutex.Event{Mutex: "Report", Waited: time.Second})
	trace.Released(t.Context(), mutex.Event{Mutex: "Report", Held: time.Second})

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string][]string)
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "mutex_") {
			continue
		}
		var names []string
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if !slices.Contains(names, pair.GetName()) {
					names = append(names, pair.GetName())
				}
				values := family.GetName() + " " + pair.GetName()
				series[values] = append(series[values], pair.GetValue())
			}
			for _, bucket := range metric.GetHistogram().GetBucket() {
				of := family.GetName() + "_bucket le"
				series[of] = append(series[of], strconv.FormatFloat(bucket.GetUpperBound(), 'g', -1, 64))
			}
			if metric.GetHistogram() != nil {
				series[family.GetName()+"_bucket"] = append(slices.Clone(names), "le")
				series[family.GetName()+"_count"], series[family.GetName()+"_sum"] = names, names
			} else {
				series[family.GetName()] = names
			}
		}
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	if len(series) < 10 || len(all.ScopeMetrics) != 1 {
		t.Fatalf("exported are %v; want all of otelmutex", series)
	}
	return series, all.ScopeMetrics[0].Metrics
}

// checkQuery checks that Prometheus can read a query, and that whatever it selects or groups by is exported.
func checkQuery(t *testing.T, where, query string, series map[string][]string) (selected []string) {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return nil
	}
	var known []string
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is {
			names, found := series[selector.Name]
			if !found {
				t.Errorf("%s: there is no metric %s", where, selector.Name)
			}
			for _, matcher := range selector.LabelMatchers {
				if matcher.Name != "__name__" && !slices.Contains(names, matcher.Name) {
					t.Errorf("%s: %s has no label %s; it has %v", where, selector.Name, matcher.Name, names)
				}
				if bounds := series[selector.Name+" le"]; matcher.Name == "le" && !slices.ContainsFunc(bounds, matcher.Matches) {
					t.Errorf("%s: no bucket has %s; they end at %v", where, matcher, bounds)
				}
				if matcher.Name == "mutex_outcome" && !slices.ContainsFunc(series[selector.Name+" mutex_outcome"], matcher.Matches) {
					t.Errorf("%s: no outcome of %s is %s", where, selector.Name, matcher)
				}
			}
			selected, known = append(selected, selector.Name), append(known, names...)
		}
		return nil
	})
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if aggregate, is := node.(*parser.AggregateExpr); is {
			for _, label := range aggregate.Grouping {
				if !slices.Contains(known, label) {
					t.Errorf("%s: it groups by %s, which none of %v has", where, label, selected)
				}
			}
		}
		return nil
	})
	if len(selected) == 0 {
		t.Errorf("%s: it asks for no metric", where)
	}
	return selected
}

// dashboard is what of Grafana's file is looked at.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
	Panels []struct {
		ID          int
		Title, Type string
		Description string
		Datasource  datasource
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct {
			RefID, Expr, LegendFormat string
			Datasource                datasource
		}
	}
}

type datasource struct{ Type, UID string }

func TestTheDashboardShowsWhatIsExported(t *testing.T) {
	series, _ := exported(t)
	file, err := os.ReadFile(docs + "grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(file, &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || d.SchemaVersion != 42 {
		t.Errorf("title %q, uid %q, schema %d; want all, and schema 42, the last of its kind", d.Title, d.UID, d.SchemaVersion)
	}
	variables := make(map[string]string)
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type + " " + v.Definition
	}
	want := map[string]string{"datasource": "datasource ", "mutex": "query label_values(mutex_acquisitions_total, mutex_name)"}
	if !maps.Equal(variables, want) {
		t.Errorf("the variables are %v; want %v", variables, want)
	}

	variable := strings.NewReplacer("$__rate_interval", "5m", "$mutex", "Report|Other")
	shown := make(map[string]bool)
	taken := make(map[[2]int]string)
	ids := make(map[int]bool)
	for _, panel := range d.Panels {
		if panel.Title == "" || panel.Description == "" || len(panel.Targets) == 0 || ids[panel.ID] {
			t.Errorf("panel %d %q: it needs a title, a description, queries, and an id of its own", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies upon %q, or outside", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
		for _, target := range panel.Targets {
			where := fmt.Sprintf("panel %q, query %s", panel.Title, target.RefID)
			if source := (datasource{"prometheus", "${datasource}"}); panel.Datasource != source || target.Datasource != source {
				t.Errorf("%s: it is not of the data source that was chosen", where)
			}
			for _, name := range checkQuery(t, where, variable.Replace(target.Expr), series) {
				shown[name] = true
				if !strings.HasPrefix(name, "mutex_node_") && !strings.Contains(target.Expr, `mutex_name=~"$mutex"`) {
					t.Errorf("%s: it is not about the mutexes that were chosen", where)
				}
			}
		}
	}
	for name := range series {
		if !shown[name] && !strings.Contains(name, " ") && !strings.HasSuffix(name, "_sum") && name != "mutex_hold_duration_seconds_count" {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// alerts is a file of rules. Fields that Prometheus doesn't know are errors, as they are to it.
type alerts struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readAlerts(t *testing.T) alerts {
	t.Helper()
	file, err := os.ReadFile(docs + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	decoder.KnownFields(true)
	var a alerts
	if err := decoder.Decode(&a); err != nil {
		t.Fatal(err)
	}
	if err := decoder.Decode(new(alerts)); !errors.Is(err, io.EOF) {
		t.Errorf("after the rules comes more: %v", err)
	}
	return a
}

func TestTheAlertsAreAboutWhatIsExported(t *testing.T) {
	series, _ := exported(t)
	n := 0
	for _, group := range readAlerts(t).Groups {
		for _, rule := range group.Rules {
			n++
			checkQuery(t, rule.Alert, rule.Expr, series)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s: it needs a severity, a summary and a description", rule.Alert)
			}
			if _, err := time.ParseDuration(rule.For); rule.For != "" && err != nil {
				t.Errorf("%s: for: %v", rule.Alert, err)
			}
			for _, text := range rule.Annotations {
				for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
					if !strings.Contains(rule.Expr, "("+label[1]) {
						t.Errorf("%s: its text names the label %s, by which it doesn't group", rule.Alert, label[1])
					}
				}
			}
		}
	}
	if n < 6 {
		t.Errorf("there are %d alerts; want those on losses, quorum, nodes, waits, renewals and holds", n)
	}
}

func TestThePageTellsOfEveryMetricAndAlert(t *testing.T) {
	series, metrics := exported(t)
	file, err := os.ReadFile(docs + "observability.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(file), "\r\n", "\n")
	for _, metric := range metrics {
		kind, attributes := "", []string(nil)
		switch d := metric.Data.(type) {
		case metricdata.Sum[int64]:
			kind = "up-down counter"
			if d.IsMonotonic {
				kind = "counter"
			}
			attributes = attributesOf(d.DataPoints)
		case metricdata.Gauge[int64]:
			kind, attributes = "gauge", attributesOf(d.DataPoints)
		case metricdata.Histogram[float64]:
			kind, attributes = "histogram", []string{"`mutex.name`"}
		}
		row := fmt.Sprintf("| `%s` | %s | `%s` | %s | ", metric.Name, kind, metric.Unit, strings.Join(attributes, ", "))
		if !strings.Contains(page, "\n"+row) {
			t.Errorf("the page lacks a row that begins with\n%s", row)
		}
	}
	for _, name := range regexp.MustCompile(`\bmutex_\w+`).FindAllString(page, -1) {
		_, found := series[name]
		_, histogram := series[name+"_bucket"]
		if isLabel := name == "mutex_name" || name == "mutex_outcome" || name == "mutex_node"; !found && !histogram && !isLabel {
			t.Errorf("the page names %s, which is not exported", name)
		}
	}
	for _, group := range readAlerts(t).Groups {
		for _, rule := range group.Rules {
			if !strings.Contains(page, "\n### "+rule.Alert+"\n") {
				t.Errorf("the page does not tell what to do when %s fires", rule.Alert)
			}
		}
	}
	for _, outcome := range outcomes(metrics) {
		if !strings.Contains(page, "`"+outcome+"`") {
			t.Errorf("the page does not tell of the outcome %s", outcome)
		}
	}
}

func attributesOf(points []metricdata.DataPoint[int64]) []string {
	var names []string
	for _, a := range points[0].Attributes.ToSlice() {
		names = append(names, "`"+string(a.Key)+"`")
	}
	return names
}

func outcomes(metrics []metricdata.Metrics) []string {
	found := make(map[string]bool)
	for _, metric := range metrics {
		if d, is := metric.Data.(metricdata.Sum[int64]); is {
			for _, point := range d.DataPoints {
				if outcome, has := point.Attributes.Value("mutex.outcome"); has {
					found[outcome.AsString()] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestTheCodeOfThePageIsThatOfTheExamples takes its word for it that it compiles.
func TestTheCodeOfThePageIsThatOfTheExamples(t *testing.T) {
	page, err := os.ReadFile(docs + "observability.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("../../example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := undented(string(examples))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(strings.ReplaceAll(string(page), "\r\n", "\n"), -1)
	if len(blocks) < 3 {
		t.Errorf("the page has %d pieces of Go; want three at least", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(code, undented(block[1])) {
			t.Errorf("no example has this code:\n%s", block[1])
		}
	}
}

// undented is code without the white space that its lines begin with.
func undented(code string) string {
	lines := strings.Split(strings.ReplaceAll(code, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t ")
	}
	return strings.Join(lines, "\n")
}
