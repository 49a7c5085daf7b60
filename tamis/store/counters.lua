-- counters - what admins do with counters, each in one step.
--
-- KEYS  that of one subject's windows, grant and list; for `scan` any
-- ARGV  usage                   their values, each with a newline behind it
--       reset                   they are gone
--       grant VALUE LIFE (ms)   VALUE is the first key's; without them it is gone
--       scan CURSOR PATTERN N   which server this is, the next cursor, then keys, each with a newline behind it

local verb = ARGV[1]
if verb == 'usage' then
  local values = redis.call('MGET', unpack(KEYS))
  for i = 1, #KEYS do values[i] = (values[i] or '') .. '\n' end
  return table.concat(values)
elseif verb == 'reset' then
  redis.call('DEL', unpack(KEYS))
elseif verb == 'grant' then
  if ARGV[2] then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  else
    redis.call('DEL', KEYS[1])
  end
else
  local found = redis.call('SCAN', ARGV[2], 'MATCH', ARGV[3], 'COUNT', ARGV[4])
  local keys = found[2]
  table.insert(keys, 1, found[1])
  table.insert(keys, 1, string.match(redis.call('INFO', 'server'), 'run_id:(%w+)'))
  return table.concat(keys, '\n') .. '\n'
end
return ''
