package checkup

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mutexgen/mutexgen/internal/engine"
)

// looked is what stands at a key of one server.
type looked struct {
	present, wrongType, wrongCounter bool
	value, owner                     string // its beginning, and a digest
	left                             time.Duration
	counter                          int64
}

// lookScript reads a key, and with a second one its counter, but no more of a value than tells whose it is.
// Returns what stands there (”, 'string', 'wrong'), its beginning, its digest, for how many milliseconds yet, and the counter.
const lookScript = `
local value = redis.pcall('get', KEYS[1])
local kind, start, digest = 'string', '', ''
if not value then
  kind = ''
elseif type(value) == 'table' then
  if not string.find(value.err, 'WRONGTYPE', 1, true) then
    return value
  end
  kind = 'wrong'
else
  start, digest = string.sub(value, 1, 200), redis.sha1hex(value)
end
local counter = ''
if KEYS[2] then
  counter = redis.pcall('get', KEYS[2]) or '0'
  if type(counter) == 'table' then
    counter = string.find(counter.err, 'WRONGTYPE', 1, true) and 'x' or '0'
  end
end
return {kind, start, digest, redis.call('pttl', KEYS[1]), string.sub(counter, 1, 32)}`

// look reads what stands at a key, and at its counter's unless that is empty.
func look(ctx context.Context, client redis.UniversalClient, key, counterKey string) (looked, error) {
	keys := []string{key}
	if counterKey != "" {
		keys = append(keys, counterKey)
	}
	answer, err := client.Eval(ctx, lookScript, keys).Slice()
	if err != nil {
		return looked{}, err
	}
	misfit := errors.New("the server sent an answer that does not fit the question")
	if len(answer) != 5 {
		return looked{}, misfit
	}
	kind, _ := answer[0].(string)
	value, _ := answer[1].(string)
	owner, _ := answer[2].(string)
	left, isNumber := answer[3].(int64)
	counter, _ := answer[4].(string)
	if !isNumber {
		return looked{}, misfit
	}
	l := looked{present: kind != "", wrongType: kind == "wrong", value: value, owner: owner}
	if l.present {
		l.left = time.Duration(-1)
		if left >= 0 {
			l.left = time.Duration(min(left, int64(engine.MaxExpiration/time.Millisecond))) * time.Millisecond
		}
	}
	if counter != "" {
		n, err := strconv.ParseInt(counter, 10, 64)
		l.counter = n
		l.wrongCounter = err != nil || n < 0 || n >= 1<<53
		if l.wrongCounter {
			l.counter = 0
		}
	}
	return l, nil
}
