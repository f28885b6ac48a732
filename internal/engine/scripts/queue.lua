-- Gets a lock, or finds out who holds it, and tells the holder's engine that somebody waits.
-- KEYS[1]: the key.  ARGV[1]: the owner value.  ARGV[2]: the expiration, in milliseconds.  ARGV[3]: what to tell.
-- Returns 1: it is the owner's; else the beginning of the value that stands there ('' if it is not a string), by which one
--   owner is told from another, and for how many milliseconds yet (-1: for ever).
if redis.call('set', KEYS[1], ARGV[1], 'nx', 'px', ARGV[2]) then
  return 1
end
local owner = redis.pcall('get', KEYS[1])
if type(owner) ~= 'string' then
  owner = ''
end
local engine = string.match(owner, ' @([%w_-]+)$')
if engine and ARGV[3] ~= '' then
  redis.pcall('publish', 'mutexgen:engine:' .. engine, ARGV[3])
end
return {string.sub(owner, 1, 64), redis.call('pttl', KEYS[1])}
