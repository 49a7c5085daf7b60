-- swap - one value in place of another, if it is still there: `RedisAccounts` changes standings by it.
--
-- KEYS  the value
-- ARGV  the value that is expected, "" for none, then nothing or the new value and its life (ms)
-- The reply is what was found; where that is what was expected, the new value is there now.

local found = redis.call('GET', KEYS[1]) or ''
if ARGV[2] and found == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return found
