-- Gives a lock a new expiration if it is still the owner's, and sets it again where it is missing, so that a node that
-- lost its data votes again.
-- KEYS[1]: the key.  ARGV[1]: the owner value.  ARGV[2]: the expiration from now, in milliseconds.
-- Returns 1: the key is the owner's for that long; -1: another owner's value stands there.
local owner = redis.call('get', KEYS[1])
if owner == ARGV[1] then
  -- Unlike set, this is allowed on a server that reached its maxmemory.
  return redis.call('pexpire', KEYS[1], ARGV[2])
end
if owner then
  return -1
end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return 1
