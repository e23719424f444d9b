-- A gateway begins a life, and goes on in it with what it had under way in the one before.
-- KEYS: the lives; owners. ARGV: the life; the one before, or nothing; how long it lasts, in ms; for each owner how many
-- requests are under way.
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
for nth = 2, #KEYS do
  redis.call('HDEL', KEYS[nth], 'p:' .. ARGV[2])
  redis.call('HSET', KEYS[nth], 'p:' .. ARGV[1], ARGV[nth + 2])
  expire(KEYS[nth], DAY)
end
return 1
