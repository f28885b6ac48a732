-- What the scripts of a mutex with fencing or a restart guard have in common. It stands before each of them.
-- KEYS[1]: the lock's key; then the fencing counter's, with fencing; then the birth key, with a guard.
-- ARGV[1]: for how many milliseconds the counter outlives its last use; 0: for ever; '' without fencing.
-- ARGV[2]: how old a node must be to vote, in milliseconds; 0 without a guard.
-- They return a list that begins with
--   1: granted, or 0: granted, and nothing stood at the key; then the counter, the node's clock in seconds, and 1 if its
--      uptime could not be read, 0 otherwise;
--   -1: another owner's value stands there; from acquire then the beginning of that value ('' if it is not a string), by
--      which one owner is told from another, and for how many milliseconds yet (-1: for ever);
--   -2: the node is in quarantine; then for how many milliseconds yet;
--   -3: nothing stands there.
local now = redis.call('time')
local seconds = tonumber(now[1])
local fencing = ARGV[1] ~= ''

-- quarantined returns for how many more milliseconds the node does not vote, 0 if it does, and 1 if it will not tell its
-- uptime. Its uptime shows every restart, also one that lost only the last second of the data; the birth key, which is
-- missing then, shows that the data was deleted.
local function quarantined()
  local age = tonumber(ARGV[2])
  if age == 0 then
    return 0, 0
  end
  local millis = seconds * 1000 + math.floor(tonumber(now[2]) / 1000)
  local born = tonumber(redis.call('get', KEYS[#KEYS]) or '')
  if not born or born > millis then
    born = millis
    redis.call('set', KEYS[#KEYS], string.format('%.0f', born))
  end
  local left = math.max(born + age - millis, 0)
  local server = redis.pcall('info', 'server')
  local uptime = type(server) == 'string' and string.match(server, 'uptime_in_seconds:(%d+)')
  if not uptime then
    return left, 1
  end
  return math.max(left, age - tonumber(uptime) * 1000), 0
end

-- counter returns the fencing counter, 0 if there is none, or nil and the error if something else stands at its key.
local function counter()
  local text = redis.call('get', KEYS[2])
  local value = tonumber(text or '0')
  if not value or not (value >= 0 and value < 2 ^ 53 and value % 1 == 0) then
    return nil, redis.error_reply('ERR no fencing counter stands at ' .. KEYS[2])
  end
  return value
end

-- keep sets the counter, which was old. It outlives its last use by its memory, and, if it is ahead of this node's clock,
-- by as much: once it is gone the next one begins with the clock, and has to be larger.
local function keep(value, old)
  local life
  if ARGV[1] ~= '0' then
    life = string.format('%.0f', tonumber(ARGV[1]) + math.max(math.floor(value / 2 ^ 20) - seconds, 0) * 1000)
  end
  if value == old then -- which a server allows that reached its maxmemory
    if life then
      redis.call('pexpire', KEYS[2], life)
    else
      redis.call('persist', KEYS[2])
    end
  elseif life then
    redis.call('set', KEYS[2], string.format('%.0f', value), 'px', life)
  else
    redis.call('set', KEYS[2], string.format('%.0f', value))
  end
end

-- count returns the next value of the counter, which was old: seconds in whole millions, so that it is larger than any
-- counter that was lost, and the same on all nodes that begin in one second.
local function count(old)
  local value = math.max(old + 1, seconds * 2 ^ 20)
  keep(value, old)
  return value
end
