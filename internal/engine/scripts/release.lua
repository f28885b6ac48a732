-- Deletes a lock if it is still the owner's.
-- KEYS[1]: the key.  ARGV[1]: the owner value.
-- Returns 1: deleted; 0: nothing stands at the key; -1: another owner's value stands there.
local owner = redis.call('get', KEYS[1])
if owner == ARGV[1] then
  return redis.call('del', KEYS[1])
end
if owner then
  return -1
end
return 0
