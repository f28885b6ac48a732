-- Deletes locks that are still their owners', and tells those who wait for them.
-- KEYS: the keys.  ARGV[1..#KEYS]: their owner values.
-- For one key, optionally: ARGV[2]: the channel of the one waiter to tell instead of all; ARGV[3]: what to tell it. If it
-- doesn't listen any more, all are told.
-- Returns for one key  1: deleted; 0: nothing stands at the key; -1: another owner's value stands there;
--   for several a string with a character for each: '1', '0', '-', or 'e' for an error, of which nothing came.
local single = #KEYS == 1
local call = single and redis.call or redis.pcall
local answers = {}
for i = 1, #KEYS do
  local owner = call('get', KEYS[i])
  if owner == ARGV[i] then
    local deleted = call('del', KEYS[i])
    if type(deleted) == 'table' then
      answers[i] = 'e'
    else
      answers[i] = '1'
      -- A server that refuses this releases all the same.
      if not (single and ARGV[2] and redis.pcall('publish', ARGV[2], ARGV[3]) ~= 0) then
        redis.pcall('publish', 'mutexgen:key:' .. KEYS[i], string.sub(ARGV[i], 1, 8))
      end
    end
  elseif type(owner) == 'table' then
    answers[i] = 'e'
  elseif owner then
    answers[i] = '-'
  else
    answers[i] = '0'
  end
end
if single then
  return answers[1] == '-' and -1 or tonumber(answers[1])
end
return table.concat(answers)
