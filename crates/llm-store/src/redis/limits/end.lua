-- A request has ended: gives its places back and corrects its tokens.
-- KEYS: the owners.
-- ARGV: the life that took the places; 1 if the request did not happen, else 0; tokens reserved; tokens used; then for
-- each owner its limits as they were when the place was taken.
local life, undone, more = ARGV[1], ARGV[2] == '1', (tonumber(ARGV[4]) - tonumber(ARGV[3])) * MINUTE
for nth = 1, #KEYS do
  local key, at = KEYS[nth], 3 * nth + 2
  local rpm, tpm, most = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local both = redis.call('HMGET', key, 'r', 't')
  local r, t, last = both[1], both[2], 0
  if rpm >= 0 and r then
    local level, moment = drained(r, rpm)
    if undone then
      level = math.max(0, level - MINUTE)
      redis.call('HSET', key, 'r', kept(level, moment))
    end
    last = math.max(last, empties(level, rpm))
  end
  if tpm >= 0 and (t or more > 0) then
    local level, moment = drained(t, tpm)
    if more ~= 0 then
      level = math.max(0, level + more)
      redis.call('HSET', key, 't', kept(level, moment))
      t = true
    end
    last = math.max(last, empties(level, tpm))
  end
  if most >= 0 then
    local mine = 'p:' .. life
    local held = redis.call('HGET', key, mine)
    -- A life that is over has nothing to give back: its successor has taken over what it held.
    if held and count(held) > 1 then
      redis.call('HSET', key, mine, string.format('%.0f', count(held) - 1))
    elseif held then
      redis.call('HDEL', key, mine)
    end
    if redis.call('HLEN', key) > (r and 1 or 0) + (t and 1 or 0) then last = math.max(last, DAY) end
  end
  local known = (rpm >= 0 and r and 1 or 0) + (tpm >= 0 and t and 1 or 0)
  expire(key, last, most < 0 and known)
end
return 1
