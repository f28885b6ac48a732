-- A holder goes out.
-- KEYS[1]: the contest.
-- Returns 1 if the contest goes on, and 0 once there were enough holds of everybody.
redis.call('hincrby', KEYS[1], 'inside', -1)
local function number(field)
  return tonumber(redis.call('hget', KEYS[1], field) or 0)
end
for _, field in ipairs(redis.call('hkeys', KEYS[1])) do
  local holds = string.match(field, '^least (.*)$')
  if holds and number(holds) < number(field) then
    return 1
  end
end
return 0
