package templates

import (
	"math"
	"testing"
	"time"
)

func TestDurationsReadAsAPersonWritesThem(t *testing.T) {
	for _, c := range []struct {
		d          time.Duration
		code, text string
	}{
		{0, "0", "0s"},
		{time.Nanosecond, "1 * time.Nanosecond", "1ns"},
		{1500 * time.Nanosecond, "1500 * time.Nanosecond", "1.5µs"},
		{time.Microsecond, "time.Microsecond", "1µs"},
		{200 * time.Millisecond, "200 * time.Millisecond", "200ms"},
		{time.Second, "time.Second", "1s"},
		{1500 * time.Millisecond, "1500 * time.Millisecond", "1.5s"},
		{90 * time.Second, "90 * time.Second", "1m30s"},
		{time.Minute, "time.Minute", "1m"},
		{10 * time.Minute, "10 * time.Minute", "10m"},
		{90 * time.Minute, "90 * time.Minute", "1h30m"},
		{time.Hour, "time.Hour", "1h"},
		{time.Hour + time.Second, "3601 * time.Second", "1h0m1s"},
		{10 * time.Hour, "10 * time.Hour", "10h"},
		{36 * time.Hour, "36 * time.Hour", "36h"},
		{-time.Second, "-1 * time.Second", "-1s"},
		{math.MaxInt64, "9223372036854775807 * time.Nanosecond", "2562047h47m16.854775807s"},
	} {
		if got := durationCode(c.d).GoString(); got != c.code {
			t.Errorf("the code for %v is %s, not %s", c.d, got, c.code)
		}
		if got := durationText(c.d); got != c.text {
			t.Errorf("the text for %v is %s, not %s", c.d, got, c.text)
		}
	}
}
