-- greylist_client - `Store.greylist_client` in one step: a row as greylist.lua writes it, or nothing.
--
-- KEYS  client
-- ARGV  nothing, or the row to be written first and its life (ms; 0: it is forgotten)

if ARGV[1] and ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
elseif ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return redis.call('GET', KEYS[1]) or ''
