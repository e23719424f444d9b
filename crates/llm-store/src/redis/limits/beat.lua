-- A gateway lives. Answers 0 if it was taken for dead: then others may have forgotten what it has under way.
-- KEYS: the lives. ARGV: the life; how long it lasts from now, in ms.
local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if not till or tonumber(till) <= now then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
