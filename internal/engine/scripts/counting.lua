
-- count gives the counter its next value, or returns an error if something else stands at its key.
local function count()
  if not fencing then
    return
  end
  counter = redis.pcall('incr', KEYS[2])
  if type(counter) ~= 'number' or counter >= 2 ^ 53 then
    local text = redis.pcall('get', KEYS[2]) or '0'
    if type(text) == 'string' and string.match(text, '^%d+$') and tonumber(text) < 2 ^ 53 - 1 then
      return counter -- which is why the server does not count: for lack of room or of permission, perhaps
    end
    return redis.error_reply('ERR no fencing counter stands at ' .. KEYS[2])
  end
  if counter < beginning then
    counter = beginning
    keep()
  elseif counter >= beginning + 2 ^ 20 then
    keep()
  end
end

-- recall finds the counter again for a request that was repeated.
local function recall()
  counter = fencing and tonumber(redis.pcall('get', KEYS[2]) or '') or 0
  if not (counter > 0 and counter < 2 ^ 53) then
    return count()
  end
end

