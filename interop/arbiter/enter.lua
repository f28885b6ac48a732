-- A holder comes in.
-- KEYS[1]: the contest.  ARGV[1]: the holder's side.
-- Returns how many are inside now: more than one is an overlap.
local inside = redis.call('hincrby', KEYS[1], 'inside', 1)
if inside > 1 then
  redis.call('hincrby', KEYS[1], 'overlaps', 1)
end
redis.call('hincrby', KEYS[1], 'holds', 1)
redis.call('hincrby', KEYS[1], 'holds of ' .. ARGV[1], 1)
if redis.call('hget', KEYS[1], 'last') ~= ARGV[1] then
  redis.call('hset', KEYS[1], 'last', ARGV[1])
  redis.call('hincrby', KEYS[1], 'turns', 1)
end
return inside
