-- Makes the counter of a lock at least its token if the lock is the owner's.
-- ARGV[3]: the owner value.  ARGV[4]: the token.
local owner = redis.call('get', KEYS[1])
if not owner then
  return {-3}
elseif owner ~= ARGV[3] then
  return {-1}
end
return raise(ARGV[4]) or {1, counter, seconds, blind}
