-- Gets a lock, and the next value of its counter; or finds out who holds it, and tells the holder's engine that somebody
-- waits.
-- ARGV[3]: the owner value.  ARGV[4]: the expiration, in milliseconds.
-- Optionally ARGV[5]: what to tell, '' nothing. Without it nobody wants to know who holds the lock.
if left > 0 then
  return {-2, left}
end
local problem
if redis.call('set', KEYS[1], ARGV[3], 'nx', 'px', ARGV[4]) then
  problem = count()
  if problem then
    redis.call('del', KEYS[1])
  end
else
  local owner = redis.pcall('get', KEYS[1])
  if owner ~= ARGV[3] then
    if not ARGV[5] then
      return {-1}
    end
    if type(owner) ~= 'string' then
      owner = ''
    end
    local engine = string.match(owner, ' @([%w_-]+)$')
    if engine and ARGV[5] ~= '' then
      redis.pcall('publish', 'mutexgen:engine:' .. engine, ARGV[5])
    end
    return {-1, string.sub(owner, 1, 64), redis.call('pttl', KEYS[1])}
  end
  problem = recall()
end
return problem or {1, counter, seconds, blind}
