-- Makes a lock expire no sooner than after a new expiration if it is still the owner's, and sets it again where it is
-- missing, unless the node is in quarantine; and its counter at least the lock's token.
-- ARGV[3]: the owner value.  ARGV[4]: the expiration from now, in milliseconds.  ARGV[5]: the token; 0 without fencing.
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[3] then
  return {-1}
end
if not owner and left > 0 then
  return {-2, left}
end
local problem = raise(ARGV[5])
if problem then
  return problem
end
if not owner then
  redis.call('set', KEYS[1], ARGV[3], 'px', ARGV[4])
elseif redis.call('pttl', KEYS[1]) < tonumber(ARGV[4]) then -- see extend.lua
  redis.call('pexpire', KEYS[1], ARGV[4])
end
return {1, counter, seconds, blind}
