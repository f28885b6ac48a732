package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// reply is one answer in RESP2. We speak it ourselves, not through go-redis: its handshake would show in the servers'
// counters, and a test of the engine should not look through the library that the engine stands on.
type reply struct {
	kind     byte // + - : $ *
	text     string
	null     bool
	elements []reply
}

func (r reply) isError() bool { return r.kind == '-' }

func (r reply) String() string {
	if r.null {
		return "(nil)"
	}
	if r.kind != '*' {
		return r.text
	}
	lines := make([]string, len(r.elements))
	for i, element := range r.elements {
		lines[i] = element.String()
	}
	return strings.Join(lines, "\n")
}

// ask sends commands over a new connection and returns their replies; the password, if any, goes first.
func ask(addr, password string, limit time.Duration, commands ...[]string) ([]reply, error) {
	conn, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	if password != "" {
		commands = append([][]string{{"AUTH", password}}, commands...)
	}
	var request []byte
	for _, command := range commands {
		request = fmt.Appendf(request, "*%d\r\n", len(command))
		for _, word := range command {
			request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	replies := make([]reply, len(commands))
	for i := range replies {
		if replies[i], err = readReply(reader); err != nil {
			return nil, err
		}
	}
	if password != "" {
		if replies[0].isError() {
			return nil, fmt.Errorf("AUTH: %s", replies[0].text)
		}
		replies = replies[1:]
	}
	return replies, nil
}

func readReply(reader *bufio.Reader) (reply, error) {
	line, err := reader.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return reply{}, fmt.Errorf("an empty line instead of a reply")
	}
	r := reply{kind: line[0], text: line[1:]}
	switch r.kind {
	case '+', '-', ':':
		return r, nil
	case '$', '*':
	default:
		return reply{}, fmt.Errorf("not a reply: %q", line)
	}
	n, err := strconv.Atoi(r.text)
	if err != nil {
		return reply{}, fmt.Errorf("not a length: %q", line)
	}
	r.text = ""
	if n < 0 {
		r.null = true
		return r, nil
	}
	if r.kind == '$' {
		content := make([]byte, n+2)
		if _, err := io.ReadFull(reader, content); err != nil {
			return reply{}, err
		}
		r.text = string(content[:n])
		return r, nil
	}
	for range n {
		element, err := readReply(reader)
		if err != nil {
			return reply{}, err
		}
		r.elements = append(r.elements, element)
	}
	return r, nil
}
