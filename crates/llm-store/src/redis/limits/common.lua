-- What the scripts of limits have in common: the clock, which is the server's, and buckets.
-- An owner is a hash. Its fields: r and t, the buckets of requests and of tokens, "<level> <moment>"; p:<life>, how many
-- of its requests a gateway has under way. Levels are in units times the milliseconds of a minute, moments in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local MINUTE, DAY = 60000, 86400000

-- A bucket as it is now, and of when that is. What nobody of us wrote is an empty one. A clock that was set back
-- empties nothing, unless by more than a minute: then it begins anew from there.
local function drained(text, limit)
  local level, at = string.match(text or '', '^(%d+) (%d+)$')
  if not level or #level > 17 or #at > 15 then return 0, now end
  level, at = tonumber(level), tonumber(at)
  if at > now + MINUTE then at = now end
  if at >= now then return level, at end
  return math.max(0, level - limit * (now - at)), now
end

local function kept(level, at)
  return string.format('%.0f %.0f', math.min(level, 9e16), at)
end

-- In how many ms a bucket is empty.
local function empties(level, limit)
  if level == 0 then return 0 end
  if limit == 0 then return DAY end
  return math.ceil(level / limit)
end

local function count(text)
  return tonumber(string.match(text or '', '^%d%d?%d?%d?%d?%d?%d?%d?%d?$') or '0')
end

-- `known`: how many fields last no longer than this, where there may be others that whoever asks does not look at: a
-- request within another leaves out limits that the other is counted in.
local function expire(key, ms, known)
  ms = ms + 1000
  if known and redis.call('HLEN', key) > known and redis.call('PTTL', key) > ms then return end
  redis.call('PEXPIRE', key, string.format('%.0f', ms))
end
