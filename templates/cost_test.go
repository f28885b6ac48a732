//go:build unix

package templates

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mutexgen/mutexgen/internal/definition"
)

// cost is what one run of the command took.
type cost struct {
	cpu    time.Duration
	memory int // in MB
	code   int
	stderr string
}

func (c cost) String() string {
	return fmt.Sprintf("%v of CPU, %d MB", c.cpu.Round(time.Millisecond), c.memory)
}

// buildCommand compiles the command as it is released, without the race detector, whose costs are not ours.
func buildCommand(t *testing.T) string {
	t.Helper()
	command := filepath.Join(t.TempDir(), "mutexgen")
	if output, err := exec.Command("go", "build", "-o", command, "github.com/mutexgen/mutexgen/cmd/mutexgen").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return command
}

// meter measures runs of the command. It is a process of its own: a process inherits how much memory its parent has used,
// and that of the tests is much.
type meter struct {
	folder  string
	orders  io.Writer
	results *bufio.Scanner
}

const commandVariable = "MUTEXGEN_COMMAND_TO_MEASURE"

func newMeter(t *testing.T) *meter {
	t.Helper()
	m := &meter{folder: t.TempDir()}
	process := exec.Command(os.Args[0], "-test.run=^TestTheMeter$")
	process.Dir, process.Env = m.folder, append(os.Environ(), commandVariable+"="+buildCommand(t))
	orders, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	results, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(orders.Close(), process.Wait()); err != nil {
			t.Error(err)
		}
	})
	m.orders, m.results = orders, bufio.NewScanner(results)
	return m
}

// run runs the command with these definitions.
func (m *meter) run(t *testing.T, definitions []byte) cost {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.folder, "mutexes.yaml"), definitions, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(m.orders); err != nil {
		t.Fatal(err)
	}
	var c cost
	if m.results.Scan() {
		if _, err := fmt.Sscan(m.results.Text(), &c.cpu, &c.memory, &c.code); err != nil {
			t.Fatalf("%v: %s", err, m.results.Text())
		}
	}
	c.stderr = string(m.read(t, "stderr"))
	return c
}

func (m *meter) read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(m.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestTheMeter is no test but the other side of a meter.
func TestTheMeter(t *testing.T) {
	path := os.Getenv(commandVariable)
	if path == "" {
		t.Skip("it belongs to other tests")
	}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		stderr, err := os.Create("stderr")
		if err != nil {
			t.Fatal(err)
		}
		process := exec.Command(path, "-package", "locks")
		process.Stderr = stderr
		err = process.Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		state := process.ProcessState
		usage, ok := state.SysUsage().(*syscall.Rusage)
		if !ok {
			t.Fatal("the system does not tell what a process took")
		}
		unit := int64(1 << 10)
		if runtime.GOOS == "darwin" {
			unit = 1
		}
		fmt.Println(int64(state.UserTime()+state.SystemTime()), int64(usage.Maxrss)*unit>>20, state.ExitCode())
		if err := stderr.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// usual are as many definitions as asked for, of the kinds that people write.
func usual(count int) []byte {
	var text bytes.Buffer
	text.WriteString("version: 1\ndefaults:\n  expiration: 30s\n  restart_guard: on\nmutexes:\n")
	for i := range count {
		fmt.Fprintf(&text, "  - name: Mutex%d\n    doc: makes sure that one replica at a time does the work of kind %d.\n", i, i)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&text, "    url: ${REDIS_URL:-redis://localhost:6379}\n    key: report:%d\n    wait: 5s\n", i)
		case 1:
			fmt.Fprintf(&text, "    servers: [\"${A}\", \"${B}\", \"${C}\"]\n    key: account:%d:{account_id:int64}\n    fencing: true\n", i)
		case 2:
			fmt.Fprintf(&text, "    cluster:\n      - [redis://a1, redis://a2, redis://a3]\n      - [redis://b1, redis://b2, redis://b3]\n    key: sku:{sku:string}:%d\n", i)
		default:
			fmt.Fprintf(&text, "    url: redis://b/1\n    key: '{tenant:github.com/google/uuid.UUID}:%d:{peer:net/netip.Addr}'\n    max_retry: 3\n", i)
		}
	}
	return text.Bytes()
}

func TestWhatTheCommandCosts(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command and runs it on large files")
	}
	m := newMeter(t)
	t.Run("a thousand mutexes cost less than a second", func(t *testing.T) { aThousandMutexes(t, m) })
	t.Run("hostile definitions cost little", func(t *testing.T) { hostileDefinitions(t, m) })
}

func aThousandMutexes(t *testing.T, m *meter) {
	const mostTime, mostMemory = time.Second, 200
	definitions := usual(1000)
	took := m.run(t, definitions)
	for range 3 { // the time of a processor that others use, too, is longer
		if took.cpu > mostTime {
			took = m.run(t, definitions)
		}
	}
	t.Logf("it took %v", took)
	if took.code != 0 || took.cpu > mostTime || took.memory > mostMemory {
		t.Errorf("it ended with %d and took %v\n%.2000s", took.code, took, took.stderr)
	}
	file, _ := definition.Parse("mutexes.yaml", definitions)
	checkCode(t, file, m.read(t, "mutexes_gen.go"))
}

// Whatever a file holds, it ends soon and in a clear error, or in code that compiles.
func hostileDefinitions(t *testing.T, m *meter) {
	const mostTime, mostMemory = 2 * time.Second, 200
	for name, hostile := range hostileFiles() {
		took := m.run(t, hostile.text)
		t.Logf("%s: %v, %.100s", name, took, took.stderr)
		if took.cpu > mostTime || took.memory > mostMemory {
			t.Errorf("%s (%d bytes) took %v", name, len(hostile.text), took)
		}
		wanted := 2
		if hostile.message == "" {
			wanted = 0
			file, _ := definition.Parse("mutexes.yaml", hostile.text)
			checkCode(t, file, m.read(t, "mutexes_gen.go"))
		}
		if took.code != wanted || !strings.Contains(took.stderr, hostile.message) {
			t.Errorf("%s: it ended with %d, and without %q:\n%.2000s", name, took.code, hostile.message, took.stderr)
		}
		if len(took.stderr) > 1<<20 {
			t.Errorf("%s: %d bytes are said", name, len(took.stderr))
		}
	}
}

type hostileFile struct {
	text []byte
	// message is part of what is said; "" if the text is no error.
	message string
}

func hostileFiles() map[string]hostileFile {
	repeat := func(text string, bytes int) string { return strings.Repeat(text, bytes/len(text)) }
	const one = "  - name: A\n    url: redis://a\n"
	const head = "version: 1\nmutexes:\n"
	const mb = 1 << 20

	var laughs strings.Builder
	laughs.WriteString(head + "  - &m0 {name: A, url: redis://a}\n")
	for i := 1; laughs.Len() < mb; i++ {
		fmt.Fprintf(&laughs, "  - &m%d {<<: [%s*m0]}\n", i, strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 100))
	}
	var keys, short strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
		short.WriteString("a:\n")
	}
	var documents strings.Builder
	for range 10_000 {
		documents.WriteString("---\n" + head + one)
	}
	files := map[string]hostileFile{
		"billion laughs of merge keys": {text: []byte(laughs.String()), message: "aliases stand for too much"},
		"billion laughs of lists": {text: []byte(head + "  - {name: A, cluster: [&g [&s redis://a" + repeat(",*s", 150_000) + "]" +
			repeat(",*g", 300_000) + "]}\n"), message: "a server that is listed already"},
		"a million keys":                {text: []byte(keys.String()), message: "the file has 10888890 bytes"},
		"a million short keys":          {text: []byte(short.String()), message: "at most 200000 values are read"},
		"a million keys in a mutex":     {text: []byte(head + "  - {" + repeat("a: ,", 3_900_000) + "}\n"), message: "at most 200000 values are read"},
		"a million items":               {text: []byte(head + one + "    servers: [" + repeat("a, ", 3_900_000) + "]\n"), message: "at most 200000 values are read"},
		"a million mutexes":             {text: []byte("version: 1\nmutexes: [" + repeat("{},", 3_900_000) + "]\n"), message: "at most 200000 values are read"},
		"a million empty items":         {text: []byte("version: 1\nmutexes:\n" + repeat("-\n", 3_900_000)), message: "at most 200000 values are read"},
		"a million anchors":             {text: []byte("version: 1\nmutexes: [" + repeat("&a ,", 3_900_000) + "]\n"), message: "at most 200000 values are read"},
		"NUL bytes":                     {text: []byte(head + one + "    doc: " + repeat("\x00", mb)), message: "a NUL byte"},
		"nothing but NUL bytes":         {text: make([]byte, mb), message: "a NUL byte"},
		"many values, but not too many": {text: []byte(repeat("a:\n", 3*199_000)), message: "there is more to say"},
		"many short lists":              {text: []byte(repeat("- - - - a\n", 39_000*10)), message: "the file must be a mapping"},
		"deep lists":                    {text: []byte("version: 1\nmutexes: " + repeat("[", 100_000)), message: "invalid YAML: exceeded max depth"},
		"deep lists that close":         {text: []byte("version: 1\nmutexes: " + repeat("[", 9000) + repeat("]", 9000)), message: "a mutex must be a mapping"},
		"deep mappings":                 {text: []byte("version: 1\nmutexes: " + repeat("{a: ", 400_000)), message: "invalid YAML: exceeded max depth"},
		"deep blocks":                   {text: []byte(head + repeat("- ", 200_000)), message: "exceeded max depth"},
		"a huge text":                   {text: []byte(head + one + "    doc: " + repeat("x", 3_900_000)), message: ""},
		"a huge quoted text":            {text: []byte(head + one + "    doc: \"" + repeat("\\u0000", 3_900_000) + "\"\n"), message: ""},
		"a huge number":                 {text: []byte(head + one + "    max_retry: " + repeat("9", 3_900_000)), message: "max_retry must be at most 1000000000"},
		"a huge name":                   {text: []byte(head + "  - name: " + repeat("A", 3_900_000) + "\n    url: redis://a\n"), message: "the name has 3900000 bytes"},
		"a huge key":                    {text: []byte(head + one + "    key: " + repeat("k", 3_900_000)), message: "the key has 3900000 bytes"},
		"a line of 4 MB":                {text: []byte("version: 1 #" + repeat("#", 4*mb-100) + "\nmutexes: 5\n"), message: "mutexes must be a list"},
		"a line of 5 MB":                {text: []byte("version: 1 #" + repeat("#", 5*mb)), message: "at most 4194304 are read"},
		"thousands of documents":        {text: []byte(documents.String()), message: "a second YAML document"},
		"an alias of what it stands in": {text: []byte("version: 1\nmutexes: &m [*m, {<<: *m}, &x {<<: *x, name: A, url: redis://a, servers: *m}]\n"), message: "merge keys are nested too deeply"},
		"a mutex that is itself":        {text: []byte("&r\nversion: 1\nmutexes: [*r]\ndefaults: *r\n"), message: "unknown field \"version\""},
		"not UTF-8":                     {text: []byte(head + one + "    doc: " + repeat("\xff", mb)), message: "the text is not UTF-8"},
		"UTF-16":                        {text: []byte("\xff\xfev\x00e\x00r\x00"), message: "the text is UTF-16, not UTF-8"},
		"UTF-16, the other way round":   {text: []byte("\xfe\xff\x00v\x00e\x00r"), message: "the text is UTF-16, not UTF-8"},
		"a program":                     {text: append([]byte("\x7fELF\x02\x01\x01"), make([]byte, mb)...), message: "control character U+007F"},
		"comments":                      {text: []byte(repeat("#\n", 4*mb)), message: "at most 200000 values are read"},
		"line breaks":                   {text: []byte(repeat("\n", 4*mb)), message: "at most 200000 values are read"},
		"spaces":                        {text: []byte(repeat(" ", 4*mb)), message: "is empty"},
		"tabs":                          {text: []byte(repeat("\t", 4*mb)), message: "YAML indents with spaces"},
		"quotes":                        {text: []byte(repeat("\"\" ", 4*mb)), message: "invalid YAML"},
		"colons":                        {text: []byte(repeat(": ", 4*mb)), message: "invalid YAML: did not find expected key"},
		"question marks":                {text: []byte(repeat("? ", 4*mb)), message: "at most 200000 values are read"},
		"tags":                          {text: []byte(head + "  - " + repeat("!a ", mb)), message: "invalid YAML"},
		"bangs":                         {text: []byte(repeat("!", mb)), message: "this is a value with the tag"},
	}
	return files
}
