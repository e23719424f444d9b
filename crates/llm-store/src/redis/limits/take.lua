-- Takes a place in every limit of a request, or in none.
-- KEYS: the lives, a sorted set by when each is over; the owners.
-- ARGV: the life that asks; tokens; then for each owner requests a minute, tokens a minute, requests at once; -1: none.
-- Answers 1 if it took, else 0; then for each owner the levels of both buckets and how many are under way: after taking,
-- or as they were.
local life, tokens = ARGV[1], tonumber(ARGV[2])
local known = { [life] = true }
local function lives(other)
  if known[other] == nil then
    local till = redis.call('ZSCORE', KEYS[1], other)
    known[other] = till and tonumber(till) > now or false
  end
  return known[other]
end
local function fits(level, limit, units)
  if limit == 0 and units > 0 then return false end
  return level + math.min(units, limit) * MINUTE <= limit * MINUTE
end
local owners, all = {}, 1
for nth = 2, #KEYS do
  local key, at = KEYS[nth], 3 * nth - 3
  local owner = { rpm = tonumber(ARGV[at]), tpm = tonumber(ARGV[at + 1]), most = tonumber(ARGV[at + 2]) }
  owner.r, owner.t, owner.running, owner.mine = 0, 0, 0, 0
  local r, t
  if owner.most >= 0 then
    local held = redis.call('HGETALL', key)
    for i = 1, #held, 2 do
      local name, value = held[i], held[i + 1]
      local other = string.match(name, '^p:(.+)$')
      if name == 'r' then
        r = value
      elseif name == 't' then
        t = value
      elseif other and lives(other) then
        owner.running = owner.running + count(value)
        if other == life then owner.mine = count(value) end
      elseif other then
        redis.call('HDEL', key, name)
      end
    end
    if owner.running >= owner.most then all = 0 end
  else
    local both = redis.call('HMGET', key, 'r', 't')
    r, t = both[1], both[2]
  end
  if owner.rpm >= 0 then
    owner.r, owner.r_at = drained(r, owner.rpm)
    if not fits(owner.r, owner.rpm, 1) then all = 0 end
  end
  if owner.tpm >= 0 then
    owner.t, owner.t_at = drained(t, owner.tpm)
    if not fits(owner.t, owner.tpm, tokens) then all = 0 end
  end
  owners[nth] = owner
end
local answer = { all }
for nth = 2, #KEYS do
  local key, owner = KEYS[nth], owners[nth]
  if all == 1 then
    local last = 0
    if owner.rpm >= 0 then
      owner.r = owner.r + MINUTE
      redis.call('HSET', key, 'r', kept(owner.r, owner.r_at))
      last = math.max(last, empties(owner.r, owner.rpm))
    end
    if owner.tpm >= 0 then
      owner.t = owner.t + tokens * MINUTE
      redis.call('HSET', key, 't', kept(owner.t, owner.t_at))
      last = math.max(last, empties(owner.t, owner.tpm))
    end
    if owner.most >= 0 then
      owner.running = owner.running + 1
      redis.call('HSET', key, 'p:' .. life, string.format('%.0f', owner.mine + 1))
      last = math.max(last, DAY)
    end
    local known = (owner.rpm >= 0 and 1 or 0) + (owner.tpm >= 0 and 1 or 0)
    expire(key, last, owner.most < 0 and known)
  end
  answer[#answer + 1] = math.min(owner.r, 9e16)
  answer[#answer + 1] = math.min(owner.t, 9e16)
  answer[#answer + 1] = owner.running
end
return answer
