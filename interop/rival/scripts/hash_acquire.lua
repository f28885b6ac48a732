-- Counts one more entry of the owner if nobody else has the lock.
-- KEYS[1]: the key.  ARGV[1]: the owner.  ARGV[2]: the expiration, in milliseconds.
-- Returns nil if it does, else for how many milliseconds the lock is somebody else's yet.
if redis.call('exists', KEYS[1]) == 0 or redis.call('hexists', KEYS[1], ARGV[1]) == 1 then
  redis.call('hincrby', KEYS[1], ARGV[1], 1)
  redis.call('pexpire', KEYS[1], ARGV[2])
  return nil
end
return redis.call('pttl', KEYS[1])
