-- Makes a lock expire no sooner than after a new expiration if it is still the owner's, and sets it again where it is
-- missing, so that a node that lost its data votes again.
-- KEYS[1]: the key.  ARGV[1]: the owner value.  ARGV[2]: the expiration from now, in milliseconds.
-- Returns 1: the key is the owner's for at least that long; -1: another owner's value stands there.
local owner = redis.call('get', KEYS[1])
if owner == ARGV[1] then
  -- It never shortens: an extension that was delayed on its way may arrive behind a longer one. And pexpire is allowed,
  -- unlike set, on a server that reached its maxmemory.
  if redis.call('pttl', KEYS[1]) < tonumber(ARGV[2]) then
    redis.call('pexpire', KEYS[1], ARGV[2])
  end
  return 1
end
if owner then
  return -1
end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
