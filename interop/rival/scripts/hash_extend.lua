-- Makes a lock expire later if it is still the owner's.
-- KEYS[1]: the key.  ARGV[1]: the owner.  ARGV[2]: the expiration from now, in milliseconds.
-- Returns 1 if it does, else 0.
if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then
  return 0
end
return redis.call('pexpire', KEYS[1], ARGV[2])
