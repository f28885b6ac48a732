package report

import (
	"math"
	"strconv"
)

// Count writes a whole number with its thousands apart.
func Count(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	digits := strconv.FormatFloat(math.Abs(math.Round(x)), 'f', 0, 64)
	var b []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, digits[i])
	}
	if math.Round(x) < 0 {
		return "-" + string(b)
	}
	return string(b)
}

// Decimal writes a number with so many digits behind the point.
func Decimal(x float64, digits int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// Range writes two numbers, from and to.
func Range(from, to float64, digits int) string {
	if math.IsNaN(from) || math.IsNaN(to) {
		return "–"
	}
	return Decimal(from, digits) + "–" + Decimal(to, digits)
}
