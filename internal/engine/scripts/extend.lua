-- Makes locks expire no sooner than after a new expiration if they are still their owners', and sets them again where
-- they are missing, so that a node that lost its data votes again.
-- KEYS: the keys.  ARGV[1..n], n = #KEYS: their owner values.  ARGV[n+1..2n]: the expirations from now, in milliseconds.
-- Returns for one key  1: it is the owner's for at least that long; -1: another owner's value stands there;
--   for several a string with a character for each: '1', '-', or 'e' for an error, of which nothing came.
local n = #KEYS
local call = n == 1 and redis.call or redis.pcall
local answers = {}
for i = 1, n do
  local owner = call('get', KEYS[i])
  local answer
  if owner == ARGV[i] then
    -- It never shortens: an extension that was delayed on its way may arrive behind a longer one. And pexpire is
    -- allowed, unlike set, on a server that reached its maxmemory.
    answer = call('pttl', KEYS[i])
    if type(answer) ~= 'table' and answer < tonumber(ARGV[n + i]) then
      answer = call('pexpire', KEYS[i], ARGV[n + i])
    end
  elseif not owner then
    answer = call('set', KEYS[i], ARGV[i], 'px', ARGV[n + i])
  elseif type(owner) == 'table' then
    answer = owner
  end
  if not answer then
    answers[i] = '-'
  elseif type(answer) == 'table' and answer.err then
    answers[i] = 'e'
  else
    answers[i] = '1'
  end
end
if n == 1 then
  return answers[1] == '-' and -1 or tonumber(answers[1])
end
return table.concat(answers)
