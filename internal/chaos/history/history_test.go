package history

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// held is a hold of key "k" with the other times given: asked, got and end.
func held(worker int, token, asked, got, end int64) Hold {
	return Hold{Worker: worker, Mutex: "Fenced", Key: "k", Token: token, Asked: asked, Got: got, End: end}
}

func fenced(mutex string) bool { return mutex == "Fenced" }

// What a correct lock may bring about, and what it must not.
func TestJudgesFindWhatIsWrongAndNothingElse(t *testing.T) {
	tests := map[string]struct {
		holds []Hold
		rules []string // those of Judge that are broken
		model bool     // whether the model allows it
	}{
		"one after the other": {
			holds: []Hold{held(1, 5, 10, 20, 30), held(2, 6, 10, 40, 50), held(1, 9, 60, 70, 80)},
			model: true,
		},
		"at the same moment": {
			holds: []Hold{held(1, 5, 10, 20, 30), held(2, 6, 10, 30, 50)},
			model: true,
		},
		"two holders": {
			holds: []Hold{held(1, 5, 10, 20, 40), held(2, 6, 10, 30, 50)},
			rules: []string{TwoHolders},
		},
		"one within the other's time": {
			holds: []Hold{held(1, 5, 10, 20, 90), held(2, 6, 10, 30, 40), held(3, 7, 10, 50, 60)},
			rules: []string{TwoHolders, TwoHolders},
		},
		"two holders of different keys": {
			holds: []Hold{held(1, 5, 10, 20, 40), {Mutex: "Fenced", Key: "other", Token: 5, Asked: 10, Got: 30, End: 50}},
			model: true,
		},
		"two holders without tokens": {
			holds: []Hold{
				{Mutex: "Plain", Key: "k", Asked: 10, Got: 20, End: 40}, {Mutex: "Plain", Key: "k", Asked: 10, Got: 30, End: 50}},
			rules: []string{TwoHolders},
		},
		"no tokens": {
			holds: []Hold{
				{Mutex: "Plain", Key: "k", Asked: 10, Got: 20, End: 30}, {Mutex: "Plain", Key: "k", Asked: 10, Got: 40, End: 50}},
			model: true,
		},
		"the same token": {
			holds: []Hold{held(1, 5, 10, 20, 30), held(2, 5, 10, 40, 50)},
			rules: []string{SameToken},
		},
		"a token missing": {
			holds: []Hold{held(1, 0, 10, 20, 30)},
			rules: []string{SameToken},
			model: true, // which takes it for a lock without tokens
		},
		"a smaller token": {
			holds: []Hold{held(1, 6, 10, 20, 30), held(2, 5, 10, 40, 50)},
			rules: []string{TokenOrder},
		},
		"a smaller token for who came later": {
			holds: []Hold{held(1, 6, 10, 20, 30), held(2, 5, 35, 40, 50)},
			rules: []string{TokenOrder, TokenTime},
		},
		"a token that an attempt used which nobody heard of": {
			holds: []Hold{held(1, 5, 10, 20, 30), held(2, 7, 10, 40, 50)},
			model: true,
		},
		"heard of it only when others had had it since": {
			holds: []Hold{held(1, 5, 10, 100, 30), held(2, 6, 10, 40, 50)},
			model: true,
		},
		"heard of it late, and had it at the same time": {
			// Between 10 and 30 somebody else had it all the time.
			holds: []Hold{held(1, 5, 20, 100, 30), held(2, 4, 5, 10, 50)},
		},
		"heard of it late, and asked when a larger token was known": {
			holds: []Hold{held(1, 6, 10, 20, 30), held(2, 5, 35, 100, 40)},
			rules: []string{TokenTime},
		},
		"two such, before and after": {
			holds: []Hold{held(1, 6, 10, 20, 30), held(2, 5, 15, 100, 40), held(3, 7, 15, 120, 60)},
			rules: nil, // no interval is broken, and nobody asked late: but 5 can't have come after 6, nor while 6 was held
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var rules []string
			for _, v := range Judge(test.holds, fenced) {
				rules = append(rules, v.Rule)
			}
			if !slices.Equal(rules, test.rules) {
				t.Errorf("broken rules %q, want %q", rules, test.rules)
			}
			violations := CheckModel(test.holds, time.Minute)
			if allowed := len(violations) == 0; allowed != test.model {
				t.Errorf("allowed by the model: %t (%v)", allowed, violations)
			}
		})
	}
}

// A wrong one among thousands of holds with sixteen workers who all wait, as in a real run.
func TestJudgesFindOneWrongHoldAmongThousands(t *testing.T) {
	const workers, many = 16, 4_000
	var right []Hold
	asked := make([]int64, workers)
	for i := range int64(many) {
		worker := int(i*7) % workers
		right = append(right, held(worker, 100+i, asked[worker], 10+i*10, 15+i*10))
		asked[worker] = 16 + i*10
	}
	if found := append(Judge(right, fenced), CheckModel(right, time.Minute)...); len(found) > 0 {
		t.Fatal(found[0])
	}
	for name, spoil := range map[string]func(*Hold){
		"overlap":        func(h *Hold) { h.End += 6 },
		"token repeated": func(h *Hold) { h.Token-- },
		"token skips":    func(h *Hold) { h.Token += 2 },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := slices.Clone(right)
			spoil(&wrong[many/2])
			if len(Judge(wrong, fenced)) == 0 {
				t.Error("the oracles found nothing")
			}
			if len(CheckModel(wrong, time.Minute)) == 0 {
				t.Error("the model found nothing")
			}
		})
	}
}

func TestHoldEndsWhenItsHolderStopsRelyingOnIt(t *testing.T) {
	got := Record{Kind: Got, Process: 1, Mutex: "Fenced", Key: "k", Asked: 5, At: 10, Until: 100, Token: 7}
	record := func(kind Kind, at, until int64) Record {
		return Record{Kind: kind, Process: 1, At: at, Until: until, Why: "so"}
	}
	tests := map[string]struct {
		records []Record
		end     int64
		how     string
	}{
		"released":                           {[]Record{got, record(Letting, 50, 100), record(Over, 55, 100)}, 50, "so"},
		"released late":                      {[]Record{got, record(Letting, 150, 100), record(Over, 155, 100)}, 100, "so"},
		"renewed, released":                  {[]Record{got, record(Held, 90, 180), record(Letting, 150, 180), record(Over, 155, 180)}, 150, "so"},
		"renewed at the last moment":         {[]Record{got, record(Held, 90, 100), record(Letting, 150, 180), record(Over, 155, 180)}, 150, "so"},
		"seen to have ended before its time": {[]Record{got, record(Held, 30, 100), record(Over, 40, 100)}, 40, "so"},
		"seen to have ended":                 {[]Record{got, record(Held, 30, 100), record(Over, 140, 110)}, 110, "so"},
		"ended when it was got":              {[]Record{{Kind: Got, Process: 1, At: 10, Until: 8}, record(Over, 11, 8)}, 8, "so"},
		"killed":                             {[]Record{got, record(Held, 30, 100)}, 40, Died},
		"killed after its end":               {[]Record{{Kind: Got, Process: 1, At: 10, Until: 35}}, 35, Died},
		"killed while it released":           {[]Record{got, record(Letting, 30, 100)}, 30, Died},
		"killed, and wrote a little longer":  {[]Record{got, record(Held, 45, 100)}, 45, Died},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var deaths map[int]int64
			if test.how == Died {
				deaths = map[int]int64{1: 40}
			}
			holds, err := Holds(test.records, deaths)
			if err != nil || len(holds) != 1 {
				t.Fatal(holds, err)
			}
			if holds[0].End != test.end || holds[0].How != test.how {
				t.Errorf("%v, want the end %d, %s", &holds[0], test.end, test.how)
			}
		})
	}
}

func TestHistoryWithGapsIsRefused(t *testing.T) {
	got := Record{Kind: Got, At: 10, Until: 100}
	for name, records := range map[string][]Record{
		"no end":             {got},
		"no beginning":       {{Kind: Over, At: 10, Until: 100}},
		"two beginnings":     {got, got},
		"goes on when over":  {got, {Kind: Over, At: 20}, {Kind: Held, At: 30}},
		"released from none": {{Kind: Letting, At: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			if holds, err := Holds(records, nil); err == nil {
				t.Error(holds)
			}
		})
	}
}

func TestTornLineIsTheEndOfAJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, err := NewJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Kind: Got, Process: 1, Worker: 2, Attempt: 3, Mutex: "Fenced", Key: "k", Asked: 4, At: 5, Until: 6, Token: 7},
		{Kind: Over, Process: 1, Worker: 2, Attempt: 3, At: 8, Until: 9, Why: "released"},
	}
	for _, r := range want {
		if err := journal.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := journal.file.WriteString(`{"kind":"go`); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	records, err := ReadFile(path)
	if err != nil || !slices.Equal(records, want) {
		t.Errorf("%+v, %v", records, err)
	}
	if _, err := NewJournal(path); !os.IsExist(err) {
		t.Errorf("a journal is written over: %v", err)
	}
	if _, err := read(strings.NewReader("{\"kind\":\"go\n")); err == nil {
		t.Error("a torn line in the middle passes")
	}
}

// Two processes compare what they read: so must two clocks.
func TestClocksAgree(t *testing.T) {
	for range 100 {
		one, other := NewClock(), NewClock()
		now := time.Now()
		if apart := time.Duration(one.At(now) - other.At(now)).Abs(); apart > 2*precise {
			t.Fatalf("%v apart", apart)
		}
		first := one.Now()
		second := other.Now()
		if second < first-2*int64(precise) {
			t.Fatalf("%v backwards", time.Duration(first-second))
		}
		if d := one.At(now.Add(time.Second)) - one.At(now); d != int64(time.Second) {
			t.Fatalf("a second is %v", time.Duration(d))
		}
	}
}
