-- Gets a lock, and the next value of its counter; or finds out who holds it, and tells the holder's engine that somebody
-- waits.
-- ARGV[3]: the owner value.  ARGV[4]: the expiration, in milliseconds.  ARGV[5]: what to tell; '' nothing.
if left > 0 then
  return {-2, left}
end
local owner = redis.pcall('get', KEYS[1])
if owner and owner ~= ARGV[3] then
  if type(owner) ~= 'string' then
    owner = ''
  end
  local engine = string.match(owner, ' @([%w_-]+)$')
  if engine and ARGV[5] ~= '' then
    redis.pcall('publish', 'mutexgen:engine:' .. engine, ARGV[5])
  end
  return {-1, string.sub(owner, 1, 64), redis.call('pttl', KEYS[1])}
end
if not owner or counter == 0 then -- else the request was repeated
  keep(math.max(counter + 1, seconds * 2 ^ 20))
end
if not owner then
  redis.call('set', KEYS[1], ARGV[3], 'px', ARGV[4])
end
return {1, counter, seconds, blind}
