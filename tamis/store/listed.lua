-- listed - a set of names: those who may be locked.
--
-- KEYS  the set
-- ARGV  SADD, SREM or SMEMBERS, then the name
-- The reply is nothing, or the names, each with a newline behind it; no name holds one.

if ARGV[1] ~= 'SMEMBERS' then
  redis.call(ARGV[1], KEYS[1], ARGV[2])
  return ''
end
local names = redis.call('SMEMBERS', KEYS[1])
if #names == 0 then return '' end
return table.concat(names, '\n') .. '\n'
