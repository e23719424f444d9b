-- What still holds: how long it does, in ms, and the message, by turns. What is over is taken out.
-- KEYS[1]: the record. ARGV[1]: how many are wanted at most.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local found, most = {}, tonumber(ARGV[1])
for i = 1, #all, 2 do
  local ends, message = string.match(all[i + 1], '^(%d+) (.*)$')
  local left = ends and tonumber(ends) - now or 0
  if left <= 0 then
    redis.call('HDEL', KEYS[1], all[i])
  elseif #found < 2 * most then
    found[#found + 1] = left
    found[#found + 1] = message
  end
end
return found
