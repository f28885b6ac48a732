-- Hands a lock, and the next value of its counter, from one owner to the next, who stands at the key from then on; or gets
-- it for the next if it is free.
-- ARGV[3]: the owner value that goes.  ARGV[4]: the one that comes.  ARGV[5]: its expiration, in milliseconds.
if left > 0 then
  return {-2, left}
end
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[3] and owner ~= ARGV[4] then
  return {-1}
end
local problem
if owner == ARGV[4] then
  problem = recall()
else
  problem = count()
  if not problem then
    redis.call('set', KEYS[1], ARGV[4], 'px', ARGV[5])
  end
end
return problem or {owner and 1 or 0, counter, seconds, blind}
