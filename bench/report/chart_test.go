package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
)

var sample = Chart{
	Name: "throughput", Title: "Locks per second", XLabel: "goroutines", YLabel: "per second",
	Series: []Series{
		{"L2: pipelines", Limit, 0, []Point{{1, 20_000}, {64, 240_000}, {512, 300_000}}},
		{"redsync", Peer, 1, []Point{{1, 8_000}, {64, 30_000}, {512, 25_000}}},
		{"mutexgen", Us, 0, []Point{{1, 9_000}, {64, 250_000}, {512, 310_000}}},
	},
}

// drawing is what an SVG file consists of.
type drawing struct {
	texts    []string
	elements []xml.StartElement
}

func parse(t *testing.T, svg string) drawing {
	t.Helper()
	var d drawing
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return d
		}
		if err != nil {
			t.Fatalf("no well-formed XML: %v\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			d.elements = append(d.elements, e.Copy())
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				d.texts = append(d.texts, text)
			}
		}
	}
}

func (d drawing) attributes(element, attribute string) (values []string) {
	for _, e := range d.elements {
		for _, a := range e.Attr {
			if e.Name.Local == element && a.Name.Local == attribute {
				values = append(values, a.Value)
			}
		}
	}
	return values
}

func (d drawing) says(text string) bool {
	for _, t := range d.texts {
		if t == text {
			return true
		}
	}
	return false
}

func TestAChartNamesWhatItShows(t *testing.T) {
	d := parse(t, sample.SVG())
	for _, text := range []string{"Locks per second", "goroutines", "per second", "L2: pipelines", "redsync", "mutexgen", "1", "64", "512", "0", "300,000"} {
		if !d.says(text) {
			t.Errorf("no text %q among %q", text, d.texts)
		}
	}
	if lines := d.attributes("polyline", "points"); len(lines) != 3 {
		t.Errorf("%d lines", len(lines))
	}
	if first, second := sample.SVG(), sample.SVG(); first != second {
		t.Error("two drawings of the same chart differ")
	}
}

func TestDoublingIsTheSameDistanceEverywhere(t *testing.T) {
	chart := Chart{Series: []Series{{"a", Us, 0, []Point{{1, 0}, {2, 50}, {4, 100}, {8, 100}}}}}
	points := strings.Fields(parse(t, chart.SVG()).attributes("polyline", "points")[0])
	var x, y [4]float64
	for i, point := range points {
		if _, err := fmt.Sscanf(point, "%f,%f", &x[i], &y[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := 2; i < 4; i++ {
		if math.Abs((x[i]-x[i-1])-(x[1]-x[0])) > 0.2 {
			t.Errorf("x = %v", x)
		}
	}
	if y[0] != plotBottom || y[1] >= y[0] || math.Abs((y[0]-y[1])-(y[1]-y[2])) > 0.2 || y[2] != y[3] {
		t.Errorf("y = %v", y)
	}
}

func TestNothingIsDrawnOutsideTheDrawing(t *testing.T) {
	for name, points := range map[string][]Point{
		"nothing":     nil,
		"negative":    {{1, -5}, {2, 5}},
		"one point":   {{1, 5}},
		"zeros":       {{1, 0}, {2, 0}},
		"small":       {{1, 0.001}, {2, 0.002}},
		"huge":        {{1, 1e12}, {1 << 20, 3}},
		"no numbers":  {{1, math.NaN()}, {2, math.Inf(1)}, {0, 3}, {-1, 3}, {math.NaN(), 3}, {math.Inf(1), 3}, {4, 7}},
		"odd numbers": {{3, 10}, {5, 20}, {7, 15}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, logY := range []bool{false, true} {
				insideTheDrawing(t, Chart{LogY: logY, Series: []Series{{"a", Us, 0, points}, {"b", Peer, -1, points}, {"c", Limit, 0, points}}})
			}
		})
	}
}

func insideTheDrawing(t *testing.T, chart Chart) {
	t.Helper()
	svg := chart.SVG()
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("something that is no number was drawn")
	}
	d := parse(t, svg)
	for _, points := range d.attributes("polyline", "points") {
		for _, point := range strings.Fields(points) {
			var x, y float64
			if _, err := fmt.Sscanf(point, "%f,%f", &x, &y); err != nil {
				t.Fatal(err)
			}
			if x < plotLeft || x > plotRight || y < plotTop || y > plotBottom {
				t.Errorf("a point at %s", point)
			}
		}
	}
	for _, attribute := range []string{"y1", "y2"} {
		for _, y := range d.attributes("line", attribute) {
			if value, err := strconv.ParseFloat(y, 64); err != nil || value < 0 || value > chartHeight {
				t.Errorf("a line at %s", y)
			}
		}
	}
}

func TestHostileNamesAreText(t *testing.T) {
	const name = `</text><script>alert("x")</script>&"'`
	chart := Chart{Title: name, XLabel: name, YLabel: name, Series: []Series{{name, Peer, 100, []Point{{1, 1}}}}}
	d := parse(t, chart.SVG())
	if len(d.attributes("script", "")) != 0 || !d.says(name) {
		t.Errorf("the name became %q", d.texts)
	}
	for _, e := range d.elements {
		if e.Name.Local == "script" {
			t.Error("a script got in")
		}
	}
}

func TestTicksAreRoundNumbers(t *testing.T) {
	for _, c := range []struct{ height, want float64 }{
		{0, 1}, {-1, 1}, {math.NaN(), 1}, {1, 0.2}, {9, 1}, {100, 20}, {310_000, 50_000}, {850, 100}, {1.7, 0.2},
	} {
		if got := niceStep(c.height); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("for %v the step is %v, want %v", c.height, got, c.want)
		}
	}
}

func TestLogarithmicTicksEncloseTheValues(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{7_000, 310_000, "[5000 10000 20000 50000 100000 200000 500000]"},
		{10, 20, "[10 20]"},
		{10, 10, "[10 20]"},
		{0.03, 0.5, "[0.02 0.05 0.1 0.2 0.5]"},
	} {
		if got := fmt.Sprint(logTicks(c.least, c.most)); got != c.want {
			t.Errorf("from %v to %v: %s, want %s", c.least, c.most, got, c.want)
		}
	}
}

func TestAPeerLooksTheSameInEveryChart(t *testing.T) {
	alone := Chart{Series: []Series{sample.Series[1]}}
	if a, b := alone.drawn()[0], sample.drawn()[2]; a.Name != b.Name || a.colour != b.colour || a.marker != b.marker {
		t.Errorf("%+v and %+v", a, b)
	}
}

func TestOursIsFirstInTheLegend(t *testing.T) {
	var names []string
	for _, s := range sample.drawn() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ", "); got != "mutexgen, L2: pipelines, redsync" {
		t.Errorf("the legend is %s", got)
	}
}
