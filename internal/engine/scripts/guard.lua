-- What the scripts of a mutex with fencing or a restart guard begin with.
-- KEYS[1]: the lock's key; then the fencing counter's, with fencing; then the birth key, with a guard.
-- ARGV[1]: for how many milliseconds the counter outlives its last use; 0: for ever; '' without fencing.
-- ARGV[2]: how old a node must be to vote, in milliseconds; 0 without a guard.
-- They return a list that begins with
--   1: granted, or 0: granted, and nothing stood at the key; then the counter, the node's clock in seconds, and 1 if its
--      uptime could not be read, 0 otherwise;
--   -1: another owner's value stands there; to who wants to know then the beginning of that value ('' if it is not a
--      string), by which one owner is told from another, and for how many milliseconds yet (-1: for ever);
--   -2: the node is in quarantine; then for how many milliseconds yet;
--   -3: nothing stands there.
local now = redis.call('time')
local seconds = tonumber(now[1])

-- For how many more milliseconds the node does not vote, and 1 if it will not tell its uptime. That shows every restart,
-- also one that lost only the last second of the data; the birth key, which is missing then, shows that the data was
-- deleted.
local left, blind = 0, 0
if ARGV[2] ~= '0' then
  local age, birth = tonumber(ARGV[2]), KEYS[#KEYS]
  local millis = seconds * 1000 + math.floor(tonumber(now[2]) / 1000)
  local born = tonumber(redis.pcall('get', birth) or '')
  if not born or not (born <= millis) then
    born = millis
    redis.call('set', birth, string.format('%.0f', born))
  end
  left = math.max(born + age - millis, 0)
  local server = redis.pcall('info', 'server')
  local uptime = type(server) == 'string' and string.match(server, 'uptime_in_seconds:(%d+)')
  if uptime then -- which steps as the clock's seconds do
    left = math.max(left, (math.ceil(age / 1000) - tonumber(uptime)) * 1000 - millis % 1000)
  else
    blind = 1
  end
end

-- A counter begins with the clock, with 2^20 for each second: so it is larger than any that was lost, and the same on all
-- nodes on which it begins in one second.
local fencing, counter, beginning = ARGV[1] ~= '', 0, seconds * 2 ^ 20

-- keep writes the counter. It outlives its last use by its memory, and a second, for who uses it again within one second
-- leaves that as it is; and if it is ahead of this node's clock, by as much: once it is gone the next one begins with the
-- clock, and has to be larger.
local function keep()
  if ARGV[1] == '0' then
    redis.call('set', KEYS[2], string.format('%.0f', counter))
  else
    local ahead = math.max(math.floor(counter / 2 ^ 20) - seconds, 0)
    redis.call('set', KEYS[2], string.format('%.0f', counter), 'px',
      string.format('%.0f', tonumber(ARGV[1]) + (ahead + 1) * 1000))
  end
end
