package report

import (
	"strings"
	"testing"
	"time"
)

func TestTableIsMarkdown(t *testing.T) {
	table := &Table{Head: []string{"fault", "times:"}}
	table.Add("SIGSTOP", 12)
	table.Add("ü", 3)
	const want = `| fault   | times |
| ------- | ----: |
| SIGSTOP |    12 |
| ü       |     3 |
`
	if got := table.String(); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
}

func TestQuantileIsOneOfTheMeasured(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, test := range []struct {
		q         float64
		durations []time.Duration
		want      time.Duration
	}{
		{0.5, hundred, 50}, {0.99, hundred, 99}, {1, hundred, 100}, {0, hundred, 1},
		{0.5, []time.Duration{7}, 7}, {0.99, []time.Duration{1, 2}, 2}, {0.5, nil, 0},
	} {
		if got := Quantile(test.q, test.durations); got != test.want {
			t.Errorf("Quantile(%v) of %d: %d, want %d", test.q, len(test.durations), got, test.want)
		}
	}
}

func TestMillisecondsAreReadable(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000 ms", 1234 * time.Nanosecond: "0.001 ms", 1234 * time.Microsecond: "1.2 ms", 1234 * time.Millisecond: "1234 ms",
	} {
		if got := Milliseconds(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestPlaceSaysWhatIsNeededToRunItAgain(t *testing.T) {
	text := Place(4711, [2]string{"duration", "1m"}).String()
	for _, want := range []string{"processor", "redis-server", "commit", "seed", "4711", "duration", "1m"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
