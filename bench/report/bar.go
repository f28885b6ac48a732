package report

import (
	"math"
	"strconv"
	"strings"
)

// Bar is what this library has to reach in a scenario.
type Bar struct {
	// Scenario and Measure say what is measured, for the list of all bars.
	Scenario string
	Measure  string
	// Want is the bar; Least says that the measured value must be no less, otherwise no more.
	Want  float64
	Least bool
	// Unit follows the numbers.
	Unit string
	// Short goes before the bar in the cell of a table that shows several with the same unit.
	Short string
	// Got is the measured value, NaN if there is none.
	Got float64
	// Peer is what the best of the others reached, if any can be compared.
	Peer string
}

// AtLeast and AtMost are bars.
func AtLeast(scenario, measure string, want float64, unit string, got float64) Bar {
	return Bar{Scenario: scenario, Measure: measure, Want: want, Least: true, Unit: unit, Got: got}
}

func AtMost(scenario, measure string, want float64, unit string, got float64) Bar {
	return Bar{Scenario: scenario, Measure: measure, Want: want, Unit: unit, Got: got}
}

// Reached says whether the value, as it is shown, is good enough. What could not be measured is not.
func (b Bar) Reached() bool {
	got, err := strconv.ParseFloat(b.shown(), 64)
	if err != nil {
		return false
	}
	return b.Least && got >= b.Want || !b.Least && got <= b.Want
}

// shown is the value in two digits behind the point, rounded against us, so that no bar is reached by rounding.
func (b Bar) shown() string {
	switch {
	case math.IsNaN(b.Got) || math.IsInf(b.Got, 0):
		return "?"
	case b.Least:
		return trim(math.Floor(b.Got*100+1e-9) / 100)
	default:
		return trim(math.Ceil(b.Got*100-1e-9) / 100)
	}
}

func trim(x float64) string { return strconv.FormatFloat(x+0, 'f', -1, 64) } // +0, for there is a -0

// Text is the bar itself.
func (b Bar) Text() string {
	switch {
	case b.Least:
		return strings.TrimSpace("≥ " + trim(b.Want) + " " + b.Unit)
	case b.Want == 0:
		return "no " + b.Unit
	default:
		return strings.TrimSpace("≤ " + trim(b.Want) + " " + b.Unit)
	}
}

// Value is the measured value with its unit.
func (b Bar) Value() string { return strings.TrimSpace(b.shown() + " " + b.Unit) }

// Verdict is one word.
func (b Bar) Verdict() string {
	if b.Reached() {
		return "reached"
	}
	return "missed"
}

// Cells are the bars of one row of a table: what was wanted, and what came of it.
func Cells(bars ...Bar) (want, result string) {
	var wants, missed []string
	for _, b := range bars {
		wants = append(wants, strings.TrimSpace(b.Short+" "+b.Text()))
		if !b.Reached() {
			missed = append(missed, strings.TrimSpace(b.Short+" "+b.Value()))
		}
	}
	result = "reached"
	if len(missed) > 0 {
		result = "missed: " + strings.Join(missed, ", ")
	}
	return strings.Join(wants, ", "), result
}

// Bars is the table of all bars.
func Bars(bars []Bar) *Table {
	t := &Table{
		Name: "bars", Title: "All bars",
		Columns: []Column{Text("scenario"), Text("measure"), Text("bar"), Number("this library"), Text("best peer"), Text("result")},
	}
	for _, b := range bars {
		t.Add(b.Scenario, b.Measure, b.Text(), b.Value(), b.Peer, b.Verdict())
	}
	return t
}
