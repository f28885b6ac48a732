package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Chart is a line chart over a doubling x: goroutines, waiters. It is drawn as SVG.
type Chart struct {
	// Name is the file's, without .svg.
	Name   string
	Title  string
	XLabel string
	YLabel string
	// LogY gives every doubling of y the same height, too; zeros are left out then.
	LogY   bool
	Series []Series
}

// Series is one line of a chart.
type Series struct {
	Name string
	Kind Kind
	// Style is which of the colours and markers a peer has, so that it has the same in every chart.
	Style int
	// Points are in the order of x. Those without a finite y are left out.
	Points []Point
}

// Point is one measurement. X is positive.
type Point struct{ X, Y float64 }

// Kind says what a line stands for, and so how it is drawn.
type Kind int

const (
	// Peer is a library that is compared with ours.
	Peer Kind = iota
	// Us is our own library.
	Us
	// Limit is no lock, but what could be reached at best.
	Limit
)

// The drawing's measures, in pixels.
const (
	chartWidth, chartHeight = 960, 480
	plotLeft, plotTop       = 100, 56
	plotRight, plotBottom   = 660, 416
	legendLeft              = 684
	legendLine              = 25
)

// The colours stand out from a light and from a dark panel.
var (
	peerColours  = []string{"#1c7ed6", "#2f9e44", "#9c36b5", "#0c9aa8", "#b8860b", "#c2255c", "#7a6ff0", "#5c940d"}
	usColour     = "#f76707"
	limitColour  = "#868e96"
	limitDashes  = []string{"7 4", "2 3", "10 3 2 3"}
	markerShapes = []string{
		"M-3.5 -3.5h7v7h-7z",
		"M0 -4.6L4.4 3.4H-4.4z",
		"M0 -4.8L4.8 0L0 4.8L-4.8 0z",
		"M0 4.6L4.4 -3.4H-4.4z",
		"M-1.4 -4.5h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1v-2.8h3.1z",
	}
	usMarker = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"
)

// style gives the drawing a panel of its own, so that it is legible whatever page it stands on, and lets that follow the
// reader's preference.
const style = `
  .panel { fill: #ffffff; stroke: #d0d7de } .ink { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d8dee4 }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
  .title { font-size: 15px; font-weight: 600 } .us { font-weight: 600 } .line { fill: none; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .panel { fill: #161b22; stroke: #30363d } .ink { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #2a3038 }
  }
`

// SVG draws the chart. The same chart is always drawn the same.
func (c Chart) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		chartWidth, chartHeight, chartWidth, chartHeight, escape(c.Title))
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", escape(c.Title), style)
	fmt.Fprintf(&b, `<rect class="panel" x="0.5" y="0.5" width="%d" height="%d" rx="6"/>`+"\n", chartWidth-1, chartHeight-1)
	fmt.Fprintf(&b, `<text class="ink title" x="%d" y="30">%s</text>`+"\n", plotLeft, escape(c.Title))
	p := c.plot()
	p.grid(&b, c)
	drawn := c.drawn()
	for _, s := range slices.Backward(drawn) { // ours on top
		p.line(&b, s)
	}
	legend(&b, drawn)
	b.WriteString("</svg>\n")
	return b.String()
}

// drawnSeries is a series with what tells it apart.
type drawnSeries struct {
	Series
	colour, dash, marker string
	width                float64
}

// drawn are the series as they appear in the legend: ours, then by their last and mostly highest points.
func (c Chart) drawn() []drawnSeries {
	var all []drawnSeries
	limits := 0
	for _, s := range c.Series {
		s.Points = slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool {
			return !(p.X > 0) || math.IsInf(p.X, 0) || math.IsNaN(p.Y) || math.IsInf(p.Y, 0) || p.Y < 0 || c.LogY && p.Y == 0
		})
		d := drawnSeries{Series: s, width: 2}
		switch s.Kind {
		case Us:
			d.colour, d.marker, d.width = usColour, usMarker, 3.2
		case Limit:
			d.colour, d.dash = limitColour, limitDashes[limits%len(limitDashes)]
			limits++
		default:
			style := max(s.Style, 0)
			d.colour, d.marker = peerColours[style%len(peerColours)], markerShapes[style%len(markerShapes)]
		}
		if len(s.Points) > 0 {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b drawnSeries) int {
		if (a.Kind == Us) != (b.Kind == Us) {
			return map[bool]int{true: -1, false: 1}[a.Kind == Us]
		}
		return cmp.Compare(b.Points[len(b.Points)-1].Y, a.Points[len(a.Points)-1].Y)
	})
	return all
}

// plot maps values to pixels.
type plot struct {
	minX, maxX float64 // logarithms to base 2
	minY, maxY float64 // logarithms to base 2, or the values
	logY       bool
	ticks      []float64 // of y, in its values, from the lowest to the highest
	digits     int       // of the ticks, behind the point
}

func (c Chart) plot() plot {
	p := plot{minX: math.Inf(1), maxX: math.Inf(-1), logY: c.LogY}
	least, most := math.Inf(1), 0.0
	for _, s := range c.drawn() {
		for _, point := range s.Points {
			p.minX, p.maxX = min(p.minX, math.Log2(point.X)), max(p.maxX, math.Log2(point.X))
			least, most = min(least, point.Y), max(most, point.Y)
		}
	}
	if p.minX >= p.maxX { // one x, or none
		p.minX, p.maxX = min(p.minX, 0), max(p.maxX, 1)
	}
	if c.LogY {
		if most == 0 { // nothing to draw
			least, most = 1, 10
		}
		p.ticks = logTicks(least, most)
	} else {
		step := niceStep(most)
		for i := 0.0; i == 0 || (i-1)*step < most*0.9999; i++ {
			p.ticks = append(p.ticks, i*step)
		}
		if len(p.ticks) == 1 {
			p.ticks = append(p.ticks, step)
		}
		p.digits = max(0, int(math.Ceil(-math.Log10(step))))
	}
	p.minY, p.maxY = p.scale(p.ticks[0]), p.scale(p.ticks[len(p.ticks)-1])
	return p
}

// logTicks are 1, 2 and 5 times powers of ten, from no more than least to no less than most.
func logTicks(least, most float64) []float64 {
	var ticks []float64
	for power := math.Floor(math.Log10(least)); ; power++ {
		for _, factor := range []float64{1, 2, 5} {
			tick := factor * math.Pow(10, power)
			if tick <= least {
				ticks = ticks[:0] // a nearer one to begin with
			}
			ticks = append(ticks, tick)
			if tick >= most && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

// niceStep is 1, 2 or 5 times a power of ten, and fits four to nine times into the height.
func niceStep(height float64) float64 {
	if !(height > 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(height)))
	for _, factor := range []float64{0.2, 0.5, 1, 2} {
		if step := power * factor; height/step <= 9 {
			return step
		}
	}
	return power * 2
}

func (p plot) x(x float64) float64 {
	return plotLeft + (math.Log2(x)-p.minX)/(p.maxX-p.minX)*(plotRight-plotLeft)
}

func (p plot) y(y float64) float64 {
	return plotBottom - (p.scale(y)-p.minY)/(p.maxY-p.minY)*(plotBottom-plotTop)
}

func (p plot) scale(y float64) float64 {
	if p.logY {
		return math.Log2(y)
	}
	return y
}

func (p plot) grid(b *strings.Builder, c Chart) {
	for _, value := range p.ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+"\n", plotLeft, plotRight, p.y(value), p.y(value))
		fmt.Fprintf(b, `<text class="faint" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-8, p.y(value)+4.5, p.tick(value))
	}
	for power := math.Ceil(p.minX); power <= p.maxX; power++ {
		x := p.x(math.Exp2(power))
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x, x, plotBottom, plotBottom+5)
		fmt.Fprintf(b, `<text class="faint" x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", x, plotBottom+20, math.Exp2(power))
	}
	fmt.Fprintf(b, `<text class="ink" x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+44, escape(c.XLabel))
	fmt.Fprintf(b, `<text class="ink" transform="translate(22 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		(plotTop+plotBottom)/2, escape(c.YLabel))
}

// tick is a number of the y axis.
func (p plot) tick(value float64) string {
	switch {
	case p.logY && value < 1:
		return Decimal(value, int(math.Ceil(-math.Log10(value))))
	case p.digits > 0:
		return Decimal(value, p.digits)
	}
	return Count(value)
}

func (p plot) line(b *strings.Builder, s drawnSeries) {
	var points []string
	for _, point := range s.Points {
		points = append(points, fmt.Sprintf("%.1f,%.1f", p.x(point.X), p.y(point.Y)))
	}
	fmt.Fprintf(b, "<g>\n<title>%s</title>\n", escape(s.Name))
	fmt.Fprintf(b, `<polyline class="line" points="%s" stroke="%s" stroke-width="%g"%s/>`+"\n", strings.Join(points, " "), s.colour, s.width, s.dashes())
	if s.marker != "" {
		for _, point := range s.Points {
			fmt.Fprintf(b, `<path d="%s" fill="%s" transform="translate(%.1f %.1f)"/>`+"\n", s.marker, s.colour, p.x(point.X), p.y(point.Y))
		}
	}
	b.WriteString("</g>\n")
}

func (s drawnSeries) dashes() string {
	if s.dash == "" {
		return ""
	}
	return fmt.Sprintf(` stroke-dasharray="%s"`, s.dash)
}

func legend(b *strings.Builder, all []drawnSeries) {
	for i, s := range all {
		y := plotTop + 8 + i*legendLine
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="%g"%s/>`+"\n",
			legendLeft, legendLeft+28, y, y, s.colour, s.width, s.dashes())
		if s.marker != "" {
			fmt.Fprintf(b, `<path d="%s" fill="%s" transform="translate(%d %d)"/>`+"\n", s.marker, s.colour, legendLeft+14, y)
		}
		class := "ink"
		if s.Kind == Us {
			class = "ink us"
		}
		fmt.Fprintf(b, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, legendLeft+36, y+5, escape(s.Name))
	}
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder never fails
	return b.String()
}
