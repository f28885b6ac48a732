-- Takes back an entry of the owner, and the lock with the last one.
-- KEYS[1]: the key.  ARGV[1]: the owner.
-- Returns 1 if the lock is free now, nil if it was not the owner's.
if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then
  return nil
end
if redis.call('hincrby', KEYS[1], ARGV[1], -1) > 0 then
  return 0
end
redis.call('del', KEYS[1])
return 1
