
-- raise makes the counter at least a token, or returns an error if something else stands at its key.
local function raise(token)
  if not fencing then
    return
  end
  local text = redis.pcall('get', KEYS[2])
  counter = tonumber(text or '0')
  if not counter or not (counter < 2 ^ 53 and counter % 1 == 0) then
    return redis.error_reply('ERR no fencing counter stands at ' .. KEYS[2])
  end
  if counter < tonumber(token) then
    counter = tonumber(token)
    keep()
  elseif ARGV[1] ~= '0' and counter < beginning + 2 ^ 20 then -- which a server allows that reached its maxmemory
    redis.call('pexpire', KEYS[2], string.format('%.0f', tonumber(ARGV[1]) + 1000))
  end
end

