-- first_seen - `Store.first_seen` in one step. The twin of `Sight.first` in attempt.py.
--
-- KEYS  the key
-- ARGV  now, expires (seconds, as Python writes a float), skew (s), life (ms)
-- A sight is "first expires", seconds; the reply is first, in the very digits that were stored.

local now, first = tonumber(ARGV[1]), ARGV[1]
local known = redis.call('GET', KEYS[1])
if known then
  local was_first, was_expires = string.match(known, '^(%S+) (%S+)$')
  if now < tonumber(was_expires) and tonumber(was_first) <= now + tonumber(ARGV[3]) then first = was_first end
end
redis.call('SET', KEYS[1], first .. ' ' .. ARGV[2], 'PX', ARGV[4])
return first
