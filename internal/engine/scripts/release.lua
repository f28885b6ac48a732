-- Deletes a lock if it is still the owner's, and tells those who wait for it.
-- KEYS[1]: the key.  ARGV[1]: the owner value.
-- Optionally ARGV[2]: the channel of the one waiter to tell instead of all; ARGV[3]: what to tell it. If it doesn't listen
-- any more, all are told.
-- Optionally ARGV[4], in a cluster, where a message reaches whoever listens to any server, at the cost of work for all of
-- them, and no server knows how many that are: 'all' if it is needed where ARGV[2] is ''.
-- Returns 1: deleted; 2: deleted, and somebody heard of it who listens to the key; 0: nothing stands at the key;
--   -1: another owner's value stands there.
local owner = redis.call('get', KEYS[1])
if owner == ARGV[1] then
  redis.call('del', KEYS[1])
  if ARGV[4] then
    if ARGV[2] ~= '' then
      redis.pcall('publish', ARGV[2], ARGV[3])
    elseif ARGV[4] == 'all' then
      redis.pcall('publish', 'mutexgen:key:' .. KEYS[1], string.sub(ARGV[1], 1, 8))
    end
    return 1
  end
  -- A server that refuses this releases all the same.
  if not (ARGV[2] and redis.pcall('publish', ARGV[2], ARGV[3]) ~= 0) then
    local heard = redis.pcall('publish', 'mutexgen:key:' .. KEYS[1], string.sub(ARGV[1], 1, 8))
    if type(heard) == 'number' and heard > 0 then
      return 2
    end
  end
  return 1
end
if owner then
  return -1
end
return 0
