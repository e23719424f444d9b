-- Tells everybody about one change and keeps it for those who connect later, in one step.
-- KEYS[1]: the record, a hash; its name is the channel's too.
-- ARGV: the deployment's field; how long it cools down, in ms, 0 when it has recovered; the message.
-- A field holds when it ends, by the server's clock in ms, a space, and the message.
local left = tonumber(ARGV[2])
if left == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  local time = redis.call('TIME')
  local ends = time[1] * 1000 + math.floor(time[2] / 1000) + left
  local old = redis.call('HGET', KEYS[1], ARGV[1])
  local old_ends = old and tonumber(string.match(old, '^(%d+) ') or '0') or 0
  if ends > old_ends then
    redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', ends, ARGV[3]))
  end
  if redis.call('PTTL', KEYS[1]) < left then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
end
return redis.call('PUBLISH', KEYS[1], ARGV[3])
