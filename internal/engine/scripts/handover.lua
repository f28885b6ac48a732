-- Hands a lock from one owner to the next, who stands at the key from then on; or gets it for the next if it is free.
-- KEYS[1]: the key.  ARGV[1]: the owner value that goes.  ARGV[2]: the one that comes.  ARGV[3]: its expiration, in
-- milliseconds.
-- Returns 1: it was the first one's and is the next one's; 0: nothing stood at the key, it is the next one's;
--   -1: another owner's value stands there.
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then
  return -1
end
redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])
return owner and 1 or 0
